package endtoend

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestPassThrough: what an app needs arrives as it was sent, on HTTP/1.1 and HTTP/2.
func TestPassThrough(t *testing.T) {
	t.Parallel()
	s, ada := shared(t)
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("acme: %d %s", a.status, a.body)
	}
	acme := s.url("acme")
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			tr := s.transport()
			if protocol == "HTTP/1.1" {
				tr.ForceAttemptHTTP2 = false
				tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			defer tr.CloseIdleConnections()
			do := func(method, path string, body io.Reader) *http.Response {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				t.Cleanup(cancel)
				req, err := http.NewRequestWithContext(ctx, method, acme+path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Cookie", orgCookie+"="+ada.cookie(acme, orgCookie))
				req.Header.Set("Sec-Fetch-Site", "same-origin")
				req.Header.Set("Origin", acme)
				res, err := tr.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = res.Body.Close() })
				if res.Proto != protocol {
					t.Fatalf("the answer came over %s", res.Proto)
				}
				return res
			}

			const size = 64 << 20
			b, err := io.ReadAll(do("POST", "/size", io.LimitReader(rand.Reader, size)).Body)
			if err != nil || !strings.Contains(string(b), fmt.Sprintf(`"bytes":%d`, size)) {
				t.Errorf("upload: %s %v", b, err)
			}
			// The stream goes on: what is read first was sent before the end, which never comes.
			events := bufio.NewReader(do("GET", "/ticks", nil).Body)
			for range 3 {
				line, err := events.ReadString('\n')
				if err != nil || !strings.HasPrefix(line, "data: ") {
					t.Fatalf("event: %q %v", line, err)
				}
				if _, err := events.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			if res := do("HEAD", "/", nil); res.StatusCode != http.StatusOK || res.ContentLength > 0 && res.Body == http.NoBody {
				t.Errorf("HEAD: %d", res.StatusCode)
			}
			if res := do("OPTIONS", "/notes", nil); res.StatusCode != http.StatusMethodNotAllowed { // the app's own answer
				t.Errorf("OPTIONS: %d", res.StatusCode)
			}
		})
	}
	ws, err := s.dial(ada, acme)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(1 << 20)
	big := make([]byte, 30<<10)
	_, _ = rand.Read(big)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 50 {
		if err := ws.Write(ctx, websocket.MessageBinary, big); err != nil {
			t.Fatal(err)
		}
		if kind, b, err := ws.Read(ctx); err != nil || kind != websocket.MessageBinary || string(b) != string(big) {
			t.Fatalf("WebSocket: %d bytes, %v", len(b), err)
		}
	}
	if err := ws.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestInstanceFails: an instance that breaks, dies or hangs is answered for, and comes back.
func TestInstanceFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	id := s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("acme: %d %s", a.status, a.body)
	}
	pids := s.processes(s.dir + "/data/orgs/" + id)
	if len(pids) != 1 {
		t.Fatalf("instances: %v", pids)
	}
	s.signal(pids[0], "KILL")
	// Until the next look it is 502 for people and programs alike; then it is back.
	if a := ada.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 200 && a.status != 502 && a.status != 503 {
		t.Errorf("a dead instance: %d %s", a.status, a.body)
	}
	s.eventually("it is back", func() bool {
		a := ada.fetch("GET", s.url("acme")+"/whoami", "")
		if a.status != 200 && a.status != 502 && a.status != 503 {
			t.Errorf("a dead instance: %d %s", a.status, a.body)
		}
		return a.status == 200
	})
}
