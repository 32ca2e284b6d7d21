package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestSignOut: it is answered on the org's own host, with a page for people and with nothing for scripts.
func TestSignOut(t *testing.T) {
	for name, c := range map[string]struct {
		site, mode, origin string
		session            bool
		want               int
	}{
		"a form":                {"same-origin", "navigate", "https://acme.d.example", true, http.StatusOK},
		"a script":              {"same-origin", "cors", "https://acme.d.example", true, http.StatusNoContent},
		"a form, again":         {"same-origin", "navigate", "https://acme.d.example", false, http.StatusOK},
		"a script, again":       {"same-origin", "cors", "https://acme.d.example", false, http.StatusNoContent},
		"a form of a sibling":   {"same-site", "navigate", "https://globex.d.example", true, http.StatusForbidden},
		"a script of a sibling": {"same-site", "no-cors", "https://globex.d.example", true, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s, err := f.g.verified(f.token, f.org.ID)
			if err != nil {
				t.Fatal(err)
			}
			r := page("POST", "/.pizzeria/sign-out", c.site, "document")
			r.Header.Set("Sec-Fetch-Mode", c.mode)
			r.Header.Set("Origin", c.origin)
			if c.session {
				r.Header.Set("Cookie", SessionCookie+"="+f.token)
			}
			w := f.browse(r, f.reserved("/sign-out"))
			if w.Code != c.want || w.Header().Get("Location") != "" {
				t.Fatalf("%d %v", w.Code, w.Header())
			}
			shows := strings.Contains(w.Body.String(), "You are signed out") && strings.Contains(w.Body.String(), "/.pizzeria/sign-in?return=%2F") && strings.Contains(w.Body.String(), "https://d.example/")
			if shows != (c.want == http.StatusOK) {
				t.Errorf("it shows\n%s", w.Body)
			}
			refused := c.want == http.StatusForbidden
			if removed := cookieSet(w, SessionCookie) == "-"; removed == refused {
				t.Errorf("the session's cookie is removed: %v", removed)
			}
			if _, err := f.ids.Renew(t.Context(), s.claims, f.clock); c.session && (err == nil) != refused {
				t.Errorf("the session afterwards: %v", err)
			}
		})
	}
}

// TestSignOutOfWhatIsRefused: a session that no longer lets anybody in signs out all the same, as the
// sign-in session behind it would sign in again. Without one, the page does not claim that it did.
func TestSignOutOfWhatIsRefused(t *testing.T) {
	const everywhere = "signed out of all your orgs"
	for name, c := range map[string]struct {
		before func(f *fixture)
		cookie bool
		ends   bool
	}{
		"left open for hours": {func(f *fixture) { f.pass(3 * time.Hour) }, true, true},
		"a second step is required": {func(f *fixture) {
			if err := f.store.RequireSecondStep(f.Context(), registry.AsOperator(), f.org.ID, "", true); err != nil {
				f.Fatal(err)
			}
			f.pass(20 * time.Minute)
		}, true, true},
		"idle for too long for the org": {func(f *fixture) {
			f.asks(registry.Lifetimes{Idle: 300})
			f.pass(3 * time.Hour)
			f.want(401)
		}, true, true},
		"left open for weeks": {func(f *fixture) {
			f.lives = registry.Lifetimes{Idle: 30 * 86400, Absolute: 30 * 86400}
			f.store.SetLifetimes(f.lives)
			f.signIn()
			f.pass(20 * 24 * time.Hour)
		}, true, true},
		"no session here": {func(*fixture) {}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c.before(f)
			r := page("POST", "/.pizzeria/sign-out", "same-origin", "document")
			r.Header.Set("Origin", "https://acme.d.example")
			if c.cookie {
				r.Header.Set("Cookie", SessionCookie+"="+f.token)
			}
			w := f.browse(r, f.reserved("/sign-out"))
			if says := strings.Contains(w.Body.String(), everywhere); w.Code != http.StatusOK || says != c.ends {
				t.Errorf("%d, it says %v\n%s", w.Code, says, w.Body)
			}
			if cookieSet(w, SessionCookie) != "-" {
				t.Error("the session's cookie stays")
			}
			v, _, err := f.ids.Authenticate(t.Context(), f.login.Token.Reveal())
			if (err != nil) != c.ends {
				t.Errorf("the sign-in session afterwards: %v %v", v.ID, err)
			}
		})
	}
}

// TestSignOutWhateverTheOrg: an org that is closed, or an instance that does not run, keeps nobody
// signed in.
func TestSignOutWhateverTheOrg(t *testing.T) {
	for _, status := range []registry.RouteStatus{
		registry.RouteStarting, registry.RouteFailed, registry.RouteSuspended, registry.RouteQuarantined, registry.RouteRenamed,
	} {
		f := newFixture(t)
		f.g.Routes = mapRoutes{"acme": {OrgID: f.org.ID, Slug: "acme", Name: "Acme", Status: status, RedirectTo: "apex"}}
		r := page("POST", "https://acme.d.example/.pizzeria/sign-out", "same-origin", "document")
		r.TLS = nil
		r.Header.Set("Origin", "https://acme.d.example")
		r.Header.Set("Cookie", SessionCookie+"="+f.token)
		w := httptest.NewRecorder()
		f.g.Admit(w, r, func() string { return "r" }, Admission{})
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d\n%s", status, w.Code, w.Body)
		}
		if _, _, err := f.ids.Authenticate(t.Context(), f.login.Token.Reveal()); err == nil {
			t.Errorf("%s: still signed in", status)
		}
	}
}
