package mail

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Store is where letters wait.
type Store interface {
	registry.MailStore
	registry.Notifier
}

// Sealer seals letters.
type Sealer interface {
	Seal(purpose, name string, plain []byte) []byte
	Open(purpose, name string, sealed []byte) ([]byte, error)
}

// Sender writes and sends letters. It implements identity.Mailer.
type Sender struct {
	store  Store
	sealer Sealer
	config func() *Config // nil: no mail is sent
	site   func() token.Site
	log    *slog.Logger
	now    func() time.Time
}

const (
	purpose = "mail"
	poll    = 5 * time.Second
	workers = 4
	timeout = 30 * time.Second
)

// pauses are the times to wait after each failure; then a letter is given up.
var pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 12 * time.Hour}

// New makes a Sender. config is asked at each use, since a config reload may change it.
func New(store Store, sealer Sealer, config func() *Config, site func() token.Site, log *slog.Logger, now func() time.Time) *Sender {
	return &Sender{store: store, sealer: sealer, config: config, site: site, log: log, now: now}
}

// Enabled implements identity.Mailer.
func (s *Sender) Enabled() bool { return s.config() != nil }

// letter is what is kept of a message, sealed.
type letter struct {
	Subject, Text string
	Ends          time.Time // of its link, after which it is of no use
}

// Queue implements identity.Mailer.
func (s *Sender) Queue(ctx context.Context, to string, l identity.Letter, link string) error {
	c := s.config()
	if c == nil {
		return errors.New("mail: none is sent")
	}
	templates, err := load(c.Templates)
	if err != nil {
		return err
	}
	w := letter{Ends: l.Ends}
	if w.Subject, w.Text, err = templates.write(l, s.site().Issuer); err != nil {
		return err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	m := registry.Mail{ID: registry.NewID(), To: to, After: l.After, Withheld: l.Withheld}
	m.Sealed = s.sealer.Seal(purpose, m.ID, b)
	return s.store.QueueMail(ctx, registry.AsSystem("mail"), m, link)
}

// Run sends until ctx ends, and waits for what is under way.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		changed := s.store.Changed()
		if err := s.send(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("mail", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// send sends what is due, a few at a time, and returns when they are through.
func (s *Sender) send(ctx context.Context) error {
	c := s.config()
	if c == nil {
		return nil
	}
	for {
		due, err := s.store.ClaimMails(ctx, registry.AsSystem("mail"), workers)
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		errs := make([]error, len(due))
		for i, m := range due {
			wg.Go(func() { errs[i] = s.deliver(ctx, c, m) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil || len(due) < workers {
			return err
		}
	}
}

// deliver tries one letter and notes how it went. Its error is that it could not be noted.
func (s *Sender) deliver(ctx context.Context, c *Config, m registry.Mail) error {
	err := s.transmit(ctx, c, m)
	if ctx.Err() != nil && err != nil {
		return errors.Join(ctx.Err(), s.release(m)) // the server ends: the next one tries again
	}
	var next time.Time
	var refused *gomail.SendError
	switch {
	case err == nil:
	case errors.Is(err, errUseless), errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500, m.Attempts >= len(pauses):
		s.log.Error("a mail is given up", "mail", m.ID, "attempts", m.Attempts+1, "error", err)
	default:
		next = s.now().Add(pauses[m.Attempts])
		s.log.Warn("a mail is not sent, and tried again", "mail", m.ID, "at", next, "error", err)
	}
	err = s.store.ReportMail(ctx, registry.AsSystem("mail"), m, next)
	if registry.ErrorCode(err) == registry.CodeConflict {
		s.log.Info("mail result dropped", "mail", m.ID, "error", err)
		return nil
	}
	return err
}

var errUseless = errors.New("its link has ended, or it does not open")

func (s *Sender) transmit(ctx context.Context, c *Config, m registry.Mail) error {
	plain, err := s.sealer.Open(purpose, m.ID, m.Sealed)
	if err != nil {
		return fmt.Errorf("%w: %w", errUseless, err)
	}
	var l letter
	if err := json.Unmarshal(plain, &l); err != nil {
		return fmt.Errorf("%w: %w", errUseless, err)
	}
	if !l.Ends.IsZero() && s.now().After(l.Ends) {
		return errUseless
	}
	msg := gomail.NewMsg()
	if err := errors.Join(msg.From(c.From), msg.To(m.To)); err != nil {
		return err
	}
	msg.Subject(l.Subject)
	msg.SetDateWithValue(m.CreatedAt)
	msg.SetMessageIDWithValue(m.ID + "@" + s.site().Domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notes back
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)
	client, err := dial(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return client.DialAndSendWithContext(ctx, msg)
}

func dial(c *Config) (*gomail.Client, error) {
	host, p, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return nil, err
	}
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	options := []gomail.Option{
		gomail.WithPort(port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}),
	}
	switch c.TLS {
	case ImplicitTLS:
		options = append(options, gomail.WithSSL())
	case NoTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(c.Username), gomail.WithPassword(c.Password))
	}
	return gomail.NewClient(host, options...)
}

func (s *Sender) release(m registry.Mail) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return s.store.ReleaseMail(ctx, registry.AsSystem("mail"), m)
}
