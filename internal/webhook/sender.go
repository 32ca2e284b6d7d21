package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/registry"
)

// Store is where webhooks and messages are kept.
type Store interface {
	registry.WebhookReader
	registry.DeliveryStore
	registry.Notifier
}

// Accounts seals the secrets of webhooks, and limits the messages that people ask for.
type Accounts interface {
	// TakeMessage counts one message of an org to a host, and returns how to give it back. Error:
	// CodeTooManyRequests.
	TakeMessage(ctx context.Context, org registry.OrgID, host string) (back func(), err error)
	Seal(purpose, name string, plain []byte) []byte
	Open(purpose, name string, sealed []byte) ([]byte, error)
}

// Sender makes webhooks and sends their messages.
type Sender struct {
	store    Store
	accounts Accounts
	log      *slog.Logger
	now      func() time.Time
	allow    func() []netip.Prefix
	client   *http.Client
}

const (
	workers = 16
	purpose = "webhooks"
	poll    = 5 * time.Second
)

// pauses are the times to wait after each failure; then a message is given up.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 12 * time.Hour}

// New makes a Sender. allow are networks that are dialled though they are not public.
func New(store Store, accounts Accounts, log *slog.Logger, now func() time.Time, allow func() []netip.Prefix) *Sender {
	return &Sender{store: store, accounts: accounts, log: log, now: now, allow: allow, client: egress.NewClient(allow)}
}

// Create makes a webhook and returns its secret, this once. Errors: those of
// the store, and of Check.
func (s *Sender) Create(ctx context.Context, a registry.Actor, org registry.OrgID, address string, events []registry.ChangeKind) (registry.Webhook, string, error) {
	if err := s.Check(address); err != nil {
		return registry.Webhook{}, "", err
	}
	w := registry.Webhook{ID: registry.WebhookID(registry.NewID()), OrgID: org, URL: address, Events: events}
	secret := NewSecret()
	w.Sealed = s.accounts.Seal(purpose, string(w.ID), secret)
	w, err := s.store.CreateWebhook(ctx, a, w)
	return w, Text(secret), err
}

// Check refuses addresses that would never be told: in the clear, or plainly private. What a name
// stands for is judged when it is dialled.
func (s *Sender) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return registry.CheckWebhook("", address, nil)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	literal := err == nil
	if literal && !egress.Public(ip, s.allow()) {
		return registry.Errorf(registry.CodeInvalid, "url", "%s is a private address: ask the operator to allow it", ip)
	}
	if u.Scheme == "http" && (len(s.allow()) == 0 || literal && !egress.Allowed(ip, s.allow())) {
		return registry.Errorf(registry.CodeInvalid, "url",
			"use https: only networks that the operator allows get messages over http")
	}
	return nil
}

// Run sends until ctx ends, and waits for what is under way.
func (s *Sender) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots, done := make(chan struct{}, workers), make(chan struct{}, workers)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		changed := s.store.Changed()
		if err := s.begin(ctx, &wg, slots, done); err != nil && ctx.Err() == nil {
			s.log.Warn("webhooks", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-done:
		case <-tick.C:
		}
	}
}

// begin makes messages of what changed, and starts to send what is due.
func (s *Sender) begin(ctx context.Context, wg *sync.WaitGroup, slots, done chan struct{}) error {
	a := registry.AsSystem("webhooks")
	if err := s.store.SpreadChanges(ctx, a); err != nil {
		return err
	}
	due, err := s.store.ClaimDeliveries(ctx, a, workers-len(slots))
	if err != nil {
		return err
	}
	for _, t := range due {
		slots <- struct{}{}
		wg.Go(func() {
			s.deliver(ctx, t)
			<-slots
			select {
			case done <- struct{}{}:
			default:
			}
		})
	}
	return nil
}

// deliver tries one message and notes how it went.
func (s *Sender) deliver(ctx context.Context, t registry.Task) {
	status, err := s.send(ctx, t)
	if ctx.Err() != nil && err != nil {
		s.release(t) // the server ends: the next one tries again
		return
	}
	failure, next := "", time.Time{}
	if err != nil {
		failure = err.Error()
		if t.Attempts < len(pauses) {
			next = s.now().Add(pauses[t.Attempts])
		}
	}
	err = s.store.ReportDelivery(ctx, registry.AsSystem("webhooks"), t, status, failure, next)
	switch {
	case registry.ErrorCode(err) == registry.CodeConflict:
		s.log.Info("webhook result dropped", "webhook", t.WebhookID, "delivery", t.ID, "error", err)
	case err != nil && ctx.Err() == nil:
		s.log.Warn("webhooks", "webhook", t.WebhookID, "error", err)
	}
}

func (s *Sender) release(t registry.Task) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.store.ReleaseDelivery(ctx, registry.AsSystem("webhooks"), t); err != nil {
		s.log.Warn("webhooks", "webhook", t.WebhookID, "error", err)
	}
}

func (s *Sender) send(ctx context.Context, t registry.Task) (status int, err error) {
	if err := s.Check(t.URL); err != nil {
		return 0, err
	}
	secret, err := s.accounts.Open(purpose, string(t.WebhookID), t.Sealed)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, strings.NewReader(t.Body))
	if err != nil {
		return 0, err
	}
	now := s.now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Pizzeria-Webhook/1")
	req.Header.Set("Webhook-Id", t.ID)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", Sign(secret, t.ID, now, t.Body))
	res, err := s.client.Do(req)
	if err != nil {
		return 0, plain(err)
	}
	_ = res.Body.Close() // what it says is not for us
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return res.StatusCode, fmt.Errorf("it answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return res.StatusCode, nil
}

// plain says why an address was not reached, without what a resolver or a
// network inside would tell somebody outside.
func plain(err error) error {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, egress.ErrPrivate):
		return egress.ErrPrivate
	case errors.Is(err, egress.ErrClear):
		return egress.ErrClear
	case errors.As(err, &dns):
		return errors.New("its name is not found")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it did not answer in time")
	}
	return errors.New("it could not be reached, or its certificate does not hold")
}
