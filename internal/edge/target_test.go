package edge

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestAdmittedTargets: what is no path on the org's host is refused before anything looks at the
// path; what passes reaches the instance as the path that was judged, by both ways to it.
func TestAdmittedTargets(t *testing.T) {
	f := newFixture(t)
	f.g.Routes = registryRoutes{f.org}
	lines := make(chan string, 100)
	i := listen(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		br := bufio.NewReader(c)
		line, _ := br.ReadString('\n')
		lines <- strings.TrimSuffix(line, "\r\n")
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", i.path)
	}
	for way, transport := range map[string]http.RoundTripper{
		"Direct":         &Direct{Dial: dial, HeaderBytes: 1 << 20},
		"http.Transport": &http.Transport{DialContext: dial, DisableKeepAlives: true},
	} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			st := f.g.Admit(w, r, func() string { return "r" }, Admission{})
			if st == nil {
				return
			}
			out := r.Clone(r.Context()) // as reverse_proxy does
			out.RequestURI, out.URL.Scheme = "", "http"
			if !Sendable(out.URL) {
				t.Errorf("%s: %q was let in and cannot be sent", way, r.RequestURI)
				return
			}
			res, err := transport.RoundTrip(f.g.Prepare(st, out, DefaultCookieBytes))
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			w.WriteHeader(res.StatusCode)
		}))
		ask := func(line string) int {
			conn, err := net.Dial("tcp", front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, line+" HTTP/1.1\r\nHost: acme.d.example\r\nConnection: close\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			return res.StatusCode
		}
		for target, want := range map[string]string{
			"/": "/", "/admin?a=b": "/admin?a=b", "/a%2Fb/%C3%BC": "/a%2Fb/%C3%BC", "//a//b": "//a//b", "http://acme.d.example": "/", "https://acme.d.example?x=http://y": "/?x=http://y", "HTTP://ACME.d.example:443/admin": "/admin",
		} {
			if got := ask("GET " + target); got != 204 {
				t.Errorf("%s: %s: %d", way, target, got)
			} else if line := soon(t, lines); line != "GET "+want+" HTTP/1.1" {
				t.Errorf("%s: %s reaches the instance as %q", way, target, line)
			}
		}
		for _, target := range []string{
			"x:http://evil.example/.pizzeria/callback", "x:/admin", "x:admin", "http:acme.d.example/admin", "http:/admin", "ftp://acme.d.example/admin", "http://ada@acme.d.example/admin", "admin", "*",
			"/a#b", "/a?\xa0HTTP/1.0", "/%00", "http:///admin",
		} {
			if got := ask("GET " + target); got != 400 {
				t.Errorf("%s: %s: %d", way, target, got)
			}
		}
		for _, target := range []string{"http://globex.d.example:0/", "http://evil.example/", "http://d.example/", "http://acme.d.example:/", "http://acme.d.example:65536/"} {
			if got := ask("GET " + target); got != 421 {
				t.Errorf("%s: %s: %d", way, target, got)
			}
		}
		if got := ask("CONNECT acme.d.example:443"); got != 405 {
			t.Errorf("%s: CONNECT: %d", way, got)
		}
		front.Close()
	}
}

// registryRoutes serves one org of the registry.
type registryRoutes struct{ org registry.Org }

func (r registryRoutes) Lookup(_ context.Context, slug string) (*registry.Route, error) {
	if slug != r.org.Slug {
		return nil, registry.Errorf(registry.CodeNotFound, "", "no such org")
	}
	return &registry.Route{OrgID: r.org.ID, Slug: slug, Name: r.org.Name, Generation: r.org.Generation, Status: registry.RouteServing}, nil
}

