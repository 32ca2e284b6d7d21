package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// transports are both ways to an instance, as transport org sets them up.
func (i *instance) transports(t *testing.T) (direct, around *Transports) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var n net.Dialer
		return n.DialContext(ctx, "unix", i.path)
	}
	h := &http.Transport{DialContext: GuardDial(dial, DefaultHeaderLimit), MaxIdleConnsPerHost: 8, MaxResponseHeaderBytes: DefaultHeaderLimit, DisableCompression: true}
	t.Cleanup(h.CloseIdleConnections)
	d := &Direct{Dial: dial, Idle: 8, IdleTimeout: time.Minute, HeaderBytes: DefaultHeaderLimit}
	t.Cleanup(d.Close)
	g := Guarded{RoundTripper: h, HeaderBytes: DefaultHeaderLimit}
	return &Transports{Direct: d, HTTP: g, HeaderBytes: DefaultHeaderLimit}, &Transports{HTTP: g, HeaderBytes: DefaultHeaderLimit}
}

// drip sends the same over and over until the other side is gone.
type drip struct{ sent atomic.Int64 }

func (d *drip) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond) // a slow sender
	d.sent.Add(1)
	return copy(p, "x"), nil
}

// TestExchangesAreCut: a revocation ends every exchange in flight, on both ways, in every phase.
func TestExchangesAreCut(t *testing.T) {
	f := newFixture(t)
	arrived, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	i := listen(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/length":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun")
		case "/stream":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
		case "/both":
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nbegunwhole")
		case "/hint":
			_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		}
		arrived <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
		gone <- struct{}{}
	})
	direct, around := i.transports(t)
	changes := map[string]func(){
		"signed out": func() {
			f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock})
		},
		"removed": func() {
			f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: f.org.ID, UserID: f.login.User.ID, At: f.clock, Version: 1})
		},
		"org suspended": func() {
			f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeOrgSuspended, OrgID: f.org.ID, At: f.clock})
		},
		"sign-in rules": func() {
			f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: f.org.ID, At: f.clock, Version: 1})
		},
		"keys":            func() { f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeKeyRevoked, At: f.clock}) },
		"gap in the feed": func() { f.g.Revocations.Reset() },
	}
	for change, apply := range changes {
		for way, tr := range map[string]*Transports{"direct": direct, "around": around} {
			for _, c := range []struct{ method, path string }{{"GET", "/poll"}, {"GET", "/hint"}, {"GET", "/length"}, {"GET", "/stream"}, {"GET", "/both"}, {"POST", "/poll"}, {"POST", "/stream"}} {
				t.Run(change+"/"+way+"/"+c.method+c.path, func(t *testing.T) {
					f.g.Revocations = newRevocations(f.g.Now, f.g.Streams)
					f.g.Routes = oneRoute{&registry.Route{OrgID: f.org.ID, Slug: "acme", Generation: f.org.Generation, Status: registry.RouteServing}}
					_, _, st := f.ask()
					st.Begin(nil)
					defer st.End()
					r := httptest.NewRequestWithContext(t.Context(), c.method, "http://acme.d.example"+c.path, nil)
					r.Body = nil
					var body *drip
					if c.method == "POST" {
						body = new(drip)
						r.Body, r.ContentLength = io.NopCloser(body), -1
					}
					if c.path == "/poll" || c.path == "/hint" {
						go func() { <-arrived; apply() }()
						if _, err := f.g.RoundTrip(st, r, tr); !errors.Is(err, ErrRevoked) {
							t.Errorf("the answer: %v", err)
						}
					} else {
						res, err := f.g.RoundTrip(st, r, tr)
						if err != nil {
							t.Fatal(err)
						}
						if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil {
							t.Fatal(err)
						}
						soon(t, arrived)
						apply()
						if b, err := io.ReadAll(res.Body); !errors.Is(err, ErrRevoked) || len(b) > 0 {
							t.Errorf("after it: %q %v", b, err)
						}
					}
					soon(t, gone) // the instance's side is closed, and so its upload has ended
					if !st.Revoked() {
						t.Error("the request does not know")
					}
					if _, err := f.g.RoundTrip(st, r, tr); !errors.Is(err, ErrRevoked) {
						t.Errorf("and once more: %v", err)
					}
				})
			}
		}
	}
	if n := f.g.Streams.inFlight(); n != 0 || f.g.Streams.Len() != 0 {
		t.Errorf("%d are left, %d streams", n, f.g.Streams.Len())
	}
}

