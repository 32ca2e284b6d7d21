package endtoend

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// load is traffic to some orgs over HTTP/1.1, HTTP/2 and WebSockets that are held open. Every answer must be the org's own.
type load struct {
	t                                           *testing.T
	requests, failed, misrouted, echoes, closed atomic.Int64

	end chan struct{}
	wg  sync.WaitGroup
}

// pace is between two requests of a worker, so that what is changed meanwhile gets on as well.
const pace = 5 * time.Millisecond

// startLoad opens each org as p and begins. fresh: every request has a connection of its own.
func (s *server) startLoad(p *person, fresh bool, slugs ...string) *load {
	s.t.Helper()
	l := s.startRequests(p, fresh, slugs...)
	for _, slug := range slugs {
		ws, err := s.dialOrg(p, slug, s.url(slug))
		if err != nil {
			s.t.Fatalf("%s: WebSocket: %v", slug, err)
		}
		l.wg.Go(func() { l.echo(ws, slug) })
	}
	return l
}

// startRequests is startLoad without WebSockets.
func (s *server) startRequests(p *person, fresh bool, slugs ...string) *load {
	s.t.Helper()
	l := &load{t: s.t, end: make(chan struct{})}
	for _, slug := range slugs {
		if a := p.open(s.url(slug) + "/whoami"); a.status != http.StatusOK {
			s.t.Fatalf("%s: %d %s", slug, a.status, a.body)
		}
		cookie := p.cookie(s.url(slug), orgCookie)
		for _, h2 := range []bool{false, true} {
			tr := s.transport()
			if tr.ForceAttemptHTTP2, tr.DisableKeepAlives = h2, fresh; !h2 {
				tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			l.wg.Go(func() { l.ask(&http.Client{Transport: tr, Timeout: time.Minute}, s.url(slug), slug, cookie, fresh) })
		}
	}
	return l
}

func (l *load) running() bool {
	select {
	case <-l.end:
		return false
	case <-time.After(pace):
		return true
	}
}

func (l *load) ask(c *http.Client, origin, slug, cookie string, fresh bool) {
	defer c.CloseIdleConnections()
	for l.running() {
		req, err := http.NewRequest("GET", origin+"/whoami", nil)
		if err != nil {
			l.t.Error(err)
			return
		}
		req.Header.Set("Cookie", orgCookie+"="+cookie)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := c.Do(req)
		l.requests.Add(1)
		if err != nil {
			l.failed.Add(1)
			l.t.Errorf("%s: %v", slug, err)
			continue
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case err != nil || res.StatusCode != http.StatusOK:
			l.failed.Add(1)
			l.t.Errorf("%s over %s: %d %s %v", slug, res.Proto, res.StatusCode, b, err)
		case !strings.Contains(string(b), fmt.Sprintf(`"org_slug":%q`, slug)):
			l.misrouted.Add(1)
			l.t.Errorf("%s over %s is answered by another: %s", slug, res.Proto, b)
		}
		if fresh {
			c.CloseIdleConnections()
		}
	}
}

func (l *load) echo(ws *websocket.Conn, slug string) {
	defer func() { _ = ws.CloseNow() }()
	for n := 0; l.running(); n++ {
		text := fmt.Sprintf("%s %d", slug, n)
		err := ws.Write(l.t.Context(), websocket.MessageText, []byte(text))
		var b []byte
		if err == nil {
			_, b, err = ws.Read(l.t.Context())
		}
		if err != nil {
			l.closed.Add(1)
			l.t.Errorf("%s: WebSocket: %v", slug, err)
			return
		}
		if string(b) != text {
			l.misrouted.Add(1)
			l.t.Errorf("%s: WebSocket: got %q for %q", slug, b, text)
		}
		l.echoes.Add(1)
	}
}

// enough says whether the traffic so far can tell something, or never will. Where the machine is busy,
// changes go on until it can.
func (l *load) enough() bool {
	return l.t.Failed() || l.requests.Load() >= 100 && l.echoes.Load() >= 20
}

// stop ends the traffic and says what it came to.
func (l *load) stop() map[string]any {
	close(l.end)
	l.wg.Wait()
	return map[string]any{
		"requests": l.requests.Load(), "failed": l.failed.Load(), "misrouted": l.misrouted.Load(), "echoes": l.echoes.Load(), "websockets_closed": l.closed.Load(),
	}
}
