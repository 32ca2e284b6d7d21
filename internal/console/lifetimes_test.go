package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestSessionIsOverForAnOrg: who is idle too long for an org gets one page that says why, on the way
// into the org and to its pages, and goes on after one sign-in. Other orgs do not ask.
func TestSessionIsOverForAnOrg(t *testing.T) {
	t.Parallel()
	for name, platform := range map[string]bool{"a member": false, "a platform admin who is a member": true} {
		s := controltest.New(t)
		boss, u := s.User("boss@example.com", false), s.User("ada@example.com", platform)
		acme, globex := s.Org("acme", boss), s.Org("globex", boss)
		s.Join(acme.ID, u, registry.RoleMember)
		s.Join(globex.ID, u, registry.RoleMember)
		if err := s.Store.SetSessionLifetimes(t.Context(), s.Owner(acme.ID), acme.ID, "", registry.Lifetimes{Idle: 300}); err != nil {
			t.Fatal(err)
		}
		enter := func(b *browser, org registry.Org) (string, controltest.Answer) {
			return b.follow(authorizeFor(token.ClientID(org.ID), org.Slug))
		}
		b := newBrowser(t, s)
		b.signIn(u.Email)
		s.Clock.Advance(5*time.Minute - time.Second)
		if at, _ := enter(b, acme); !strings.HasPrefix(at, "https://acme.d.example/") {
			t.Errorf("%s: not idle yet, and ends at %s", name, at)
		}
		s.Clock.Advance(5*time.Minute - time.Second) // used since, which is not stored yet
		if at, _ := enter(b, acme); !strings.HasPrefix(at, "https://acme.d.example/") {
			t.Errorf("%s: in use, and ends at %s", name, at)
		}
		s.Clock.Advance(5 * time.Minute)
		if at, _ := enter(b, globex); !strings.HasPrefix(at, "https://globex.d.example/") {
			t.Errorf("%s: another org: %s", name, at)
		}
		s.Clock.Advance(5 * time.Minute)
		at, a := enter(b, acme)
		const why = "acme asks for a new sign-in after 5 minutes without use"
		if a.Status != http.StatusOK || !strings.HasPrefix(at, "/sign-in?") || !strings.Contains(a.Body, why) {
			t.Fatalf("%s: %s %d %s", name, at, a.Status, a.Body)
		}
		back := at[strings.Index(at, "?")+1:]
		q, err := url.ParseQuery(back)
		if err != nil {
			t.Fatal(err)
		}
		a = b.do("POST", "/sign-in", url.Values{"email": {u.Email}, "password": {controltest.Password}, "return": q["return"]})
		if at, _ := b.follow(a.Header.Get("Location")); !strings.HasPrefix(at, "https://acme.d.example/") {
			t.Errorf("%s: after the sign-in: %s", name, at)
		}
		s.Clock.Advance(5 * time.Minute)
		at, a = b.follow("/orgs/acme")
		if said := strings.Contains(a.Body, why); said == platform || strings.HasPrefix(at, "/sign-in?") == platform {
			t.Errorf("%s: its pages: %s %s", name, at, a.Body)
		}
		if at, a := b.follow("/orgs/globex"); a.Status != http.StatusOK || at != "/orgs/globex" {
			t.Errorf("%s: another's: %s %d", name, at, a.Status)
		}
		if a := b.get("/sign-in?over=" + string(globex.ID)); a.Status != http.StatusSeeOther {
			t.Errorf("%s: a made-up address: %d", name, a.Status)
		}
	}
}

// TestSessionLifetimesForm: owners say how long sessions count, within what the installation allows;
// that and when a session expires is shown.
func TestSessionLifetimesForm(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	u := s.User("ada@example.com", true)
	org := s.Org("acme", u)
	b := newBrowser(t, s)
	b.signIn(u.Email)
	page := b.get("/orgs/acme/sign-in").Body
	if !strings.Contains(page, "7 days, or 12 hours without use") {
		t.Error("what the installation says is not shown")
	}
	for _, c := range []struct {
		lifetime, idle string
		want           int
		says           string
	}{
		{"480", "15", http.StatusSeeOther, ""},
		{"", "721", http.StatusUnprocessableEntity, "an idle session lasts at most 12 hours here"},
		{"0", "", http.StatusUnprocessableEntity, "Write a number of minutes"},
		{"x", "", http.StatusUnprocessableEntity, "Write a number of minutes"},
		{"4", "", http.StatusUnprocessableEntity, "at least 5 minutes"},
	} {
		a := b.do("POST", "/orgs/acme/sign-in/sessions", url.Values{"lifetime": {c.lifetime}, "idle": {c.idle}})
		if a.Status != c.want || !strings.Contains(a.Body, c.says) {
			t.Errorf("%+v: %d %s", c, a.Status, a.Body)
		}
	}
	v, err := s.Store.Org(t.Context(), registry.AsOperator(), org.ID)
	if err != nil || v.Sessions != (registry.Lifetimes{Idle: 900, Absolute: 28800}) {
		t.Errorf("%+v %v", v.Sessions, err)
	}
	if page = b.get("/orgs/acme/sign-in").Body; !strings.Contains(page, `value="480"`) || !strings.Contains(page, `value="15"`) {
		t.Error("what the org says is not shown")
	}
	b.do("POST", "/orgs/acme/sign-in/sessions", url.Values{"lifetime": {""}, "idle": {""}})
	if v, err = s.Store.Org(t.Context(), registry.AsOperator(), org.ID); err != nil || v.Sessions != (registry.Lifetimes{}) {
		t.Errorf("%+v %v", v.Sessions, err)
	}
	expires := s.Clock.Now().Add(registry.SessionIdle).UTC().Format("2 Jan 2006 15:04")
	for _, at := range []string{"/account", "/platform/users/" + string(u.ID)} {
		if !strings.Contains(b.get(at).Body, expires) {
			t.Errorf("%s does not say that the session expires at %s", at, expires)
		}
	}
}

// TestLivePagesAreNoUse: a page that nobody looks at fetches itself, and does not keep its session.
func TestLivePagesAreNoUse(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	u := s.User("ada@example.com", false)
	s.Org("acme", u)
	s.Store.SetLifetimes(registry.Lifetimes{Idle: 300, Absolute: 86400})
	b := newBrowser(t, s)
	b.signIn(u.Email)
	for range 3 {
		s.Clock.Advance(4 * time.Minute)
		if a := b.get("/orgs/acme"); a.Status != http.StatusOK {
			t.Fatal(a.Status)
		}
	}
	asPerson := b.origin
	b.origin = append(b.origin, "Sec-Fetch-Dest", "empty")
	s.Clock.Advance(4 * time.Minute)
	if a := b.get("/orgs/acme"); a.Status != http.StatusOK {
		t.Fatal(a.Status)
	}
	b.origin = asPerson
	s.Clock.Advance(time.Minute)
	if a := b.get("/orgs/acme"); a.Status != http.StatusSeeOther {
		t.Errorf("it goes on: %d", a.Status)
	}
}
