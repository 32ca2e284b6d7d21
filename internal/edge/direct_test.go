package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// instance is a server on a Unix socket that counts its connections.
type instance struct {
	t     testing.TB
	path  string
	conns atomic.Int64
}

// soon returns what arrives on ch, and fails the test instead of waiting for ever.
func soon[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(time.Minute):
		t.Fatal("nothing within a minute")
	}
	return v
}

// listen serves each connection by f.
func listen(t *testing.T, f func(net.Conn)) *instance {
	t.Helper()
	i := &instance{t: t, path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", i.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			i.conns.Add(1)
			wg.Go(func() { f(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return i
}

// says answers every request of a connection with the same bytes.
func says(answer string) func(net.Conn) {
	return func(c net.Conn) {
		defer func() { _ = c.Close() }()
		br := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, strings.ReplaceAll(answer, "PATH", r.URL.Path)); err != nil || strings.Contains(answer, "Connection: close") {
				return
			}
		}
	}
}

// serve is listen for an http.Server.
func serve(t testing.TB, h http.HandlerFunc) *instance {
	t.Helper()
	i := &instance{t: t, path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", i.path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			i.conns.Add(1)
		}
	}}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return i
}

func (i *instance) direct() *Direct {
	d := &Direct{Idle: 4, IdleTimeout: time.Minute, HeaderBytes: 64 << 10, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var n net.Dialer
		return n.DialContext(ctx, "unix", i.path)
	}}
	i.t.Cleanup(d.Close)
	return d
}

func request(ctx context.Context, method, url string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		panic(err)
	}
	return r
}

