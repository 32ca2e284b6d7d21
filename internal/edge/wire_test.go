package edge

import (
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

const prefix = "/.pizzeria"

func TestReservedPath(t *testing.T) {
	for target, want := range map[string][2]bool{
		"/":                          {false, true},
		"/notes":                     {false, true},
		"/.pizzeriax":                {false, true},
		"/a/.pizzeria/session":       {false, true},
		"/a/%2e%2e/b":                {false, true},
		"/.pizzeria":                 {true, true},
		"/.pizzeria/session":         {true, true},
		"/.pizzeria/callback?code=x": {true, true},
		"/.Pizzeria/session":         {true, false},
		"/%2epizzeria/session":       {true, false},
		"/%252epizzeria/session":     {true, false},
		"/.pizzeria%2fsession":       {true, false},
		"/.pizzeria%5csession":       {true, false},
		"/.pizzeria;a=b/session":     {true, false},
		"/;x/.pizzeria/session":      {true, false},
		"//.pizzeria/session":        {true, false},
		"/a/../.pizzeria/session":    {true, false},
		"/./.pizzeria/session":       {true, false},
		"/.pizzeria//session":        {true, false},
		"/.pizzeria/%00":             {true, false},
		"/.pizzeria/../notes":        {false, true}, // leads out again: the instance's business
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		if reserved, sane := reservedPath(u, prefix); reserved != want[0] || sane != want[1] {
			t.Errorf("%s: reserved %v, sane %v", target, reserved, sane)
		}
	}
}

// lax reads a path as some server behind could: decoded once or twice, folded, cleaned.
func lax(p string) []string {
	forms := []string{p}
	for range 2 {
		d, err := url.PathUnescape(forms[len(forms)-1])
		if err != nil {
			break
		}
		forms = append(forms, d)
	}
	var out []string
	for _, f := range forms {
		f = strings.ToLower(f)
		out = append(out, f, path.Clean("/"+f), path.Clean("/"+strings.ReplaceAll(f, `\`, "/")))
	}
	return out
}

func FuzzReservedPath(f *testing.F) {
	for _, s := range []string{"/", "/.pizzeria/session", "/%2epizzeria", "/a/..%2f.pizzeria/x", "/.pizzeria;x/y", "//.PIZZERIA/", "/%252e%2570izzeria/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip()
		}
		reserved, sane := reservedPath(u, prefix)
		if !sane && !reserved {
			t.Fatalf("%q is neither reserved nor sane", target)
		}
		if reserved {
			if sane && !under(u.Path, prefix) {
				t.Fatalf("%q is taken for ours", target)
			}
			return
		}
		for _, form := range lax(u.EscapedPath()) {
			if under(form, prefix) {
				t.Fatalf("%q reaches the instance, and can be read as %q", target, form)
			}
		}
	})
}

// A request that is nobody's keeps nothing of ours, and loses what pretends to be.
func TestPrepareForNobody(t *testing.T) {
	session := "eyJ0eXAiOiJwaXp6ZXJpYS1zZXNzaW9uK2p3dCJ9.e30.x"
	g := newFixture(t).g
	st := &State{Route: &registry.Route{OrgID: "o", Generation: 7}}
	for name, auth := range map[string][]string{"alone": {"Bearer " + session}, "an API key": {"Bearer pza_x"}, "an org's key": {"bearer pzs_x"}, "beside another": {"Basic eDp5", "bearer  " + session}, "after a tab": {"Bearer\t" + session}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = auth
		r.Header["Cookie"] = []string{"__Host-pizzeria-org=x; app=1"}
		r.Header["pizzeria_assertion"] = []string{"evil"}
		r.Header["Pizzeria-Assertion"] = []string{"evil"}
		r.Trailer = http.Header{"X": nil}
		r = g.Prepare(st, r, DefaultCookieBytes)
		if len(r.Header) != 1 || r.Header.Get("Cookie") != "app=1" || r.Trailer != nil || r.URL.Host != "o.7" {
			t.Errorf("%s: the instance gets %v", name, r.Header)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer the-apps-own")
	if r = g.Prepare(st, r, DefaultCookieBytes); r.Header.Get("Authorization") == "" {
		t.Error("an app's own token is taken away")
	}
}

// TestInformationalResponsesAreOneRequests: what an instance says before its
// answer is filtered, and reaches the request that it is for, and no other.
func TestInformationalResponsesAreOneRequests(t *testing.T) {
	g := newFixture(t).g
	st := &State{Route: &registry.Route{OrgID: "o", Generation: 7}}
	heard := map[string][]string{}
	prepare := func(name string) *httptrace.ClientTrace {
		trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			heard[name] = append(heard[name], h.Get("Link")+h.Get("Set-Cookie"))
			return nil
		}}
		r := httptest.NewRequest("GET", "/", nil)
		r = g.Prepare(st, r.WithContext(httptrace.WithClientTrace(r.Context(), trace)), DefaultCookieBytes)
		return httptrace.ContextClientTrace(r.Context())
	}
	var last *httptrace.ClientTrace
	for i := range 50 {
		last = prepare(strconv.Itoa(i))
	}
	if err := last.Got1xxResponse(103, textproto.MIMEHeader{"Link": {"</a>"}, "Set-Cookie": {"__Host-pizzeria-org=evil"}}); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 1 || len(heard["49"]) != 1 || heard["49"][0] != "</a>" {
		t.Errorf("heard by %v", heard)
	}
	if r := g.Prepare(st, httptest.NewRequest("GET", "/", nil), DefaultCookieBytes); httptrace.ContextClientTrace(r.Context()) != nil {
		t.Error("a trace that nobody asked for")
	}
}

func TestOwnRequest(t *testing.T) {
	const own = "https://acme.d.example"
	for name, c := range map[string]struct {
		method string
		header map[string]string
		want   bool
	}{
		"typed address":                  {"GET", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true},
		"link from a sibling":            {"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true},
		"frame in a sibling":             {"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, false},
		"worker, typed address":          {"GET", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "empty"}, true},
		"worker, own frame or page":      {"GET", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "empty"}, true},
		"worker, link or frame":          {"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "empty"}, false},
		"worker, from elsewhere":         {"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "empty"}, false},
		"own script":                     {"POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": own}, true},
		"own page without referrer":      {"POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, true},
		"same-origin, says a liar":       {"POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://globex.d.example"}, false},
		"sibling's image":                {"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, false},
		"sibling's form":                 {"POST", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": "https://globex.d.example"}, false},
		"other site":                     {"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"}, false},
		"old browser, own":               {"POST", map[string]string{"Origin": own}, true},
		"old browser, sibling":           {"POST", map[string]string{"Origin": "https://globex.d.example"}, false},
		"old browser, sandboxed":         {"POST", map[string]string{"Origin": "null"}, false},
		"program, reading":               {"GET", nil, true},
		"program, writing":               {"POST", nil, false},
		"own WebSocket":                  {"GET", map[string]string{"Upgrade": "websocket", "Origin": own}, true},
		"own WebSocket, no origin":       {"GET", map[string]string{"Upgrade": "websocket", "Sec-Fetch-Site": "same-origin"}, false},
		"sibling's WebSocket":            {"GET", map[string]string{"Upgrade": "websocket", "Origin": "https://globex.d.example"}, false},
		"WebSocket of another port":      {"GET", map[string]string{"Upgrade": "websocket", "Origin": own + ":8443"}, false},
		"WebSocket of an unsecured page": {"GET", map[string]string{"Upgrade": "websocket", "Origin": "http://acme.d.example"}, false},
	} {
		r := httptest.NewRequest(c.method, "/", nil)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		if got := ownRequest(r, own); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

type partFunc func(farewell)

func (f partFunc) end(bye farewell) { f(bye) }

func fixedNow() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestRevocationsAndStreams(t *testing.T) {
	s := newStreams()
	closed := map[string]bool{}
	var open, ended []func()
	for name, k := range map[string]streamKey{
		"ada in acme": {"acme", "ada", "s1"}, "ada in globex": {"globex", "ada", "s1"}, "bob in acme": {"acme", "bob", "s2"}, "nobody in acme": {"acme", "", ""},
	} {
		open = append(open, func() {
			x := &exchange{key: k, streams: s}
			x.stream.Store(true)
			s.add(x)
			x.hold(partFunc(func(farewell) { closed[name] = true }))
			ended = append(ended, func() { s.remove(x) })
		})
	}
	again := func() {
		for _, f := range ended {
			f()
		}
		ended = nil
		for _, f := range open {
			f()
		}
	}
	again()
	if s.inFlight() != 4 || s.Of("s1") != 2 || s.Of("s2") != 1 || s.Of("") != 0 {
		t.Errorf("%d in flight, %d of s1", s.inFlight(), s.Of("s1"))
	}
	v := newRevocations(fixedNow, s)
	want := func(names ...string) {
		t.Helper()
		if len(closed) != len(names) {
			t.Errorf("closed: %v, want %v", closed, names)
		}
		for _, n := range names {
			if !closed[n] {
				t.Errorf("%s is still open", n)
			}
		}
		clear(closed)
		again()
	}
	v.Apply(registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: "acme", UserID: "ada", At: fixedNow()})
	want("ada in acme")
	v.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "s1", At: fixedNow()})
	want("ada in acme", "ada in globex")
	v.Apply(registry.Change{Kind: registry.ChangeOrgSuspended, OrgID: "acme", At: fixedNow()})
	want("ada in acme", "bob in acme", "nobody in acme")
	v.Apply(registry.Change{Kind: registry.ChangeRunnerDisconnected, OrgID: "acme", SessionID: "s2", At: fixedNow()})
	want("bob in acme")
	if _, gone := v.judge(&token.SessionClaims{SessionID: "s2"}, 0); gone {
		t.Error("a disconnected runner is refused")
	}
	v.Apply(registry.Change{Kind: registry.ChangeRunnerRevoked, OrgID: "acme", SessionID: "s2", At: fixedNow()})
	want("bob in acme")
	if _, gone := v.judge(&token.SessionClaims{SessionID: "s2"}, 0); !gone {
		t.Error("a revoked runner is let in")
	}
	v.Apply(registry.Change{Kind: registry.ChangeKeyRevoked, At: fixedNow()})
	want("ada in acme", "ada in globex", "bob in acme", "nobody in acme")
	v.Reset()
	want("ada in acme", "ada in globex", "bob in acme", "nobody in acme")
	for _, f := range ended {
		f()
	}
	if s.inFlight() != 0 {
		t.Errorf("%d are left", s.inFlight())
	}
}
