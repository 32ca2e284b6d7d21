package edge

import (
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// signIns is an org's gateway with a real control plane behind it, and a browser that is on both.
type signIns struct {
	*testing.T
	cp    *controltest.Server
	g     *Gateway
	route *registry.Route
	jar   []*http.Cookie // of the org's host, oldest first
	in    string         // the session on the control plane
}

const orgHost = "acme.d.example"

func newSignIns(t *testing.T) *signIns {
	t.Helper()
	cp := controltest.New(t)
	o := cp.Org("acme", cp.User("ada@example.com", false))
	g, err := NewGateway(GatewayConfig{
		Tokens: cp.Identity.Node, Origin: controlPlane{cp.Identity, cp.Handler, cp.Identity.AdmitNode()}, Seal: controltest.NewKey(t).Sealer("test"), Sessions: 10,
		Log: slog.New(slog.DiscardHandler), Now: cp.Clock.Now, Contact: cp.Clock.Now,
		OfflineGrace: func() time.Duration { return time.Hour }, Lifetimes: registry.DefaultLifetimes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &signIns{T: t, cp: cp, g: g, route: &registry.Route{
		OrgID: o.ID, Slug: "acme", Name: "Acme", Generation: o.Generation,
	}}
}

// org asks the org's host as a browser does that goes to a page.
func (s *signIns) org(target string) *http.Response {
	s.Helper()
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range s.jar {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	st := &State{slug: s.route.Slug, Route: s.route, RequestID: func() string { return "r" }}
	if strings.HasPrefix(r.URL.Path, "/.pizzeria/callback") {
		s.g.callback(w, r, st)
	} else if s.g.Authenticate(w, r, st, registry.RoleMember, false) {
		w.WriteHeader(http.StatusOK)
	}
	res := w.Result()
	for _, c := range res.Cookies() {
		s.jar = slices.DeleteFunc(s.jar, func(old *http.Cookie) bool { return old.Name == c.Name })
		if c.MaxAge >= 0 {
			s.jar = append(s.jar, &http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return res
}

// goes fails the test unless an answer redirects, and returns where to, as a path on the host.
func (s *signIns) goes(res *http.Response, host string) string {
	s.Helper()
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode/100 != 3 || u.Host != "" && u.Host != host {
		s.Fatalf("%d %.200s %v", res.StatusCode, res.Header.Get("Location"), err)
	}
	return u.RequestURI()
}

// open opens a page of the org, and returns the authorization request.
func (s *signIns) open(path string) string {
	s.Helper()
	return s.goes(s.org(path), "d.example")
}

// controlPlane asks the control plane.
func (s *signIns) controlPlane(method, target, form string) controltest.Answer {
	c := s.cp.Nobody().With("Sec-Fetch-Site", "same-origin",
		"Content-Type", "application/x-www-form-urlencoded")
	if s.in != "" {
		c = c.With("Cookie", web.Cookie+"="+s.in)
	}
	a := c.Do(method, target, form)
	for _, k := range (&http.Response{Header: a.Header}).Cookies() {
		if k.Name == web.Cookie {
			s.in = k.Value
		}
	}
	return a
}

func (s *signIns) leads(a controltest.Answer, host string) string {
	s.Helper()
	return s.goes(&http.Response{StatusCode: a.Status, Header: a.Header}, host)
}

var returnField = regexp.MustCompile(
	`action="/sign-in" class="card">(?s:.*?)name="return" value="([^"]*)">`)

// page is the page to sign in that an authorization request leads to: the value of its field.
func (s *signIns) page(authorize string) string {
	s.Helper()
	page := s.controlPlane("GET", s.leads(s.controlPlane("GET", authorize, ""), "d.example"), "")
	m := returnField.FindStringSubmatch(page.Body)
	if m == nil {
		s.Fatalf("no page to sign in: %d %.300s", page.Status, page.Body)
	}
	return html.UnescapeString(m[1])
}

// password sends the form of a page to sign in, and returns the callback that it leads to.
func (s *signIns) password(back string) string {
	s.Helper()
	form := url.Values{
		"email": {"ada@example.com"}, "password": {controltest.Password}, "return": {back},
	}
	return s.silently(s.leads(s.controlPlane("POST", "/sign-in", form.Encode()), "d.example"))
}

// silently is the callback that an authorization request leads to without a question.
func (s *signIns) silently(authorize string) string {
	s.Helper()
	return s.leads(s.controlPlane("GET", authorize, ""), orgHost)
}

// arrives fails the test unless a callback leads to a path where somebody is signed in.
func (s *signIns) arrives(callback, path string) {
	s.Helper()
	if got := s.goes(s.org(callback), orgHost); got != path {
		s.Fatalf("arrived at %.100q of %d bytes, want %.100q of %d", got, len(got), path, len(path))
	}
	if res := s.org("/"); res.StatusCode != http.StatusOK {
		s.Fatalf("arrived, and not signed in: %d", res.StatusCode)
	}
}

func (s *signIns) has(name string) bool {
	return slices.ContainsFunc(s.jar, func(c *http.Cookie) bool { return c.Name == name })
}

// lose takes cookies away, as a browser does.
func (s *signIns) lose(prefix string) {
	s.jar = slices.DeleteFunc(s.jar, func(c *http.Cookie) bool {
		return strings.HasPrefix(c.Name, prefix)
	})
}

func TestDeepLinksArrive(t *testing.T) {
	long := func(n int) string {
		return "/a/" + strings.Repeat("b", 100) + "?x=" + strings.Repeat("&", n-106)
	}
	for path, want := range map[string]string{
		"/notes/1?x=1&y=%2F":               "/notes/1?x=1&y=%2F",
		long(wire.MaxPath):                 long(wire.MaxPath),
		long(9 << 10):                      "/a/" + strings.Repeat("b", 100),
		"/a/" + strings.Repeat("b", 9<<10): "/a/",
		"/a//b?x":                          "/a/",
	} {
		s := newSignIns(t)
		s.arrives(s.password(s.page(s.open(path))), want)
	}
}

// TestPageLeftOpen: a page to sign in works for an hour, and after that the sign-in starts over by
// itself, once, and leads to the same page.
func TestPageLeftOpen(t *testing.T) {
	for late, over := range map[time.Duration]bool{
		59 * time.Minute: false, 61 * time.Minute: true, 100 * time.Hour: true,
	} {
		s := newSignIns(t)
		form := s.page(s.open("/notes?x=1"))
		s.cp.Clock.Advance(late)
		callback := s.password(form)
		if over {
			callback = s.silently(s.goes(s.org(callback), "d.example"))
		}
		s.arrives(callback, "/notes?x=1")
	}
}

// TestCallbackAgain: a callback that is opened again leads where it led, and to a new sign-in when
// the session is over.
func TestCallbackAgain(t *testing.T) {
	s := newSignIns(t)
	callback := s.password(s.page(s.open("/notes")))
	s.arrives(callback, "/notes")
	before := len(s.jar)
	s.arrives(callback, "/notes")
	if len(s.jar) != before {
		t.Errorf("a new attempt was begun: %v", s.jar)
	}
	s.lose(SessionCookie)
	s.arrives(s.silently(s.goes(s.org(callback), "d.example")), "/notes")
}

// TestManyTabs: the browser keeps the newest attempts, and the tab whose attempt is gone arrives
// too, signed in or not.
func TestManyTabs(t *testing.T) {
	s := newSignIns(t)
	var tabs []string
	for n := range 9 {
		tabs = append(tabs, s.open("/tab/"+string(rune('1'+n))))
	}
	if n := len(s.jar); n != maxAttempts {
		t.Errorf("%d attempts are kept", n)
	}
	first := s.password(s.page(tabs[0]))
	if len(s.jar) != maxAttempts {
		t.Fatal(len(s.jar))
	}
	again := s.goes(s.org(first), "d.example") // nobody is signed in yet at the org
	for n, tab := range tabs[2:] {
		s.arrives(s.silently(tab), "/tab/"+string(rune('3'+n)))
	}
	s.arrives(s.silently(tabs[1]), "/tab/2")
	s.arrives(s.silently(again), "/tab/1")
}

// TestOnlyOneMoreTry: a browser that keeps no cookies ends at a page that says so, and leads on.
func TestOnlyOneMoreTry(t *testing.T) {
	s := newSignIns(t)
	callback := s.password(s.page(s.open("/notes?x=1")))
	s.lose("")
	second := s.silently(s.goes(s.org(callback), "d.example"))
	s.lose("")
	res := s.org(second)
	var body strings.Builder
	if err := res.Write(&body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusBadRequest || s.has(SessionCookie) ||
		!strings.Contains(body.String(), `href="/notes?x=1"`) {
		t.Errorf("%d %s", res.StatusCode, body.String())
	}
}

// TestStateIsNoProof: an answer signs nobody in but the browser of its attempt, and an old code of
// that leads to a new one.
func TestStateIsNoProof(t *testing.T) {
	s := newSignIns(t)
	callback := s.password(s.page(s.open("/notes")))
	mine := s.jar
	s.jar = nil
	s.goes(s.org(callback), "d.example") // login CSRF: it begins its own
	if s.has(SessionCookie) {
		t.Error("signed in without the cookie of the attempt")
	}
	// Another attempt's cookie under this one's name.
	s.jar = nil
	s.open("/other")
	s.jar[0].Name = mine[0].Name
	s.goes(s.org(callback), "d.example")
	if s.has(SessionCookie) {
		t.Error("signed in with another attempt's cookie")
	}
	s.jar = mine
	s.cp.Clock.Advance(identity.CodeLife + time.Second)
	s.arrives(s.silently(s.goes(s.org(callback), "d.example")), "/notes")
}

func TestSealedAttempts(t *testing.T) {
	s := newSignIns(t)
	acme, globex := token.ClientID(s.route.OrgID), token.ClientID("another")
	id, other := token.NewSecret().Reveal(), token.NewSecret().Reveal()
	in := attempt{ID: id, Again: true, Return: "/notes?x=1"}
	state := s.g.sealAttempt(in, acme)
	if out, ok := s.g.openAttempt(state, acme); !ok || out != in {
		t.Fatalf("%+v", out)
	}
	own := proof{Verifier: "v", Nonce: "n", Expires: s.cp.Clock.Now().Add(attemptLife).Unix()}
	sealed, err := s.g.sealProof(own, id, acme)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := s.g.openProof(sealed, id, acme); err != nil || out != own {
		t.Fatalf("%+v %v", out, err)
	}
	if _, ok := s.g.openAttempt(state, globex); ok {
		t.Error("an attempt at another org opens")
	}
	if _, err := s.g.openProof(sealed, id, globex); err == nil {
		t.Error("a proof for another org opens")
	}
	if _, err := s.g.openProof(sealed, other, acme); err == nil {
		t.Error("a proof of another attempt opens")
	}
	for _, bad := range []string{
		"", "x", state[:len(state)-4], "A" + state[1:], sealed, strings.Repeat("A", 20<<10),
	} {
		if _, ok := s.g.openAttempt(bad, acme); ok && bad != state {
			t.Errorf("%.20q opens", bad)
		}
	}
	if _, err := s.g.openProof(state, id, acme); err == nil {
		t.Error("an attempt opens as a proof")
	}
	// What a version before let in is judged again.
	evil := s.g.sealAttempt(attempt{ID: id, Return: "//evil.example"}, acme)
	if out, ok := s.g.openAttempt(evil, acme); !ok || out.Return != "/" {
		t.Errorf("%+v", out)
	}
	s.cp.Clock.Advance(attemptLife + time.Second)
	if _, err := s.g.openProof(sealed, id, acme); err == nil {
		t.Error("an old proof opens")
	}
}