// TestAnswersAreJudgedAgain: an org that is closed by a change that named another one lets no
// answer out any more.
func TestAnswersAreJudgedAgain(t *testing.T) {
	f := newFixture(t)
	_, _, st := f.ask()
	defer st.End()
	route := registry.Route{OrgID: f.org.ID, Slug: "acme", Generation: f.org.Generation, Status: registry.RouteServing}
	f.g.Routes = oneRoute{&route}
	closed := false
	_, err := f.g.RoundTrip(st, httptest.NewRequest("POST", "/", nil), &Transports{HTTP: roundTripFunc(func(r *http.Request) (*http.Response, error) {
		route.Status = registry.RouteSuspended
		f.g.Revocations.epoch.Add(1)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: closeFunc(func() { closed = true }), Request: r}, nil
	})})
	if !errors.Is(err, ErrRevoked) || !closed {
		t.Errorf("%v, body closed: %v", err, closed)
	}
}

// TestForwardedProto: an instance hears the issuer's scheme, whatever the last hop was and whoever
// said otherwise.
func TestForwardedProto(t *testing.T) {
	f := newFixture(t)
	for _, said := range [][]string{nil, {"http"}, {"https"}, {"http", "https"}} {
		_, _, st := f.ask()
		r := httptest.NewRequest("POST", "http://acme.example/", nil) // without TLS
		r.Header["X-Forwarded-Proto"] = said
		var got []string
		_, err := f.g.RoundTrip(st, r, &Transports{HTTP: roundTripFunc(func(r *http.Request) (*http.Response, error) {
			got = r.Header["X-Forwarded-Proto"]
			return nil, io.EOF
		})})
		st.End()
		if !errors.Is(err, io.EOF) || !slices.Equal(got, []string{"https"}) {
			t.Errorf("after %q the instance gets %q: %v", said, got, err)
		}
	}
}

type closeFunc func()

func (closeFunc) Read([]byte) (int, error) { return 0, io.EOF }
func (f closeFunc) Close() error           { f(); return nil }

// TestNothingStays: whatever an instance answers and however its exchange ends, also by a panic,
// nothing stays behind.
func TestNothingStays(t *testing.T) {
	f := newFixture(t)
	for name, answer := range map[string]string{
		"status 000":              "HTTP/1.1 000 x\r\nContent-Length: 2\r\n\r\nhi",
		"status 000, chunked":     "HTTP/1.1 000 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
		"status 050":              "HTTP/1.1 050 x\r\n\r\n",
		"status 099":              "HTTP/1.1 099 x\r\n\r\n",
		"status +99":              "HTTP/1.1 +99 x\r\n\r\n",
		"status 1000":             "HTTP/1.1 1000 x\r\n\r\n",
		"a protocol of its own":   "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nhi",
		"a WebSocket, unasked":    "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi",
		"switches without saying": "HTTP/1.1 101 x\r\n\r\n",
		"hints without end":       strings.Repeat("HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n", 20_000),
		"breaks off":              "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
		"a stream that breaks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
		"stays open":              "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
		"status 999":              "HTTP/1.1 999 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	} {
		closed := make(chan struct{}, 8)
		i := listen(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
			if strings.Contains(name, "break") {
				_ = c.Close()
			}
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
			closed <- struct{}{}
		})
		direct, around := i.transports(t)
		for way, tr := range map[string]*Transports{"direct": direct, "around": around} {
			for _, ask := range []string{"GET", "POST", "GET websocket"} {
				t.Run(name+"/"+way+"/"+ask, func(t *testing.T) {
					method, upgrade, _ := strings.Cut(ask, " ")
					_, _, st := f.ask()
					r := httptest.NewRequestWithContext(t.Context(), method, "http://acme.d.example/", nil)
					r.Body = nil
					if upgrade != "" {
						if strings.Contains(name, "unasked") {
							t.Skip("it was asked")
						}
						r.Header["Upgrade"], r.Header["Connection"] = []string{"websocket"}, []string{"Upgrade"}
					}
					ok := name == "status 999" || name == "stays open" || strings.Contains(name, "break")
					func() {
						defer func() { _ = recover() }()
						st.Begin(nil)
						defer st.End()
						res, err := f.g.RoundTrip(st, r, tr)
						if (err == nil) != ok {
							t.Errorf("%v", err)
						}
						if err == nil {
							_, _ = res.Body.Read(make([]byte, 2))
							panic(http.ErrAbortHandler) // as reverse_proxy does
						}
					}()
					if n := f.g.Streams.inFlight(); n != 0 || f.g.Streams.Len() != 0 {
						t.Errorf("%d are left, %d streams", n, f.g.Streams.Len())
					}
					soon(t, closed)
				})
			}
		}
	}
}

