package mail

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/mail/mailtest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
	"github.com/pizzaface/pizzeria/registry/storetest"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	s     *Sender
	store *sqlite.Store
	clock *storetest.Clock
	log   *bytes.Buffer
	c     Config
}

func newFixture(t *testing.T, c Config) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: storetest.NewClock(), log: new(bytes.Buffer), c: c}
	master, err := identity.ParseMasterKey("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	if f.store, err = sqlite.Open(ctx, sqlitetest.File(t), master, f.clock.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	site := func() token.Site { return token.Site{Issuer: "https://d.example", Domain: "d.example"} }
	ids := identity.New(f.store, master, site, slog.New(slog.DiscardHandler), f.clock.Now)
	if err := f.c.Check(); err != nil {
		t.Fatal(err)
	}
	f.s = New(f.store, ids, func() *Config { return &f.c }, site, slog.New(slog.NewTextHandler(f.log, nil)), f.clock.Now)
	return f
}

// invite queues a letter and returns its link's secret.
func (f *fixture) invite(to string) string {
	f.Helper()
	link := "https://d.example/invite/" + token.NewSecret().Reveal()
	if err := f.s.Queue(ctx, to, identity.Letter{Kind: identity.LetterInvite, By: "ada@example.com", Org: "Acme\r\nBcc: eve@example.com\r\n\r\nInc", Link: link, Ends: f.clock.Now().Add(time.Hour)}, ""); err != nil {
		f.Fatal(err)
	}
	return link
}

func (f *fixture) send() {
	f.Helper()
	if err := f.s.send(ctx); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) waiting() int {
	f.Helper()
	f.clock.Add(365 * 24 * time.Hour)
	list, err := f.store.ClaimMails(ctx, registry.AsSystem("test"), 100)
	if err != nil {
		f.Fatal(err)
	}
	return len(list)
}

func TestSending(t *testing.T) {
	for name, implicit := range map[string]bool{StartTLS: false, ImplicitTLS: true} {
		t.Run(name, func(t *testing.T) {
			sink := mailtest.New(t, implicit)
			f := newFixture(t, Config{Server: sink.Address, From: "Pizzeria <no-reply@d.example>", TLS: name, CAFile: sink.CAFile, Username: mailtest.Username, Password: mailtest.Password})
			links := map[string]string{}
			for _, to := range []string{"a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com", "f@example.com"} {
				links[to] = f.invite(to)
			}
			f.send()
			got := sink.Got()
			if len(got) != len(links) {
				t.Fatalf("%d of %d arrived: %s", len(got), len(links), f.log)
			}
			for _, m := range got {
				if !m.TLS || m.From != "no-reply@d.example" || !strings.Contains(m.Text, links[m.To]) || !strings.Contains(m.Text, "Subject: ada@example.com invites you to Acme Bcc: eve@example.com Inc\r\n") ||
					!strings.Contains(m.Text, "Auto-Submitted: auto-generated") || strings.Contains(m.Text, "\r\nBcc:") {
					t.Errorf("%+v", m)
				}
			}
			if n := f.waiting(); n != 0 {
				t.Errorf("%d wait still", n)
			}
		})
	}
}

// TestFailures: what may pass is tried again, later and later; what will not is given up. No log holds a link.
func TestFailures(t *testing.T) {
	sink := mailtest.New(t, false)
	f := newFixture(t, Config{Server: sink.Address, From: "no-reply@d.example", CAFile: sink.CAFile, Username: mailtest.Username, Password: mailtest.Password})
	link := f.invite("a@example.com")
	sink.Refuse(451, 451)
	f.send()
	f.send() // not yet
	if len(sink.Got()) != 0 || !strings.Contains(f.log.String(), "tried again") {
		t.Fatalf("%v %s", sink.Got(), f.log)
	}
	f.clock.Add(pauses[0])
	f.send()
	if len(sink.Got()) != 0 {
		t.Fatal("it was refused twice, and arrived")
	}
	f.clock.Add(pauses[1])
	f.send()
	if len(sink.Got()) != 1 {
		t.Fatal(f.log)
	}

	sink.Refuse(550) // no such mailbox
	f.invite("nobody@example.com")
	f.send()
	if !strings.Contains(f.log.String(), "given up") || len(sink.Got()) != 1 {
		t.Errorf("%s", f.log)
	}

	f.c.Password = "wrong"
	f.invite("a@example.com")
	f.send()
	f.c.Password = mailtest.Password
	f.clock.Add(2 * time.Hour) // and the link has ended meanwhile
	f.send()
	if len(sink.Got()) != 1 {
		t.Error("a letter with a link that has ended was sent")
	}

	// Another server's certificate gets neither letter nor password.
	other := mailtest.New(t, false)
	f.c.Server = other.Address
	f.invite("a@example.com")
	f.send()
	if len(other.Got()) != 0 {
		t.Error("sent to a server with another certificate")
	}
	for _, secret := range []string{link, mailtest.Password, "/invite/"} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log holds %s: %s", secret, f.log)
		}
	}
	rows, err := f.store.ClaimMails(ctx, registry.AsSystem("test"), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rows {
		if bytes.Contains(m.Sealed, []byte("invite")) {
			t.Error("the store holds the letter in the clear")
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Server: "smtp.example.com:587", From: "Pizzeria <no-reply@example.com>"}
	for want, change := range map[string]func(*Config){
		"server is missing":       func(c *Config) { c.Server = "" },
		"is no host and port":     func(c *Config) { c.Server = "smtp.example.com" },
		"from is missing":         func(c *Config) { c.From = "" },
		"is no address":           func(c *Config) { c.From = "Pizzeria" },
		"use starttls":            func(c *Config) { c.TLS = "yes" },
		"go together":             func(c *Config) { c.Username = "x" },
		"not sent in the clear":   func(c *Config) { c.Username, c.Password, c.TLS = "x", "y", NoTLS },
		"ca_file":                 func(c *Config) { c.CAFile = "/nowhere" },
		"templates":               func(c *Config) { c.Templates = "/nowhere" },
		"no certificate in PEM f": func(c *Config) { c.CAFile = "/dev/null" },
	} {
		c := good
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := good.Check(); err != nil || good.TLS != StartTLS {
		t.Errorf("%v %+v", err, good)
	}
	c := Config{Server: "smtp.example.com:465", From: "a@example.com"}
	if err := c.Check(); err != nil || c.TLS != ImplicitTLS {
		t.Errorf("%v %+v", err, c)
	}
}

// TestOwnTemplates: the operator's take the place of ours, and a bad one is refused before it is needed.
func TestOwnTemplates(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "invite.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"Subject alone", "{{.Nothing}}\n\ntext", "{{.Link", "\n\nno subject", "two\nlines\n\ntext"} {
		write(bad)
		if _, err := load(dir); err == nil || !strings.Contains(err.Error(), "invite.txt") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	write("Komm zu {{.Org}}\n\n{{.Link}}\n")
	l, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if subject, text, err := l.write(identity.Letter{Kind: identity.LetterInvite, Org: "Acme", Link: "https://x/"}, ""); err != nil || subject != "Komm zu Acme" || text != "https://x/\n" {
		t.Errorf("%q %q %v", subject, text, err)
	}
	if subject, _, err := l.write(identity.Letter{Kind: identity.LetterReset}, "https://d.example"); err != nil || subject != "A new password" {
		t.Errorf("%q %v", subject, err)
	}
}
