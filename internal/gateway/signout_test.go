package gateway

import (
	"net/http"
	"strings"
	"testing"
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
			if _, err := f.g.Identity.Renew(t.Context(), s.claims); c.session && (err == nil) != refused {
				t.Errorf("the session afterwards: %v", err)
			}
		})
	}
}