// get makes a request and reads the answer whole.
func get(t *testing.T, d *Direct, method, path string) (*http.Response, string) {
	t.Helper()
	res, err := d.RoundTrip(request(t.Context(), method, "http://org.1"+path))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestDirectTakes(t *testing.T) {
	d := new(Direct)
	plain := func(change func(*http.Request)) *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.Body = nil
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"GET":               {plain(func(*http.Request) {}), true},
		"HEAD":              {plain(func(r *http.Request) { r.Method = "HEAD" }), true},
		"POST":              {plain(func(r *http.Request) { r.Method = "POST" }), false},
		"DELETE":            {plain(func(r *http.Request) { r.Method = "DELETE" }), false},
		"with a body":       {plain(func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) }), false},
		"of unknown length": {plain(func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }), false},
		"a WebSocket":       {plain(func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }), false},
		"Expect":            {plain(func(r *http.Request) { r.Header.Set("Expect", "100-continue") }), false},
	} {
		if got := d.Takes(c.r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestDirectFraming: every way to end an answer, each twice, over one connection where it may be.
func TestDirectFraming(t *testing.T) {
	for name, c := range map[string]struct {
		answer, method, want string
		conns                int64
	}{
		"length":         {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPATH", "GET", "/x/y", 1},
		"chunked":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "GET", "abc", 1},
		"empty":          {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", "", 1},
		"no content":     {"HTTP/1.1 204 No Content\r\n\r\n", "GET", "", 1},
		"not modified":   {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", "", 1},
		"HEAD":           {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD", "", 1},
		"until it ends":  {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", "GET", "abc", 2},
		"says close":     {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", "GET", "abc", 2},
		"HTTP/1.0":       {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "GET", "abc", 2},
		"more than said": {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "GET", "abc", 2},
	} {
		t.Run(name, func(t *testing.T) {
			i := listen(t, says(c.answer))
			d := i.direct()
			for range 2 {
				if _, got := get(t, d, c.method, "/x/y"); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			}
			if n := i.conns.Load(); n != c.conns {
				t.Errorf("%d connections, want %d", n, c.conns)
			}
		})
	}
}

// TestDirectTrailersAndEarlyHints: what comes before and after an answer arrives, filtered by whom it concerns.
func TestDirectTrailersAndEarlyHints(t *testing.T) {
	i := listen(t, says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n"))
	d := i.direct()
	for range 2 {
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			hints = append(hints, h.Get("Link"))
			return nil
		}})
		res, err := d.RoundTrip(request(ctx, "GET", "http://org.1/"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "a" || res.Trailer.Get("X-Sum") != "7" || fmt.Sprint(hints) != "[</a> </b>]" {
			t.Errorf("%q %v %v %v", b, err, res.Trailer, hints)
		}
	}
	if n := i.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestDirectRefuses: answers that are none.
func TestDirectRefuses(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":            "",
		"another protocol":   "SSH-2.0-x\r\n",
		"switches protocols": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"endless header":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
		"endless hints":      strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 4<<10),
	} {
		t.Run(name, func(t *testing.T) {
			i := listen(t, func(c net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, answer)
				_ = c.Close()
			})
			if res, err := i.direct().RoundTrip(request(t.Context(), "GET", "http://org.1/")); err == nil {
				_ = res.Body.Close()
				t.Errorf("an answer of %d", res.StatusCode)
			}
		})
	}
}

// TestDirectIdle: a connection that the instance closed, or spoke on unasked, is not used again.
func TestDirectIdle(t *testing.T) {
	for name, after := range map[string]string{"closed": "", "spoken on": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"} {
		t.Run(name, func(t *testing.T) {
			spoke := make(chan struct{}, 4)
			i := listen(t, func(c net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				if after == "" {
					_ = c.Close()
				} else {
					_, _ = io.WriteString(c, after)
					defer func() { _ = c.Close() }()
				}
				spoke <- struct{}{}
				if after != "" {
					_, _ = io.Copy(io.Discard, c)
				}
			})
			d := i.direct()
			for n := int64(1); n <= 3; n++ {
				if _, got := get(t, d, "GET", "/"); got != "ok" {
					t.Fatalf("%q", got)
				}
				soon(t, spoke)
				if i.conns.Load() != n {
					t.Errorf("%d connections for %d answers", i.conns.Load(), n)
				}
			}
			d.Close()
		})
	}
}

// TestDirectSendsAgain: an instance that closes a connection in the moment of its use gets the request once more; one
// that has begun to answer does not.
func TestDirectSendsAgain(t *testing.T) {
	var requests atomic.Int64
	for name, c := range map[string]struct {
		second string
		ok     bool
	}{"closed": {"", true}, "broke off": {"HTTP/1.1 2", false}} {
		t.Run(name, func(t *testing.T) {
			requests.Store(0)
			i := listen(t, func(conn net.Conn) {
				defer func() { _ = conn.Close() }()
				br := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					if requests.Add(1) == 2 {
						_, _ = io.WriteString(conn, c.second)
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			d := i.direct()
			get(t, d, "GET", "/")
			res, err := d.RoundTrip(request(t.Context(), "GET", "http://org.1/"))
			if (err == nil) != c.ok {
				t.Errorf("%v", err)
			}
			if err == nil {
				_ = res.Body.Close()
			}
			if want := map[bool]int64{true: 3, false: 2}[c.ok]; requests.Load() != want {
				t.Errorf("%d requests, want %d", requests.Load(), want)
			}
		})
	}
}

// TestDirectEnds: the end of a request ends its exchange, whatever it waits for; a revocation closes the body while it is read.
func TestDirectEnds(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	i := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	d := i.direct()
	t.Run("before the answer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := d.RoundTrip(request(ctx, "GET", "http://org.1/header")); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	t.Run("in the body", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		res, err := d.RoundTrip(request(ctx, "GET", "http://org.1/body"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		_ = res.Body.Close()
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		res, err := d.RoundTrip(request(t.Context(), "GET", "http://org.1/body"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, func() { _ = res.Body.Close() })
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("half an answer passes for a whole one: %q", b)
		}
		if _, err := res.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("and once more: %v", err)
		}
	})
	t.Run("header timeout", func(t *testing.T) {
		var asked atomic.Int64
		i := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			if asked.Add(1); r.URL.Path == "/header" {
				<-r.Context().Done()
			}
		})
		d := i.direct()
		get(t, d, "GET", "/") // so that the next one has a connection that was used before
		defer func() {
			if n := asked.Load(); n != 2 {
				t.Errorf("%d requests: one that timed out was sent again", n)
			}
		}()
		d.HeaderTimeout = 20 * time.Millisecond
		var timeout net.Error
		if _, err := d.RoundTrip(request(t.Context(), "GET", "http://org.1/header")); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v", err)
		}
	})
	if len(d.idle) != 0 {
		t.Errorf("connections of unfinished answers are kept: %v", d.idle)
	}
}

// TestDirectPools: no connection is shared between generations or orgs, few are kept, and none for long.
func TestDirectPools(t *testing.T) {
	i := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	d := i.direct()
	ask := func(host string) {
		res, err := d.RoundTrip(request(t.Context(), "GET", "http://"+host+"/"))
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	for range 3 {
		for _, host := range []string{"a.1", "a.2", "b.1"} {
			ask(host)
		}
	}
	if n := i.conns.Load(); n != 3 {
		t.Errorf("%d connections for three pools", n)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				ask("a.1")
			}
		})
	}
	wg.Wait()
	if n := len(d.idle["a.1"]); n > d.Idle {
		t.Errorf("%d idle connections are kept", n)
	}
	d.IdleTimeout = 0
	d.Sweep()
	if len(d.idle) != 0 {
		t.Errorf("old connections are kept: %v", d.idle)
	}
	d.IdleTimeout = time.Minute
	d.Close()
	ask("a.1")
	if len(d.idle) != 0 {
		t.Error("a closed transport keeps connections")
	}
}
