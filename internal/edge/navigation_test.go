package edge

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/pizzaface/pizzeria/registry"
)

// browse makes a request of a browser that is signed in, or not, to a part of the gateway.
func (f *fixture) browse(r *http.Request, answer func(http.ResponseWriter, *http.Request, *State)) *httptest.ResponseRecorder {
	f.Helper()
	site := f.ids.Site()
	f.g.provider.Store(&relyingParty{issuer: site.Issuer, provider: (&oidc.ProviderConfig{
		IssuerURL: site.Issuer, AuthURL: site.Issuer + "/authorize",
	}).NewProvider(f.Context())})
	w := httptest.NewRecorder()
	answer(w, r, &State{slug: "acme", Route: &registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Generation: f.org.Generation}, RequestID: func() string { return "r" }})
	return w
}

func (f *fixture) authenticate(w http.ResponseWriter, r *http.Request, st *State) {
	if f.g.Authenticate(w, r, st, registry.RoleMember, false) {
		w.WriteHeader(http.StatusNoContent) // the instance's to answer
	}
}

func (f *fixture) reserved(path string) func(http.ResponseWriter, *http.Request, *State) {
	return func(w http.ResponseWriter, r *http.Request, st *State) { f.g.serveReserved(w, r, st, path) }
}

// page is a request of Chromium for a page.
func page(method, target, site, dest string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for k, v := range map[string]string{"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": site, "Sec-Fetch-Dest": dest} {
		r.Header.Set(k, v)
	}
	return r
}

// cookieSet is the value that an answer gives a cookie whose name begins so: "-" when it removes it.
func cookieSet(w *httptest.ResponseRecorder, name string) string {
	for _, c := range w.Result().Cookies() {
		if strings.HasPrefix(c.Name, name) {
			if c.MaxAge < 0 {
				return "-"
			}
			return c.Value
		}
	}
	return ""
}

// TestNavigations: a page gets in, is sent to sign in, or loads itself again from its own origin. In a
// frame of another origin nothing of that happens.
func TestNavigations(t *testing.T) {
	const in, signIn, onward, refused = http.StatusNoContent, http.StatusFound, http.StatusForbidden, http.StatusUnauthorized
	for name, c := range map[string]struct {
		site, dest      string
		session, nobody int
	}{
		"an address":                     {"none", "document", in, signIn},
		"a link of its own":              {"same-origin", "document", in, signIn},
		"a link of a sibling":            {"same-site", "document", in, signIn},
		"a link elsewhere":               {"cross-site", "document", in, signIn},
		"a frame of its own":             {"same-origin", "iframe", in, refused},
		"a frame of a sibling":           {"same-site", "iframe", refused, refused},
		"a frame elsewhere":              {"cross-site", "iframe", refused, refused},
		"an object of a sibling":         {"same-site", "object", refused, refused},
		"a fenced frame":                 {"cross-site", "fencedframe", refused, refused},
		"a worker's, its own page":       {"same-origin", "empty", in, signIn},
		"a worker's, an address":         {"none", "empty", in, signIn},
		"a worker's, a sibling's":        {"same-site", "empty", onward, onward},
		"a worker's, from elsewhere":     {"cross-site", "empty", onward, onward},
		"a browser without destinations": {"same-site", "", in, signIn},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			r := page("GET", "/notes?x=1", c.site, c.dest)
			w := f.browse(r, f.authenticate)
			if w.Code != c.nobody {
				t.Errorf("nobody: %d", w.Code)
			}
			if tx := cookieSet(w, txCookie); (tx != "") != (c.nobody == signIn) {
				t.Errorf("nobody's attempt: %q", tx)
			}
			r.Header.Set("Cookie", SessionCookie+"="+f.token)
			if w = f.browse(r, f.authenticate); w.Code != c.session {
				t.Errorf("with a session: %d", w.Code)
			}
			if w.Code != in && w.Code != signIn && !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Error("the page shows in frames")
			}
			if again := strings.Contains(w.Body.String(), `http-equiv="refresh"`); again != (w.Code == onward) {
				t.Errorf("it loads again: %v", again)
			}
			// A browser that says the same again, from the page itself, is not asked once more.
			r.Header.Set("Referer", "https://acme.d.example/notes?x=1")
			if w = f.browse(r, f.authenticate); strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
				t.Error("it loads again for ever")
			}
		})
	}
}

// TestOptional: where nobody is fine, a page that a worker passed on still finds out who it is.
func TestOptional(t *testing.T) {
	f := newFixture(t)
	optional := func(w http.ResponseWriter, r *http.Request, st *State) {
		if f.g.Authenticate(w, r, st, registry.RoleMember, true) {
			w.Header().Set("X-Signed-In", strconv.FormatBool(st.SignedIn()))
		}
	}
	for name, c := range map[string]struct {
		site, dest, cookie, want string
		status                   int
	}{
		"a link":                            {"same-site", "document", f.token, "true", http.StatusOK},
		"a frame":                           {"same-site", "iframe", f.token, "false", http.StatusOK},
		"a worker's, a sibling's":           {"same-site", "empty", f.token, "", http.StatusForbidden},
		"a worker's, its own":               {"same-origin", "empty", f.token, "true", http.StatusOK},
		"a worker's, a sibling's, nobody's": {"same-site", "empty", "", "false", http.StatusOK},
	} {
		r := page("GET", "/", c.site, c.dest)
		if c.cookie != "" {
			r.Header.Set("Cookie", SessionCookie+"="+c.cookie)
		}
		if w := f.browse(r, optional); w.Code != c.status || w.Header().Get("X-Signed-In") != c.want {
			t.Errorf("%s: %d, signed in: %s", name, w.Code, w.Header().Get("X-Signed-In"))
		}
	}
}

// TestAnswersToForms: what a form sent is answered with a page, and leads nowhere by itself.
func TestAnswersToForms(t *testing.T) {
	f := newFixture(t)
	r := page("POST", "/notes", "same-origin", "document")
	w := f.browse(r, f.authenticate)
	if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || cookieSet(w, txCookie) != "" ||
		!strings.Contains(w.Body.String(), `href="/.pizzeria/sign-in?return=%2F"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	w = f.browse(r, func(w http.ResponseWriter, r *http.Request, st *State) {
		f.g.Fail(w, r, st, *f.g.routeProblem(r, &registry.Route{Status: registry.RouteStarting}))
	})
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), `http-equiv="refresh"`) {
		t.Errorf("starting: %d %s", w.Code, w.Body)
	}
}

// TestChallenge: a program learns where a person signs in.
func TestChallenge(t *testing.T) {
	f := newFixture(t)
	w := f.browse(httptest.NewRequest("GET", "/notes", nil), f.authenticate)
	const at = "https://acme.d.example/.pizzeria/sign-in"
	if w.Code != http.StatusUnauthorized || w.Header().Get("Www-Authenticate") != `Bearer realm="pizzeria", sign_in="`+at+`"` ||
		!strings.Contains(w.Body.String(), `"sign_in":"`+at+`"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// attempt opens the sign-in attempt that an answer begins.
func (f *fixture) attempt(w *httptest.ResponseRecorder) attempt {
	f.Helper()
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || to.Host != "d.example" || w.Code != http.StatusFound || cookieSet(w, txCookie) == "" {
		f.Fatalf("no attempt: %d %v %s", w.Code, w.Header(), w.Body)
	}
	a, ok := f.g.openAttempt(to.Query().Get("state"), (&State{Route: &registry.Route{OrgID: f.org.ID}}).client())
	if !ok {
		f.Fatal("the attempt does not open")
	}
	return a
}
