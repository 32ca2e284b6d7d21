package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// TestEachTabIsOnItsOwnSignIn: tabs that went to a provider come back in any order, each to where
// it was going, and a browser keeps a bounded number of them.
func TestEachTabIsOnItsOwnSignIn(t *testing.T) {
	s := controltest.New(t)
	p := startProvider(t, s, "mia@corp.example")
	id := connect(t, s, p, "")
	b := newBrowser(t, s)
	type tab struct{ back, nonce, to string }
	begin := func(to string) tab {
		back := p.callback(t, b.do("POST", "/sign-in/with/"+id, url.Values{"return": {to}}))
		return tab{back, p.nonce, to}
	}
	finish := func(at tab) controltest.Answer {
		p.nonce = at.nonce
		return b.get(at.back)
	}
	one, two := begin("/account"), begin("/orgs/new")
	for _, at := range []tab{one, two} {
		if a := finish(at); a.Status != http.StatusSeeOther || a.Header.Get("Location") != at.to {
			t.Errorf("%s: %d %s", at.to, a.Status, a.Header.Get("Location"))
		}
	}
	if b.is() != "mia@corp.example" {
		t.Errorf("signed in as %q", b.is())
	}
	kept := func() (names []string) {
		for name := range b.jar {
			if strings.HasPrefix(name, "__Host-pizzeria-external-") {
				names = append(names, name)
			}
		}
		return names
	}
	if len(kept()) != 0 {
		t.Errorf("finished, and kept: %s", kept())
	}
	// A browser sends its oldest cookies first.
	var line []string
	for n := range 12 {
		line = append(line, "__Host-pizzeria-external-"+strings.Repeat(string(rune('a'+n)), 12)+"=x")
	}
	a := s.Nobody().With("Sec-Fetch-Site", "same-origin", "Cookie", strings.Join(line, "; "),
		"Content-Type", "application/x-www-form-urlencoded").Do("POST", "/sign-in/with/"+id, "return=/")
	var dropped []string
	for _, k := range (&http.Response{Header: a.Header}).Cookies() {
		if k.MaxAge < 0 {
			dropped = append(dropped, k.Name[len(k.Name)-1:])
		}
	}
	if got := strings.Join(dropped, ""); got != "abcde" {
		t.Errorf("of 12 attempts and a new one, these are dropped: %q", got)
	}
}

