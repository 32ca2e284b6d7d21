package pizzapi

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestHeaders: PizzaPi gets one session, one origin and one scheme, all of the agent's.
func TestHeaders(t *testing.T) {
	f := newFixture(t)
	forged := http.Header{
		"Cookie": {
			"a=1; __Secure-better-auth.session_token=x; better-auth.session_token=x", " __HOST-Better-Auth.x=y;b=2;; ;\tbetter-auth=z",
			`x"y=1; "better-auth.session_token"=x; better-auth.session_token\x00=x; bad name=1; =nameless`,
		},
		"X-Api-Key": {"k"}, "X-Pizzapi-Client-Ip": {"203.0.113.1"}, "X-Forwarded-For": {"203.0.113.1"},
		"X-Forwarded-Proto": {"http, https"}, "Origin": {"https://former.example"},
	}
	_, r := f.judged("POST", "/api/sessions", ada, forged)
	if got := r.Header.Get("Cookie"); got != "__Secure-better-auth.session_token=token1; a=1; b=2" {
		t.Errorf("%q", got)
	}
	for name, want := range map[string][]string{
		"X-Api-Key": nil, "X-Pizzapi-Client-Ip": nil, "X-Forwarded-For": {f.app.secrets.address("ada-id")},
		"X-Forwarded-Proto": {"https"}, "Origin": {"https://acme.example:8443"},
	} {
		if got := r.Header[name]; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, h := range []http.Header{nil, {"Upgrade": {"websocket"}}} {
		_, r = f.judged("GET", "/socket.io/", ada, h)
		if got := r.Header.Get("Origin"); (got != "") != (h != nil) {
			t.Errorf("%v: origin %q", h, got)
		}
	}
	// Nobody's request has its own key and address, and no session.
	_, r = f.judged("POST", "/api/sessions", Person{}, forged)
	if got := r.Header; got.Get("Cookie") != "a=1; b=2" || got.Get("X-Api-Key") != "k" || got.Get("X-Forwarded-For") != "203.0.113.1" ||
		got.Get("X-Forwarded-Proto") != "https" || got.Get("Origin") != "https://former.example" || got.Get("X-Pizzapi-Client-Ip") != "" {
		t.Errorf("%v", got)
	}
}

// answered is what becomes of PizzaPi's answer to a page's request.
func (f *fixture) answered(target string, status int, h http.Header, body string) (*http.Response, string) {
	f.Helper()
	_, r := f.judged("GET", target, ada, http.Header{"Accept": {"text/html,*/*"}, "Accept-Encoding": {"br"}})
	res := &http.Response{
		StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r, ContentLength: int64(len(body)),
	}
	f.app.Modify(res)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	return res, string(b)
}

// TestAnswers: no cookie of better-auth's leaves, in any spelling, and others do.
func TestAnswers(t *testing.T) {
	f := newFixture(t)
	res, _ := f.answered("/api/x", 401, http.Header{
		"Set-Cookie": {
			"__Secure-better-auth.session_token=x; Path=/", "better-auth.session_data=y", " BETTER-AUTH.dont_remember=z", "theme=dark",
		},
		"Set-Auth-Token": {"t"},
	}, "")
	if got := res.Header; !slices.Equal(got["Set-Cookie"], []string{"theme=dark"}) || got.Get("Set-Auth-Token") != "" {
		t.Errorf("%v", got)
	}
	was := f.cookie(ada)
	f.b.sessions, f.ahead = map[string]string{}, time.Minute
	if f.answered("/api/x", 404, http.Header{}, ""); f.cookie(ada) != was {
		t.Error("any answer makes the agent look for the session")
	}
	if f.answered("/api/x", 401, http.Header{}, ""); f.cookie(ada) == was {
		t.Error("PizzaPi's 401 does not")
	}
}

// TestScript: PizzaPi's pages get the script, and nothing else does.
func TestScript(t *testing.T) {
	f := newFixture(t)
	const tag = `<script src="/pizzeria-agent.js"></script>`
	page := func(kind string) http.Header {
		return http.Header{"Content-Type": {kind}, "Etag": {"x"}, "Content-Length": {"1"}}
	}
	long := strings.Repeat("y", 100<<10)
	for name, row := range map[string]struct {
		target     string
		status     int
		h          http.Header
		body, want string
	}{
		"a page":         {"/", 200, page("text/html; charset=utf-8"), "<head><title>", "<head>" + tag + "<title>"},
		"a deep link":    {"/s/1", 200, page("text/html"), `<!doctype html><HEAD lang="x">`, `<!doctype html><HEAD lang="x">` + tag},
		"a long one":     {"/", 200, page("text/html"), "<head>" + long, "<head>" + tag + long},
		"no head":        {"/", 200, page("text/html"), "<p>", "<p>"},
		"an open head":   {"/", 200, page("text/html"), "<head", "<head"},
		"a late head":    {"/", 200, page("text/html"), long + "<head>", long + "<head>"},
		"an error":       {"/", 404, page("text/html"), "<head>", "<head>"},
		"data":           {"/", 200, page("application/json"), "<head>", "<head>"},
		"compressed":     {"/", 200, http.Header{"Content-Type": {"text/html"}, "Content-Encoding": {"br"}}, "<head>", "<head>"},
		"a tunnel":       {"/api/tunnel/s/3000/", 200, page("text/html"), "<head>", "<head>"},
		"a spelt tunnel": {"/%61pi/tunnel/s/3000/", 200, page("text/html"), "<head>", "<head>"},
	} {
		res, got := f.answered(row.target, row.status, row.h, row.body)
		if got != row.want {
			t.Errorf("%s: %.200q", name, got)
		}
		if added := strings.Contains(got, tag); added && (res.ContentLength != -1 || res.Header.Get("Etag") != "" || res.Header.Get("Content-Length") != "") {
			t.Errorf("%s: %d %v", name, res.ContentLength, res.Header)
		}
	}
	_, r := f.judged("GET", "/", ada, http.Header{"Accept": {"text/html"}, "Accept-Encoding": {"br"}})
	if r.Header.Get("Accept-Encoding") != "" {
		t.Error("a page may be compressed")
	}
	if w, _ := f.judged("GET", "/pizzeria-agent.js", Person{}, nil); !strings.Contains(w.Body.String(), `prefix = "/api/.pizzeria"`) {
		t.Errorf("the script: %.300s", w.Body)
	}
}