// TestSendable: also what the operator's rewrites make of a request goes out as a path.
func TestSendable(t *testing.T) {
	for _, c := range []struct {
		u    url.URL
		want bool
	}{
		{url.URL{Path: "/"}, true}, {url.URL{Path: "/a b", RawQuery: "a=b"}, true}, {url.URL{Path: "//a"}, true},
		{url.URL{}, false}, {url.URL{Path: "a"}, false}, {url.URL{Opaque: "//evil.example", Path: "/"}, false}, {url.URL{User: url.User("ada"), Path: "/"}, false},
		{url.URL{Path: "/", RawQuery: "a HTTP/1.0"}, false}, {url.URL{Path: "/", RawQuery: "a\xa0"}, false}, {url.URL{Path: "/", RawQuery: "a\n"}, false},
	} {
		if got := Sendable(&c.u); got != c.want {
			t.Errorf("%+v: %v", c.u, got)
		}
	}
}

// TestMethods: what an instance could take for TRACE or CONNECT, and what is no method at all.
func TestMethods(t *testing.T) {
	for method, want := range map[string]int{
		"GET": 0, "get": 0, "PROPFIND": 0, "X-Y": 0, "TRACE": 405, "trace": 405, "Track": 405,
		"CONNECT": 405, "connect": 405, "": 400, "GET /x HTTP/1.1": 400, "GET\t": 400, "G\u00c9T": 400,
	} {
		got := 0
		if p := checkProtocol(&http.Request{Method: method, ProtoMajor: 2}); p != nil {
			got = p.Status
		}
		if got != want {
			t.Errorf("%q: %d, want %d", method, got, want)
		}
	}
	socket := &http.Request{Method: "CONNECT", ProtoMajor: 2, Header: http.Header{":protocol": {"websocket"}}}
	if checkProtocol(socket) != nil {
		t.Error("no WebSocket over HTTP/2")
	}
	if socket.Method = "connect"; checkProtocol(socket) == nil {
		t.Error("a WebSocket by another method")
	}
}

// TestWordsOfHeadersAreBytes: letters that only Unicode folding makes equal are others.
func TestWordsOfHeadersAreBytes(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Upgrade"] = []string{"websoc\u212aet"}
	if IsWebSocket(r) || checkProtocol(r) == nil {
		t.Error("a WebSocket is spelled with a Kelvin sign")
	}
	asked := &http.Request{Header: http.Header{"Upgrade": {"websocket"}}}
	res := &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: r.Header}
	if checkAnswer(asked, res) == nil {
		t.Error("an instance switches to what was not asked for")
	}
	if res.Header = (http.Header{"Upgrade": {"WebSocket"}}); checkAnswer(asked, res) != nil {
		t.Error("an instance may not spell it as it likes")
	}
	// The reserved path is the other way round: what some server folds is refused.
	for _, path := range []string{"/.\u017fign/x", "/.SIGN/x", "/.s\u0131gn/x", "/.%C5%BFign/x"} {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		if reserved, sane := reservedPath(u, "/.sign"); !reserved || sane {
			t.Errorf("%s: reserved %v, sane %v", path, reserved, sane)
		}
	}
}

// TestTossedCookiesChangeNobody: a cookie that only looks like ours makes nobody somebody, and somebody nobody else.
func TestTossedCookiesChangeNobody(t *testing.T) {
	f := newFixture(t)
	f.g.Routes = registryRoutes{f.org}
	ask := func(cookie string) int {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Host = "acme.d.example"
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		st := f.g.Admit(w, r, func() string { return "r" }, Admission{})
		if st == nil || !f.g.Authenticate(w, r, st, registry.RoleMember, false) {
			return w.Code
		}
		return http.StatusOK
	}
	own := SessionCookie + "=" + f.token
	for _, space := range []string{"\u2000", "\u00a0", "\u0085", "\u3000", "\xa0", "\v", "=", "\"", "\ufeff"} {
		if got := ask(space + own); got != 401 {
			t.Errorf("%q before the name: %d", space, got)
		}
		for _, line := range []string{space + SessionCookie + "=x; " + own, own + "; " + space + SessionCookie + "=x"} {
			if got := ask(line); got != 200 {
				t.Errorf("%q tossed beside one's own: %d", space, got)
			}
		}
	}
	if got := ask(own + "; " + own); got != 401 {
		t.Errorf("two: %d", got)
	}
}
