package pizzapi

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func (f *fixture) cookie(p Person) string {
	f.Helper()
	w, r := f.judged("GET", "/api/me", p, nil)
	if r == nil {
		f.Fatalf("%s: %d, said %q", p.Subject, w.Code, f.said)
	}
	return r.Header.Get("Cookie")
}

// TestSessions: people are signed up once, signed in when they have no session that lives, and their
// names follow.
func TestSessions(t *testing.T) {
	f := newFixture(t)
	first := f.cookie(ada)
	if again := f.cookie(ada); again != first || f.b.count("/sign-up/email") != 1 || f.b.count("/sign-in/email") != 1 {
		t.Errorf("%s and then %s: %q", first, again, f.b.calls)
	}
	their := f.b.accounts["ada-id@people.invalid"]
	if their == nil || their.name != "Ada" || len(their.password) < 40 {
		t.Fatalf("%+v", f.b.accounts)
	}
	f.cookie(Person{Subject: "ada-id", Name: "Ada Lovelace"})
	if their.name != "Ada Lovelace" {
		t.Errorf("her name is %s", their.name)
	}
	f.cookie(Person{Subject: "bob-id", Email: "bob@example.com"})
	if f.b.accounts["bob-id@people.invalid"].name != "bob@example.com" {
		t.Error("somebody without a name has none of the e-mail address either")
	}

	// After a restart of the agent the same account is used.
	was := f.app
	f.app = f.open()
	f.app.client = was.client
	if f.cookie(ada) == first || f.b.count("/sign-up/email") != 2 {
		t.Errorf("%q", f.b.calls)
	}

	// PizzaPi forgets sessions. An answer of 401 makes the agent look, not at each one.
	f.b.sessions = map[string]string{}
	dead := f.cookie(ada)
	f.app.doubt("ada-id")
	if f.cookie(ada) != dead {
		t.Error("a session was checked twice within seconds")
	}
	f.ahead = time.Minute
	f.app.doubt("ada-id")
	if f.cookie(ada) == dead {
		t.Error("a dead session stays")
	}
	f.b.sessions = map[string]string{}
	dead = f.cookie(ada)
	f.ahead += 2 * time.Hour
	if f.cookie(ada) == dead {
		t.Error("a session is never checked")
	}
}

// TestSessionsAtOnce: many requests of one person sign in once.
func TestSessionsAtOnce(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, _, err := f.app.session(t.Context(), ada, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.b.count("/sign-in/email"); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

// TestNoSession: while PizzaPi gives no session, nothing reaches it in somebody's name.
func TestNoSession(t *testing.T) {
	for path, status := range map[string]int{
		"/api/auth/sign-in/email": 500, "/api/auth/sign-up/email": 429, "/api/auth/update-user": 500,
	} {
		f := newFixture(t)
		if path == "/api/auth/update-user" {
			f.cookie(ada)
		}
		f.b.fail[path] = status
		w, r := f.judged("GET", "/api/me", Person{Subject: "ada-id", Name: "Other"}, nil)
		if r != nil || w.Code != http.StatusBadGateway || len(f.said) != 1 {
			t.Errorf("%s: %d %q", path, w.Code, f.said)
		}
	}
}

// TestSessionIsTold: get-session says who it is, and nothing that could be used elsewhere.
func TestSessionIsTold(t *testing.T) {
	f := newFixture(t)
	for range 2 {
		w, _ := f.judged("GET", "/api/auth/get-session", ada, nil)
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, `"token":"redacted"`) || strings.Contains(body, `"token1"`) ||
			!strings.Contains(body, "12345678901234567890") || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%d %s %v", w.Code, body, w.Header())
		}
		f.b.sessions = map[string]string{} // it signs in again
	}
	calls := len(f.b.calls)
	w, _ := f.judged("GET", "/api/auth/get-session", Person{}, http.Header{"X-Api-Key": {"k"}})
	if w.Body.String() != "null" || len(f.b.calls) != calls {
		t.Errorf("nobody: %s", w.Body)
	}
}

// TestAddresses: PizzaPi counts IPv6 by /64, so every person has one of their own.
func TestAddresses(t *testing.T) {
	f := newFixture(t)
	seen := map[netip.Prefix]bool{}
	for i := range 1000 {
		a, err := netip.ParseAddr(f.app.secrets.address(strings.Repeat("x", i)))
		if err != nil || a.Is4() || !a.IsPrivate() {
			t.Fatalf("%v %v", a, err)
		}
		seen[netip.PrefixFrom(a, 64).Masked()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 people have %d networks", len(seen))
	}
}
