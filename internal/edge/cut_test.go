package edge

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// deadlineLog is a client whose deadlines are noted.
type deadlineLog struct{ read, write atomic.Int64 }

func (d *deadlineLog) SetReadDeadline(time.Time) error  { d.read.Add(1); return nil }
func (d *deadlineLog) SetWriteDeadline(time.Time) error { d.write.Add(1); return nil }

// TestClientsArePushedOut: a client that does not move after a cut loses its connection, and goes
// on losing it while the server gives it new time; a request that ends is let go.
func TestClientsArePushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{GatewayConfig: GatewayConfig{Now: time.Now}, Streams: newStreams()}
		g.Revocations = newRevocations(time.Now, g.Streams)
		st := &State{Route: &registry.Route{OrgID: "o"}}
		st.Claims.SessionID = "s"
		var log deadlineLog
		st.Begin(&log)
		st.exchange.uploading.Store(true)
		if err := g.register(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: "s", At: time.Now()})
		if log.read.Load() != 1 || log.write.Load() != 0 {
			t.Errorf("at once: %d reads, %d writes", log.read.Load(), log.write.Load())
		}
		time.Sleep(cutGrace + 2*cutAgain + time.Millisecond) // the bubble has its own clock
		if log.read.Load() != 4 || log.write.Load() != 3 {
			t.Errorf("then: %d reads, %d writes", log.read.Load(), log.write.Load())
		}
		st.End()
		time.Sleep(10 * cutAgain) // the bubble has its own clock
		if log.write.Load() != 3 {
			t.Error("a request that has ended is pushed")
		}
		st.End()
	})
}

// TestClientThatStopsReading: an exchange that is cut while its client reads nothing gives the
// client's connection back.
func TestClientThatStopsReading(t *testing.T) {
	f := newFixture(t)
	i := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	direct, _ := i.transports(t)
	stuck, closed := make(chan struct{}), make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, st := f.ask()
		st.Begin(http.NewResponseController(w))
		defer st.End()
		r.Body = nil
		res, err := f.g.RoundTrip(st, r, direct)
		if err != nil {
			t.Error(err)
			return
		}
		time.AfterFunc(200*time.Millisecond, func() { close(stuck) }) // the sockets are full by then, or it is cut a little earlier
		_, _ = io.Copy(w, res.Body)
		panic(http.ErrAbortHandler)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	s.Start()
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: acme.d.example\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	soon(t, stuck)
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock})
	soon(t, closed)
}

// TestSlowUpload: an upload that is cut while its client sends nothing is answered all the same.
func TestSlowUpload(t *testing.T) {
	f := newFixture(t)
	arrived := make(chan struct{})
	i := listen(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		close(arrived)
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	})
	direct, _ := i.transports(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, st := f.ask()
		f.g.Routes = oneRoute{&registry.Route{OrgID: f.org.ID, Slug: "acme", Status: registry.RouteServing}}
		st.Begin(http.NewResponseController(w))
		defer st.End()
		r.URL.Scheme = "http"
		if _, err := f.g.RoundTrip(st, r, direct); !errors.Is(err, ErrRevoked) {
			t.Errorf("%v", err)
		}
		f.g.Revoked(w, r, st)
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: acme.d.example\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 10_000)); err != nil {
		t.Fatal(err)
	}
	soon(t, arrived)
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock})
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(b), "Sign in first") {
		t.Errorf("%d %q %v", res.StatusCode, b, err)
	}
}