// TestAssertionIsNotLogged: the request that Caddy holds, and logs when an answer breaks off, has
// no assertion any more.
func TestAssertionIsNotLogged(t *testing.T) {
	f := newFixture(t)
	got := make(chan string, 1)
	i := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get(AssertionHeader) })
	direct, around := i.transports(t)
	for way, tr := range map[string]*Transports{"direct": direct, "around": around} {
		_, _, st := f.ask()
		r := httptest.NewRequest("GET", "http://acme.d.example/", nil)
		r.Body = nil
		res, err := f.g.RoundTrip(st, r, tr)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if a := soon(t, got); a != st.Assertion {
			t.Errorf("%s: the instance gets %q", way, a)
		}
		if r.Header.Get(AssertionHeader) != "" {
			t.Errorf("%s: it is still in the request", way)
		}
		st.End()
	}
}

// TestCutWithinRead: bytes that arrive in the moment of a cut do not pass.
func TestCutWithinRead(t *testing.T) {
	one, other := net.Pipe()
	defer func() { _ = other.Close() }()
	b := &directBody{direct: new(Direct), conn: &directConn{Conn: one}, ctx: t.Context(), stop: func() bool { return true }}
	b.ReadCloser = io.NopCloser(readFunc(func(p []byte) (int, error) {
		b.end(farewell{})
		return copy(p, "secret"), nil
	}))
	if n, err := b.Read(make([]byte, 9)); n != 0 || !errors.Is(err, ErrRevoked) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestSupportEndsInFlight: what a platform admin has open ends with the access.
func TestSupportEndsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{GatewayConfig: GatewayConfig{Now: time.Now}, Streams: newStreams()}
		g.Revocations = newRevocations(time.Now, g.Streams)
		st := &State{Route: &registry.Route{OrgID: "o"}}
		st.Claims.Until = time.Now().Add(time.Hour).Unix()
		defer st.End()
		if err := g.register(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - time.Second) // the bubble has its own clock
		if st.Revoked() {
			t.Error("it ends early")
		}
		time.Sleep(2 * time.Second) // the bubble has its own clock
		if !st.Revoked() {
			t.Error("it goes on")
		}
	})
}

// TestRevokedAnswers: what a request is told that was cut before its answer began.
func TestRevokedAnswers(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		bye    farewell
		status registry.RouteStatus
		nobody bool
		want   int
	}{
		"signed out":      {farewell{closeUnauthorized, ""}, registry.RouteServing, false, http.StatusUnauthorized},
		"disconnected":    {farewell{closeRestart, ""}, registry.RouteServing, false, http.StatusServiceUnavailable},
		"a restart":       {farewell{closeUnauthorized, ""}, registry.RouteStarting, false, http.StatusUnauthorized},
		"nobody":          {farewell{closeUnauthorized, ""}, registry.RouteServing, true, http.StatusServiceUnavailable},
		"org suspended":   {farewell{closeUnauthorized, ""}, registry.RouteSuspended, false, http.StatusForbidden},
		"nobody, deleted": {farewell{closeUnauthorized, ""}, registry.RouteQuarantined, true, http.StatusGone},
	} {
		t.Run(name, func(t *testing.T) {
			f.g.Routes = oneRoute{&registry.Route{OrgID: f.org.ID, Slug: "acme", Status: c.status}}
			_, _, st := f.ask()
			if c.nobody {
				st.Claims.SessionID, st.Assertion = "", ""
			}
			st.exchange.cut(c.bye)
			w := httptest.NewRecorder()
			f.g.Revoked(w, httptest.NewRequest("POST", "/", nil), st)
			if w.Code != c.want || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/problem+json") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
