package guard

import (
	"context"
	"net/netip"
	"sync/atomic"
)

// Request is one request in flight. It counts until it ends, or is found to be
// of somebody with a session.
type Request struct {
	g    *Guard
	conn *Conn    // nil where it is not known, as over HTTP/3
	addr *address // nil: it does not count
	head int64    // of the headers that stay in memory while it lasts
	busy bool     // it is among its connection's active ones

	counts atomic.Bool // as addr != nil, without Guard.mu
}

// Begin counts a request on a connection, which holds head bytes of headers. It
// returns false when there are too many without a session.
func (c *Conn) Begin(head int64) (*Request, bool) {
	r := &Request{conn: c}
	if !c.Counts() {
		return r, true
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.el == nil { // free or closed meanwhile
		return r, c.free.Load()
	}
	c.touch()
	if !c.g.count(r, c.addr, head) {
		return nil, false
	}
	r.busy = true
	c.active++
	return r, true
}

// BeginFor is Begin for a request whose connection is not counted: over HTTP/3,
// or from a proxy. ip is the client's address.
func (g *Guard) BeginFor(ip netip.Addr, head int64) (*Request, bool) {
	r := &Request{}
	if ip = network(ip); !ip.IsValid() {
		return r, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.of(ip)
	defer g.tidy(a)
	if !g.count(r, a, head) {
		return nil, false
	}
	return r, true
}

// count counts a request for an address, with mu held.
func (g *Guard) count(r *Request, a *address, head int64) bool {
	l := g.limits.Load()
	if a.requests >= l.Requests || g.requests >= l.AllRequests {
		g.refused[refusedRequests].Add(1)
		return false
	}
	if a.kept+head > l.Heads || g.kept+head > l.AllHeads {
		g.refused[refusedHeads].Add(1)
		return false
	}
	a.requests++
	g.requests++
	a.kept += head
	g.kept += head
	r.g, r.addr, r.head = g, a, head
	r.counts.Store(true)
	return true
}

// uncount gives back what the request has, with mu held.
func (r *Request) uncount() {
	a := r.addr
	if a == nil {
		return
	}
	r.addr = nil
	r.counts.Store(false)
	a.requests--
	r.g.requests--
	a.kept -= r.head
	r.g.kept -= r.head
	r.g.tidy(a)
}

// End ends the request, however it ended. More calls do nothing.
func (r *Request) End() {
	if r == nil || r.g == nil {
		return
	}
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	r.uncount()
	if r.busy {
		r.busy = false
		r.conn.active--
		r.conn.touch()
	}
}

// SignedIn notes that the request is of somebody with a session: neither it nor
// its connection count from now on.
func (r *Request) SignedIn() {
	if r == nil {
		return
	}
	if r.g != nil {
		r.g.mu.Lock()
		r.uncount()
		r.g.mu.Unlock()
	}
	r.conn.Free()
}

// Counts reports whether the request is one without a session, so far.
func (r *Request) Counts() bool { return r != nil && r.counts.Load() }

type requestKey struct{}

// SignedIn notes that the request with this context is of somebody with a session.
func SignedIn(ctx context.Context) {
	if r, _ := ctx.Value(requestKey{}).(*Request); r != nil {
		r.SignedIn()
	}
}
