package edge

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRevoked reports that access ended while the instance was answering.
var ErrRevoked = errors.New("access was revoked while the instance was answering")

// exchange is a request on its way to an instance and back. It is registered from before the
// request is sent until its handler returns, so that a revocation can cut it at any moment in
// between.
type exchange struct {
	key       streamKey
	streams   *Streams // nil until it is registered
	inOrg     node
	inSession node
	stream    atomic.Bool // a WebSocket, or an answer of unknown length
	uploading atomic.Bool // the client may still be sending the request's body
	bye       atomic.Pointer[farewell]
	ends      int64 // with its session; see Gateway.ends
	began     int64

	mu     sync.Mutex
	done   bool
	parts  []part
	few    [2]part // what parts holds at first
	client Deadlines
	push   *time.Timer
	expiry *time.Timer
}

// part is one thing that a cut ends: a connection, a tunnel, a round trip. end may be called more
// than once.
type part interface{ end(bye farewell) }

// Deadlines are the deadlines of the client's side. They can be set while another goroutine reads
// or writes. An http.ResponseController has them.
type Deadlines interface {
	SetReadDeadline(deadline time.Time) error
	SetWriteDeadline(deadline time.Time) error
}

// Begin prepares a request for being cut. End must follow, however the handler returns.
func (s *State) Begin(client Deadlines) { s.exchange.client = client }

// End takes the request out of the registry and closes what it may have left open. It is deferred:
// a handler may panic.
func (s *State) End() {
	x := &s.exchange
	x.mu.Lock()
	if x.done {
		x.mu.Unlock()
		return
	}
	x.done = true
	parts := x.parts
	x.parts, x.client = nil, nil
	for _, t := range []*time.Timer{x.push, x.expiry} {
		if t != nil {
			t.Stop()
		}
	}
	x.mu.Unlock()
	if x.streams != nil {
		x.streams.remove(x)
		if x.stream.Load() {
			x.streams.open.Add(-1)
		}
	}
	for _, p := range parts {
		p.end(farewell{})
	}
	s.measured.end(s.Route.OrgID)
}

// Revoked reports whether the request was cut.
func (s *State) Revoked() bool { return s.exchange.bye.Load() != nil }

// register makes the request one that a revocation cuts. It fails if something changed since the
// request was let through.
func (g *Gateway) register(ctx context.Context, s *State) error {
	x := &s.exchange
	if x.streams == nil {
		x.streams = g.Streams
		x.key = streamKey{org: s.Route.OrgID, user: s.Claims.Subject, session: s.Claims.SessionID}
		x.ends, x.began = s.Claims.Ends, s.Claims.Began
		g.Streams.add(x)
		if until := s.Claims.Until; until != 0 {
			x.mu.Lock()
			x.expiry = time.AfterFunc(time.Unix(until, 0).Sub(g.Now()), func() {
				x.cut(farewell{closeUnauthorized, "support access ended"})
			})
			x.mu.Unlock()
		}
		rekeyed := s.session != nil && s.session.keys != g.Tokens.Session.Version()
		if rekeyed && g.Revocations.epoch.Load() != s.epoch {
			x.cut(farewell{closeUnauthorized, "signed out"})
		}
	}
	return g.judgeAgain(ctx, s)
}

// judgeAgain fails when the request was cut, or when something changed since it was let through.
func (g *Gateway) judgeAgain(ctx context.Context, s *State) error {
	if g.Revocations.epoch.Load() != s.epoch && s.exchange.bye.Load() == nil {
		switch rt, err := g.Routes.Lookup(ctx, s.Route.Slug); {
		case err != nil:
			s.exchange.cut(farewell{closeRestart, "reconnect"})
		case g.doubtful(s, rt):
			s.exchange.cut(farewell{closeUnauthorized, "access changed"})
		}
	}
	if s.exchange.bye.Load() != nil {
		return ErrRevoked
	}
	return nil
}

// hold adds a part to be ended by a cut. If the exchange was cut already, the part ends at once.
func (x *exchange) hold(p part) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.parts == nil {
		x.parts = x.few[:0]
	}
	x.parts = append(x.parts, p)
	if bye := x.bye.Load(); bye != nil {
		p.end(*bye)
	} else if x.done {
		p.end(farewell{})
	}
}

// release takes a part out that has ended by itself.
func (x *exchange) release(p part) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.parts = slices.DeleteFunc(x.parts, func(q part) bool { return q == p })
}

const (
	// cutGrace is how long a client has to take the last bytes of an exchange that was cut.
	cutGrace = 3 * time.Second
	// cutAgain is how often its deadlines are then set. The server may set others between two
	// writes.
	cutAgain = time.Second
)

// cut ends the exchange on both sides: the instance's at once, the client's after a grace.
func (x *exchange) cut(bye farewell) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || x.bye.Load() != nil {
		return
	}
	x.bye.Store(&bye)
	for _, p := range x.parts {
		p.end(bye)
	}
	if x.client == nil {
		return
	}
	if x.uploading.Load() { // the server waits for a read in progress before it answers
		_ = x.client.SetReadDeadline(longAgo)
	}
	x.push = time.AfterFunc(cutGrace, x.pushOut)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// pushOut ends what still reads from or writes to a client that was cut and does not move.
func (x *exchange) pushOut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	_ = x.client.SetWriteDeadline(longAgo)
	if x.uploading.Load() {
		_ = x.client.SetReadDeadline(longAgo)
	}
	x.push.Reset(cutAgain)
}

// upload is a request's body. It ends with the exchange, and is closed by the server alone: a
// failed dial would close it, and it could not be sent to the next instance.
type upload struct {
	io.Reader
	of *exchange
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if u.of.bye.Load() != nil {
		return 0, ErrRevoked
	}
	n, err := u.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		u.of.uploading.Store(false)
	}
	return n, err
}

// Close implements io.Closer.
func (*upload) Close() error { return nil }
