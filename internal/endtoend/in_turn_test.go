package endtoend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// inTurn sends each request to another node than the one before, over a connection of its own.
type inTurn struct {
	nodes   []*http.Transport
	outside *http.Transport
	sent    atomic.Int64
}

func (c *cluster) inTurn() *inTurn {
	outside := *c.server
	outside.reach = nil
	t := &inTurn{outside: outside.transport()}
	for _, s := range c.nodes {
		to := s.transport()
		to.DisableKeepAlives = true
		t.nodes = append(t.nodes, to)
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *inTurn) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() == "localhost" { // a provider elsewhere
		return t.outside.RoundTrip(r)
	}
	return t.nodes[int(t.sent.Add(1))%len(t.nodes)].RoundTrip(r)
}

// wanderer is somebody whose requests go to each node in turn.
func (c *cluster) wanderer() *person {
	p := c.person()
	p.c.Transport, p.c.CheckRedirect = c.inTurn(), followed
	return p
}

// followed is how browsers go where the answer to a form leads: without the form's origin.
func followed(r *http.Request, via []*http.Request) error {
	if len(via) > 10 {
		return errors.New("it leads on and on")
	}
	r.Header.Del("Origin")
	r.Header.Set("Sec-Fetch-Site", "same-site")
	return nil
}

// door lets programs of their own in, at the address that the names of the installation stand for:
// their requests go to each node in turn.
func (c *cluster) door() {
	c.t.Helper()
	dir := c.t.TempDir()
	ours.issue(c.t, dir, domain)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		c.t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
	if err != nil {
		c.t.Fatal(err)
	}
	door := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", r.In.Host, r.In.Host
		},
		Transport: c.inTurn(),
	})
	_ = door.Listener.Close()
	door.Listener = l
	door.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	door.StartTLS()
	c.t.Cleanup(door.Close)
}

// wire is a way to a database, which a test can cut.
type wire struct {
	dir, to string // where it begins, and the socket where it ends

	mu    sync.Mutex
	whole bool
	conns []net.Conn
}

const socket = ".s.PGSQL.5432"

// lay makes a way to a database that ends with the test, and returns its connection string.
func lay(t *testing.T, to string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	w := &wire{dir: t.TempDir(), to: filepath.Join(q.Get("host"), socket), whole: true}
	q.Set("host", w.dir)
	u.RawQuery = q.Encode()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(w.dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go w.join(from)
		}
	}()
	return w, u.String()
}

func (w *wire) join(from net.Conn) {
	defer func() { _ = from.Close() }()
	var d net.Dialer
	to, err := d.DialContext(context.Background(), "unix", w.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	w.mu.Lock()
	whole := w.whole
	w.conns = append(w.conns, from, to)
	w.mu.Unlock()
	if !whole {
		return
	}
	go func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}()
	_, _ = io.Copy(from, to)
}

// cut ends all connections, and lets no new one through until it is mended.
func (w *wire) cut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = !cut
	if cut {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
}