// TestLateSteps: every step of a sign-in waits for an hour, and then leads to another sign-in that
// ends where this one was going.
func TestLateSteps(t *testing.T) {
	const to = "/account?x=1"
	for name, step := range map[string]func(*testing.T, *controltest.Server, *browser) func() controltest.Answer{
		"provider": func(t *testing.T, s *controltest.Server, b *browser) func() controltest.Answer {
			p := startProvider(t, s, "mia@corp.example")
			id := connect(t, s, p, "")
			back := p.callback(t, b.do("POST", "/sign-in/with/"+id, url.Values{"return": {to}}))
			return func() controltest.Answer { return b.get(back) }
		},
		"second factor": func(t *testing.T, s *controltest.Server, b *browser) func() controltest.Answer {
			secret := addFactor(t, s, s.User("ada@example.com", false))
			a := b.do("POST", "/sign-in", url.Values{"email": {"ada@example.com"}, "password": {controltest.Password}, "return": {to}})
			half := regexp.MustCompile(`name="second" value="([^"]+)"`).FindStringSubmatch(a.Body)
			if half == nil {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			return func() controltest.Answer {
				code, err := totp.GenerateCode(secret, s.Clock.Now())
				if err != nil {
					t.Fatal(err)
				}
				return b.do("POST", "/sign-in/second", url.Values{"second": {half[1]}, "return": {to}, "code": {code}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, waits := range []time.Duration{identity.AttemptLife - time.Minute, identity.AttemptLife + time.Minute} {
				s := controltest.New(t)
				b := newBrowser(t, s)
				finish := step(t, s, b)
				s.Clock.Advance(waits)
				a := finish()
				if waits < identity.AttemptLife {
					if a.Status != http.StatusSeeOther || a.Header.Get("Location") != to {
						t.Errorf("after %s: %d %s %s", waits, a.Status, a.Header, a.Body)
					}
					continue
				}
				if a.Status != http.StatusGone || b.jar[web.Cookie] != "" ||
					!strings.Contains(a.Body, `href="/sign-in?return=%2faccount%3fx%3d1"`) {
					t.Errorf("after %s: %d %s", waits, a.Status, a.Body)
				}
			}
		})
	}
	// A tab that is late in a browser that has signed in meanwhile goes on.
	s := controltest.New(t)
	s.User("ada@example.com", false)
	p := startProvider(t, s, "ada@example.com")
	id := connect(t, s, p, "")
	b := newBrowser(t, s)
	back := p.callback(t, b.do("POST", "/sign-in/with/"+id, url.Values{"return": {to}}))
	s.Clock.Advance(identity.AttemptLife + time.Minute)
	b.signIn("ada@example.com")
	if a := b.get(back); a.Status != http.StatusSeeOther || a.Header.Get("Location") != to {
		t.Errorf("signed in meanwhile: %d %s", a.Status, a.Header.Get("Location"))
	}
}

// TestPasskeyFormStaysOpen: a passkey that answers a form of long ago is asked again by that form.
func TestPasskeyFormStaysOpen(t *testing.T) {
	s := controltest.New(t)
	s.User("ada@example.com", false)
	b := newBrowser(t, s)
	a := b.do("POST", "/sign-in/passkey", url.Values{"sealed": {"old"}, "response": {"{}"}, "return": {"/account"}})
	if a.Status != http.StatusUnprocessableEntity || !strings.Contains(a.Body, `action="/sign-in/passkey"`) ||
		!strings.Contains(a.Body, `name="return" value="/account"`) {
		t.Errorf("to sign in: %d %s", a.Status, a.Body)
	}
	b.signIn("ada@example.com")
	a = b.do("POST", "/account/passkey", url.Values{
		"sealed": {"old"}, "response": {"{}"}, "name": {"Laptop"}, "old_password": {controltest.Password},
	})
	if a.Status != http.StatusUnprocessableEntity || !strings.Contains(a.Body, `value="Laptop"`) {
		t.Errorf("to add one: %d %s", a.Status, a.Body)
	}
}

// TestScannedSecretStays: an authenticator app that scanned a secret works after a wrong code, a
// wrong password and a reload, until it is added.
func TestScannedSecretStays(t *testing.T) {
	s := controltest.New(t)
	s.User("ada@example.com", false)
	b := newBrowser(t, s)
	b.signIn("ada@example.com")
	field := func(a controltest.Answer, id string) string {
		t.Helper()
		m := regexp.MustCompile(`(?:id|name)="` + id + `" value="([^"]+)"`).FindStringSubmatch(a.Body)
		if m == nil {
			t.Fatalf("no %s: %d %s", id, a.Status, a.Body)
		}
		return m[1]
	}
	a := b.get("/account/second-step")
	secret := field(a, "secret")
	form := func(code, password string) url.Values {
		return url.Values{"sealed": {field(a, "sealed")}, "name": {"Phone"}, "code": {code}, "old_password": {password}}
	}
	code, err := totp.GenerateCode(secret, s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []func() controltest.Answer{
		func() controltest.Answer {
			return b.do("POST", "/account/second-step", form("000000", controltest.Password))
		},
		func() controltest.Answer { return b.do("POST", "/account/second-step", form(code, "wrong")) },
		func() controltest.Answer { return b.get("/account/second-step") },
	} {
		if a = try(); field(a, "secret") != secret {
			t.Fatalf("another secret: %d", a.Status)
		}
	}
	used := form(code, controltest.Password)
	if a := b.do("POST", "/account/second-step", used); a.Status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if next := field(b.get("/account/second-step"), "secret"); next == secret {
		t.Error("the secret of an app that was added is shown again")
	}
	// It is the account's, and lives as long as an attempt.
	a = b.get("/account/second-step")
	secret = field(a, "secret")
	s.Clock.Advance(identity.AttemptLife + time.Minute)
	if field(b.get("/account/second-step"), "secret") == secret {
		t.Error("a secret of long ago is shown again")
	}
	secret = field(b.get("/account/second-step"), "secret")
	s.User("bob@example.com", false)
	b.signIn("bob@example.com")
	if field(b.get("/account/second-step"), "secret") == secret {
		t.Error("another account's secret is shown")
	}
}

// addFactor gives an account an authenticator app, and returns its secret.
func addFactor(t *testing.T, s *controltest.Server, u registry.User) string {
	t.Helper()
	a := s.As(u)
	n, err := s.Identity.NewTOTP(a, u.Email, "")
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(n.Secret, s.Clock.Now().Add(-time.Minute/2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Identity.AddTOTP(s.Context(), a, n.Sealed, "Phone", code, controltest.Password); err != nil {
		t.Fatal(err)
	}
	return n.Secret
}
