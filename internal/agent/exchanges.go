//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/internal/wsframe"
	"github.com/pizzaface/pizzeria/registry"
)

// Close codes of WebSockets (RFC 6455, section 7.4; 4000 to 4999 are for applications).
const (
	closeGoingAway    = 1001
	closeUnauthorized = 4401 // the gateway's, when who opened it may no longer
)

// lastWrite is how long a client that reads nothing may keep an exchange that is cut.
const lastWrite = 250 * time.Millisecond

var errCut = errors.New("the exchange was cut")

// exchanges are the requests that are under way.
type exchanges struct {
	mu   sync.Mutex
	open map[*exchange]struct{}
}

// exchange is one request, or the WebSocket that it became.
type exchange struct {
	claims assertion.Claims // zero: nobody's
	token  string
	done   chan struct{}
	socket bool // it is, or asks for, a WebSocket

	mu      sync.Mutex
	ended   bool
	streams bool // server-sent events, which do not end by themselves
	cancel  context.CancelFunc
	wire    *http.ResponseController
	tunnel  *tunnel
}

type exchangeKey struct{}

func (s *exchanges) begin(
	w http.ResponseWriter, r *http.Request, token string, c assertion.Claims,
) (*exchange, *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	x := &exchange{
		claims: c, token: token, done: make(chan struct{}), cancel: cancel,
		socket: r.Header.Get("Upgrade") != "", wire: http.NewResponseController(w),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*exchange]struct{}{}
	}
	s.open[x] = struct{}{}
	return x, r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
}

func (s *exchanges) end(x *exchange) {
	s.mu.Lock()
	delete(s.open, x)
	s.mu.Unlock()
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	x.cancel()
	close(x.done)
}

// count returns how many are open, and how many of these are WebSockets.
func (s *exchanges) count() (all, tunnels int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.open {
		if x.isTunnel() {
			tunnels++
		}
	}
	return len(s.open), tunnels
}

// cut ends those that match, and returns when they have ended or ctx is done.
func (s *exchanges) cut(
	ctx context.Context, code uint16, reason string, match func(*exchange) bool,
) {
	var cut []*exchange
	s.mu.Lock()
	for x := range s.open {
		if match(x) {
			cut = append(cut, x)
		}
	}
	s.mu.Unlock()
	for _, x := range cut {
		x.cut(code, reason)
	}
	for _, x := range cut {
		select {
		case <-x.done:
		case <-ctx.Done():
			return
		}
	}
}

func (x *exchange) isPersons() bool {
	return x.claims.Subject != "" && x.claims.Role != string(registry.RoleRunner)
}

func (x *exchange) isTunnel() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tunnel != nil
}

// endless reports whether it does not end by itself.
func (x *exchange) endless() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tunnel != nil || x.streams
}

func (x *exchange) cut(code uint16, reason string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended { // its connection may serve another request by now
		return
	}
	_ = x.wire.SetWriteDeadline(time.Now().Add(lastWrite))
	if x.tunnel != nil {
		x.tunnel.end(wsframe.Close(code, reason))
		return
	}
	x.cancel()
}

// answered notes what a request has become.
func (x *exchange) answered(res *http.Response) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch body, is := res.Body.(io.ReadWriteCloser); {
	case res.StatusCode == http.StatusSwitchingProtocols && is:
		x.tunnel = &tunnel{ReadWriteCloser: body}
		res.Body = x.tunnel
	case isEventStream(res.Header):
		x.streams = true
	}
}

// tunnel is the app's side of a WebSocket. When the agent ends it, the client gets a close frame, if
// the app's last frame was whole and no close frame itself.
type tunnel struct {
	io.ReadWriteCloser
	frames wsframe.Follower // used by Read alone

	mu   sync.Mutex
	last []byte // a close frame: the agent ends it
}

func (t *tunnel) end(frame []byte) {
	t.mu.Lock()
	if t.last == nil {
		t.last = frame
	}
	t.mu.Unlock()
	_ = t.Close()
}

// Read implements io.Reader.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.ReadWriteCloser.Read(p)
	t.frames.Pass(p[:n])
	if n > 0 || err == nil {
		return n, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return 0, err
	}
	if !t.frames.MayClose() || len(t.last) > len(p) {
		return 0, errCut
	}
	return copy(p, t.last), errCut // not io.EOF, after which the client could stay
}
