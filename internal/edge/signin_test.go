package edge

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestSignInPage: an app's page begins a sign-in that leads back to a path of the org's. What another
// site embeds begins none.
func TestSignInPage(t *testing.T) {
	f := newFixture(t)
	for back, want := range map[string]string{
		"/notes?x=1&y=2": "/notes?x=1&y=2", "/a%2Fb": "/a%2Fb", "/notes#x": "/notes#x", "": "/", "//evil.example": "/",
		"https://evil.example/": "/", `/\evil.example`: "/", "notes": "/",
		"/.pizzeria/sign-in?return=/x": "/", "/.pizzeria#x": "/", "/.pizzeria/sign-out": "/", "/.pizzerias?x": "/.pizzerias?x",
	} {
		r := page("GET", "/.pizzeria/sign-in?return="+url.QueryEscape(back), "same-origin", "document")
		if got := f.attempt(f.browse(r, f.reserved("/sign-in"))).Return; got != want {
			t.Errorf("%q leads back to %q", back, got)
		}
	}
	image := httptest.NewRequest("GET", "/.pizzeria/sign-in", nil)
	for k, v := range map[string]string{"Accept": "image/*", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"} {
		image.Header.Set(k, v)
	}
	script := page("GET", "/.pizzeria/sign-in", "same-origin", "empty")
	script.Header.Set("Sec-Fetch-Mode", "cors")
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"an image elsewhere":       {image, http.StatusBadRequest},
		"a script":                 {script, http.StatusBadRequest},
		"a program":                {httptest.NewRequest("GET", "/.pizzeria/sign-in", nil), http.StatusBadRequest},
		"a frame of a sibling":     {page("GET", "/.pizzeria/sign-in", "same-site", "iframe"), http.StatusBadRequest},
		"a worker's, in any frame": {page("GET", "/.pizzeria/sign-in", "same-site", "empty"), http.StatusForbidden},
		"a form":                   {page("POST", "/.pizzeria/sign-in", "same-origin", "document"), http.StatusMethodNotAllowed},
	} {
		if w := f.browse(c.r, f.reserved("/sign-in")); w.Code != c.want || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

// TestNeverTwiceInARow: a browser that comes back from signing in without a session is told so, once;
// one that has the session forgets the round.
func TestNeverTwiceInARow(t *testing.T) {
	f := newFixture(t)
	noted := f.browse(nil, func(w http.ResponseWriter, _ *http.Request, st *State) { f.g.startRound(w, st) })
	round := roundCookie + "=" + cookieSet(noted, roundCookie)
	back := page("GET", "/notes?x=1", "same-site", "document")
	back.Header.Set("Cookie", round)
	for name, c := range map[string]struct {
		answer       func(http.ResponseWriter, *http.Request, *State)
		target, back string
	}{
		"a page":                    {f.authenticate, "/notes?x=1", "/notes?x=1"},
		"the sign-in page":          {f.reserved("/sign-in"), "/.pizzeria/sign-in?return=%2Fnotes%3Fx%3D1", "/notes?x=1"},
		"the sign-in page, to evil": {f.reserved("/sign-in"), "/.pizzeria/sign-in?return=%2F%2Fevil.example", "/"},
	} {
		r := page("GET", c.target, "same-site", "document")
		r.Header.Set("Cookie", round)
		w := f.browse(r, c.answer)
		if w.Code != http.StatusUnauthorized || cookieSet(w, txCookie) != "" || !strings.Contains(w.Body.String(), `href="/.pizzeria/sign-in?return=`+url.QueryEscape(c.back)+`"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if cookieSet(w, roundCookie) != "-" {
			t.Errorf("%s: who tries again is not sent again", name)
		}
	}

	// Notes that do not count.
	other := f.browse(nil, func(w http.ResponseWriter, _ *http.Request, _ *State) {
		f.g.startRound(w, &State{Route: &registry.Route{OrgID: "another"}})
	})
	for name, value := range map[string]string{
		"made up": "1", "empty": "", "another org's": cookieSet(other, roundCookie),
		"twice": cookieSet(noted, roundCookie) + "; " + round, "long": strings.Repeat("A", 9<<10),
	} {
		r := page("GET", "/notes?x=1", "none", "document")
		r.Header.Set("Cookie", roundCookie+"="+value)
		if w := f.browse(r, f.authenticate); w.Code != http.StatusFound {
			t.Errorf("a note that is %s keeps somebody out: %d", name, w.Code)
		}
	}

	back.Header.Set("Cookie", round+"; "+SessionCookie+"="+f.token)
	if w := f.browse(back, f.authenticate); w.Code != http.StatusNoContent || cookieSet(w, roundCookie) != "-" {
		t.Errorf("with a session: %d %v", w.Code, w.Header())
	}
	f.pass(roundLife + time.Second)
	back.Header.Set("Cookie", round)
	if w := f.browse(back, f.authenticate); w.Code != http.StatusFound {
		t.Errorf("an old note counts: %d", w.Code)
	}
}
