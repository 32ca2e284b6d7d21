package guard

import (
	"container/list"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limits bound what clients without a session may use.
type Limits struct {
	Connections int   // open connections of one address
	Requests    int   // requests in flight of one address
	Heads       int64 // bytes of request heads of one address, as they cost memory: not judged yet, and again in flight

	AllConnections int   // as Connections, of all addresses
	AllRequests    int   // as Requests, of all addresses
	AllHeads       int64 // as Heads, of all addresses
}

// Defaults are the limits where the configuration sets none.
func Defaults() Limits {
	return Limits{
		Connections: 256, Requests: 128, Heads: 2 << 20,
		AllConnections: connectionsOfProcess(), AllRequests: 4096, AllHeads: 64 << 20,
	}
}

// Times for clients without a session.
const (
	headTimeout  = 15 * time.Second // to finish the TLS handshake and send the first request head
	idleTimeout  = 2 * time.Minute  // between requests
	stallTimeout = 15 * time.Second // of a read or write that makes no progress
	headWait     = 5 * time.Second  // of a request head for its share of memory
	evictAfter   = 5 * time.Second  // an idle connection may be closed in favor of a new one
	trustFor     = 10 * time.Minute // since a peer was last seen to be a trusted proxy
	sweepEvery   = time.Second
)

// Large heads of HTTP/2 come at a pace, by address. They are garbage as soon as
// they are judged, and faster than this they come faster than memory is collected.
const (
	largeHead  = 64 << 10 // what one costs at least
	largeRate  = 16 << 20 // bytes a second
	largeBurst = 8 << 20  // and at once
)

// maxTrusted bounds the remembered proxies.
const maxTrusted = 1024

// Guard counts. Make one with New.
type Guard struct {
	limits  atomic.Pointer[Limits]
	refused [reasons]atomic.Int64
	done    chan struct{}
	swept   chan struct{}

	mu        sync.Mutex
	addresses map[netip.Addr]*address
	trusted   map[netip.Addr]time.Time
	conns     int
	requests  int
	heads     int64 // not judged yet
	kept      int64 // of requests in flight
	waiting   int
	wake      chan struct{} // closed when memory of heads is given back
}

// address is what one address uses. It exists while it uses anything.
type address struct {
	key      netip.Addr
	conns    list.List // of *Conn, the one without activity for longest first
	requests int
	heads    int64 // as of Guard
	kept     int64
	large    *Conn // whose head is over the limit; nil: none is
	pace     *rate.Limiter
}

// New makes a Guard, which runs until Close.
func New(l Limits) *Guard {
	g := &Guard{
		addresses: map[netip.Addr]*address{}, trusted: map[netip.Addr]time.Time{},
		wake: make(chan struct{}), done: make(chan struct{}), swept: make(chan struct{}),
	}
	g.SetLimits(l)
	go g.run()
	return g
}

// SetLimits replaces the limits. What is open stays open.
func (g *Guard) SetLimits(l Limits) { g.limits.Store(&l) }

// Close stops the timers. Counting goes on.
func (g *Guard) Close() {
	close(g.done)
	<-g.swept
}

func (g *Guard) run() {
	defer close(g.swept)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.done:
			return
		case <-tick.C:
			g.sweep(time.Now())
		}
	}
}

// sweep closes connections that are idle, or slow with their first request head.
func (g *Guard) sweep(now time.Time) {
	var stale []*Conn
	g.mu.Lock()
	crowded := g.conns > g.limits.Load().AllConnections*3/4
	for _, a := range g.addresses {
		for e := a.conns.Front(); e != nil; e = e.Next() {
			c := e.Value.(*Conn)
			allowed := idleTimeout
			switch {
			case c.active > 0:
				continue
			case crowded:
				allowed = evictAfter
			case !c.served || c.heads > 0:
				allowed = headTimeout
			}
			if now.Sub(c.since) >= allowed {
				stale = append(stale, c)
			}
		}
	}
	for peer, seen := range g.trusted {
		if now.Sub(seen) >= trustFor {
			delete(g.trusted, peer)
		}
	}
	g.mu.Unlock()
	for _, c := range stale {
		_ = c.close() // the server notices, and calls Closed
	}
}

// of returns the entry of an address, with mu held.
func (g *Guard) of(ip netip.Addr) *address {
	a := g.addresses[ip]
	if a == nil {
		a = &address{key: ip, pace: rate.NewLimiter(largeRate, largeBurst)}
		g.addresses[ip] = a
	}
	return a
}

// tidy forgets an address that uses nothing, with mu held.
func (g *Guard) tidy(a *address) {
	if a.conns.Len() == 0 && a.requests == 0 && a.heads == 0 && a.kept == 0 {
		if g.addresses[a.key] == a {
			delete(g.addresses, a.key)
		}
	}
}

// Trust notes that a peer is a trusted proxy. Its connections are not counted:
// they carry many people. Its requests count for the addresses that it names.
func (g *Guard) Trust(peer netip.Addr) {
	peer = network(peer)
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.trusted[peer]; known || len(g.trusted) < maxTrusted {
		g.trusted[peer] = time.Now()
	}
}

// network is what is counted as one address: all of IPv4, the /64 of IPv6. An
// address that is none, as of a Unix socket, stays the zero Addr.
func network(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() {
		return ip
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}
