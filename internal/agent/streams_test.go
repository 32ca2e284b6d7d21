//go:build linux || darwin

package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// websocket opens one with an assertion, or nobody's.
func (f *fixture) websocket(token string) *websocket.Conn {
	f.Helper()
	header := http.Header{}
	if token != "" {
		header = as(token)
	}
	c, _, err := websocket.Dial(f.Context(), "ws://acme.example/ws", &websocket.DialOptions{HTTPClient: f.client, HTTPHeader: header})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.CloseNow() })
	f.echo(c)
	return c
}

func (f *fixture) echo(c *websocket.Conn) {
	f.Helper()
	if err := c.Write(f.Context(), websocket.MessageText, []byte("hello")); err != nil {
		f.Fatal(err)
	}
	if _, b, err := c.Read(f.Context()); err != nil || string(b) != "hello" {
		f.Fatalf("%q %v", b, err)
	}
}

// closed returns the code that a WebSocket is closed with.
func (f *fixture) closed(c *websocket.Conn) websocket.StatusCode {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	_, _, err := c.Read(ctx)
	if ctx.Err() != nil {
		f.Error("it is still open")
	}
	return websocket.CloseStatus(err)
}

// open begins a request that does not end by itself.
func (f *fixture) open(path, token string) (ended chan error) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), http.MethodGet, "http://acme.example"+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	req.Header = as(token)
	ended, begun := make(chan error, 1), make(chan struct{})
	go func() {
		res, err := f.client.Do(req)
		if err == nil {
			defer res.Body.Close()
			b := bufio.NewReader(res.Body)
			_, _ = b.ReadString('\n')
			close(begun)
			if _, err = io.Copy(io.Discard, b); err == nil && res.StatusCode == http.StatusUnauthorized {
				err = errCut
			}
		}
		ended <- err
	}()
	if path == "/events" {
		<-begun
	}
	return ended
}

// TestPassesOn: what is asked reaches the app as it was asked, and the answer the client.
func TestPassesOn(t *testing.T) {
	f := started(t, nil)
	target := "/a%2Fb;c/?q=1;2&x=%zz&&"
	status, s := f.get(target, http.Header{
		"X-Forwarded-For": {"192.0.2.1", "10.0.0.1"}, "X-Forwarded-Proto": {"https,http"}, "X-Forwarded-Host": {"acme.example"},
		"Forwarded": {"for=evil"}, "Connection": {"X-Forwarded-Host"},
	})
	if status != 200 || s.URI != target || s.Host != "acme.example" {
		t.Errorf("%d %+v", status, s)
	}
	for name, want := range map[string][]string{
		"X-Forwarded-For": {"192.0.2.1, 10.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"acme.example"}, "Forwarded": nil,
	} {
		if !slices.Equal(s.Header[name], want) {
			t.Errorf("%s: %q", name, s.Header[name])
		}
	}
	const size = 5 << 20
	req, err := http.NewRequest(http.MethodPost, "http://acme.example/", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = as(f.assertion(nil))
	req.Header.Set("Expect", "100-continue")
	req.Trailer = http.Header{"Pizzeria-Assertion": {"late"}}
	res, err := f.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil || s.Body != size {
		t.Errorf("%d bytes, %v", s.Body, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if res.Trailer.Get("X-After") != "end" {
		t.Errorf("trailers %v", res.Trailer)
	}
	f.websocket(f.assertion(nil))
	f.websocket("")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestOnlyWebSockets: a connection becomes nothing else.
func TestOnlyWebSockets(t *testing.T) {
	f := started(t, nil)
	if status, s := f.get("/", http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}}); status != 200 || s.Header["Upgrade"] != nil {
		t.Errorf("%d %v", status, s.Header)
	}
}

// TestRevoke: a revoked person's connections are closed at once and others' stay open; assertions
// from before are refused, later ones are accepted.
func TestRevoke(t *testing.T) {
	f := started(t, nil)
	bob := map[string]any{"sub": "bob-id"}
	alices, bobs, nobodys := f.websocket(f.assertion(nil)), f.websocket(f.assertion(bob)), f.websocket("")
	events, hanging := f.open("/events", f.assertion(nil)), f.open("/hang", f.assertion(nil))
	f.logged("hanging")
	before := f.assertion(nil)
	if status, _ := f.get("/", as(before)); status != 200 {
		t.Fatal(status)
	}
	if status := f.revoke("alice-id"); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if code := f.closed(alices); code != 4401 {
		t.Errorf("closed with %d", code)
	}
	for _, ended := range []chan error{events, hanging} {
		if err := <-ended; err == nil {
			t.Error("it ended as if it were whole")
		}
	}
	f.echo(bobs)
	f.echo(nobodys)
	if status, s := f.get("/", as(before)); status != 401 || s.URI != "" {
		t.Errorf("an assertion of before: %d", status)
	}
	if status, _ := f.get("/", as(f.assertion(bob))); status != 200 {
		t.Errorf("somebody else: %d", status)
	}
	f.mu.Lock()
	f.ahead = 2 * time.Second
	f.mu.Unlock()
	if status, _ := f.get("/", as(f.assertion(nil))); status != 200 {
		t.Errorf("a later assertion: %d", status)
	}
	if status, _ := f.get("/", as(before)); status != 401 {
		t.Errorf("an assertion of before, later: %d", status)
	}
}

// TestManyRevocations: more than can be remembered refuse everybody's assertions of before.
func TestManyRevocations(t *testing.T) {
	now := time.Now()
	r := &revocations{now: func() time.Time { return now }}
	f := func(sub string, at time.Time) bool {
		return r.refuses(claimsOf(sub, at))
	}
	r.add([]string{"a"})
	if !f("a", now) || f("b", now) {
		t.Error("not who was named")
	}
	r.add(make([]string, maxRevoked))
	if !f("a", now) || !f("b", now) || f("b", now.Add(time.Second)) {
		t.Error("too many are not everybody")
	}
	r = &revocations{now: func() time.Time { return now }}
	r.add([]string{"a"})
	now = now.Add(assertionLife + time.Second)
	r.add([]string{"b"})
	if len(r.at) != 1 {
		t.Errorf("%d are remembered", len(r.at))
	}
}

// TestStopDrains: WebSockets and event streams end before the app is asked to stop, so that an app
// that waits for them ends at once, and well.
func TestStopDrains(t *testing.T) {
	f := started(t, nil)
	c := f.websocket(f.assertion(nil))
	events := f.open("/events", f.assertion(nil))
	go f.a.Stop(20 * time.Second)
	if code := f.closed(c); code != websocket.StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	<-events
	if status := f.a.Wait(); !status.Exited() || status.ExitStatus() != 0 { // it was not killed
		t.Errorf("the app ended with %v", status)
	}
	if _, err := net.Dial("unix", filepath.Join(f.dir, "app.sock")); err == nil {
		t.Error("the address is still there")
	}
}

// TestSilentClients: a client that reads nothing keeps neither a revocation nor a stop waiting.
func TestSilentClients(t *testing.T) {
	f := started(t, nil)
	c, err := net.Dial("unix", filepath.Join(f.dir, "app.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /flood HTTP/1.1\r\nHost: acme.example\r\nPizzeria-Assertion: "+f.assertion(nil)+"\r\n\r\n")
	if line, err := bufio.NewReaderSize(c, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatal(line, err)
	}
	f.logged("full")
	if status := f.revoke("alice-id"); status != http.StatusNoContent {
		t.Error(status)
	}
}
