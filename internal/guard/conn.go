package guard

import (
	"container/list"
	"net/netip"
	"sync/atomic"
	"time"
)

// Conn is one connection of a client. The zero Conn, and a nil one, count nothing.
type Conn struct {
	g     *Guard
	peer  netip.Addr
	close func() error
	free  atomic.Bool // it has carried a session, or is a proxy's: it counts no more
	http2 *headReader // set before its first request

	// With Guard.mu held.
	addr    *address
	el      *list.Element
	since   time.Time // of the last activity
	active  int       // requests in flight
	served  bool      // a request head has arrived whole
	heads   int64     // memory of heads that were read and not judged
	pending []int64   // of it, heads of HTTP/2 that are whole, one a request
	gone    bool
}

// Connect counts a connection from ip. It returns false, and counts nothing,
// when the address has too many; an idle one then makes room for the next. close
// ends the connection, and may be called at any time, more than once.
func (g *Guard) Connect(ip netip.Addr, close func() error) (*Conn, bool) {
	ip = network(ip)
	c := &Conn{g: g, peer: ip, close: close, since: time.Now()}
	if !ip.IsValid() { // a Unix socket: a proxy on this machine
		c.free.Store(true)
		return c, true
	}
	l := g.limits.Load()
	g.mu.Lock()
	if _, proxy := g.trusted[ip]; proxy {
		g.mu.Unlock()
		c.free.Store(true)
		return c, true
	}
	a := g.of(ip)
	if g.conns >= l.AllConnections || a.conns.Len() >= l.Connections {
		victim := a.idle(c.since)
		if victim != nil {
			victim.forget()
		}
		if victim == nil || g.conns >= l.AllConnections || a.conns.Len() >= l.Connections {
			g.tidy(a)
			g.mu.Unlock()
			if victim != nil {
				_ = victim.close()
			}
			g.refused[refusedConnections].Add(1)
			return nil, false
		}
		a = g.of(ip) // forget may have taken it away
		defer func() { _ = victim.close() }()
		g.refused[refusedConnections].Add(1)
	}
	c.addr, c.el = a, a.conns.PushBack(c)
	g.conns++
	g.mu.Unlock()
	return c, true
}

// idle returns the connection of an address that may end for a new one, or nil.
// Young ones may not: in a rush, those that are in the middle of their handshake finish.
func (a *address) idle(now time.Time) *Conn {
	for e := a.conns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*Conn)
		if now.Sub(c.since) < evictAfter {
			return nil // and those behind it are younger still
		}
		if c.active == 0 {
			return c
		}
	}
	return nil
}

// touch notes activity, with mu held.
func (c *Conn) touch() {
	c.since = time.Now()
	if c.el != nil {
		c.addr.conns.MoveToBack(c.el)
	}
}

// forget gives back all that a connection has, with mu held.
func (c *Conn) forget() {
	if c.el == nil {
		return
	}
	c.addr.conns.Remove(c.el)
	c.el = nil
	c.g.conns--
	c.giveHeads(c.heads)
	c.pending = nil
	c.g.tidy(c.addr)
}

// Closed gives back what the connection has. More calls do nothing.
func (c *Conn) Closed() {
	if c == nil || c.g == nil {
		return
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.gone = true
	c.forget()
}

// Free stops counting the connection: it carried a session, or is a proxy's.
func (c *Conn) Free() {
	if c == nil || c.g == nil || c.free.Swap(true) {
		return
	}
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.forget()
}

// Counts reports whether the connection counts, as long as it carried no session.
func (c *Conn) Counts() bool { return c != nil && c.g != nil && !c.free.Load() }

// Peer is whom the connection is from.
func (c *Conn) Peer() netip.Addr { return c.peer }

// unwritten is how many frames of HTTP/2 were read while an answer waits for the client to read.
func (c *Conn) unwritten() int {
	if !c.Counts() || c.http2 == nil {
		return 0
	}
	return int(c.http2.frames.Load())
}
