package edge

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/registry"
)

// Streams holds every exchange with an instance that is in flight, by org and by session, so that a
// revocation can cut it. Each request adds itself to two short lists with locks of their own. The
// links are part of the exchange, so this allocates nothing.
type Streams struct {
	seed     maphash.Seed
	orgs     [shards]shard
	sessions [shards]shard
	open     atomic.Int64 // exchanges that are streams
}

// shards is a power of two. A revocation looks at one shard of its index.
const shards = 256

type shard struct {
	mu   sync.Mutex
	head *node
}

// node links an exchange into one shard.
type node struct {
	in         *shard
	prev, next *node
	of         *exchange
}

type streamKey struct {
	org     registry.OrgID
	user    registry.UserID    // "" = nobody
	session registry.SessionID // "" = nobody
}

// Close codes of WebSockets that the gateway ends (RFC 6455, section 7.4: 4000
// to 4999 are for applications).
const (
	closeUnauthorized = 4401 // who opened it may no longer: signing in may help
	closeRestart      = 1012 // cut; it may come back
)

// farewell is what a WebSocket is told when the gateway ends it.
type farewell struct {
	code   uint16
	reason string
}

func newStreams() *Streams { return &Streams{seed: maphash.MakeSeed()} }

func (s *Streams) org(id registry.OrgID) *shard {
	return &s.orgs[maphash.String(s.seed, string(id))%shards]
}

func (s *Streams) session(id registry.SessionID) *shard {
	return &s.sessions[maphash.String(s.seed, string(id))%shards]
}

func (s *Streams) add(x *exchange) {
	s.org(x.key.org).add(&x.inOrg, x)
	if x.key.session != "" {
		s.session(x.key.session).add(&x.inSession, x)
	}
}

func (s *Streams) remove(x *exchange) {
	x.inOrg.remove()
	x.inSession.remove()
}

func (h *shard) add(n *node, x *exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n.in, n.of, n.next = h, x, h.head
	if h.head != nil {
		h.head.prev = n
	}
	h.head = n
}

// remove takes a node out of its shard, if it is in one.
func (n *node) remove() {
	h := n.in
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		h.head = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	*n = node{}
}

// find returns the exchanges that match.
func (h *shard) find(match func(*exchange) bool) (out []*exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := h.head; n != nil; n = n.next {
		if match(n.of) {
			out = append(out, n.of)
		}
	}
	return out
}

func cut(all []*exchange, bye farewell) {
	for _, x := range all {
		x.cut(bye)
	}
}

// closeSession cuts all exchanges of a session.
func (s *Streams) closeSession(id registry.SessionID, bye farewell) {
	cut(s.session(id).find(func(x *exchange) bool { return x.key.session == id }), bye)
}

// closeOrg cuts the exchanges of an org that match.
func (s *Streams) closeOrg(org registry.OrgID, match func(streamKey) bool, bye farewell) {
	cut(s.org(org).find(func(x *exchange) bool { return x.key.org == org && match(x.key) }), bye)
}

// closeAll cuts every exchange.
func (s *Streams) closeAll(bye farewell) { s.close(func(streamKey) bool { return true }, bye) }

// close cuts the exchanges that match.
func (s *Streams) close(match func(streamKey) bool, bye farewell) {
	for i := range s.orgs {
		cut(s.orgs[i].find(func(x *exchange) bool { return match(x.key) }), bye)
	}
}

// Len returns the number of open WebSockets and streams.
func (s *Streams) Len() int { return int(s.open.Load()) }

// Of returns the number of open WebSockets and streams of a session.
func (s *Streams) Of(id registry.SessionID) int {
	return len(s.session(id).find(func(x *exchange) bool {
		return x.key.session == id && x.stream.Load()
	}))
}

// BySession is how many streams each session has open.
func (s *Streams) BySession() map[registry.SessionID]int {
	n := map[registry.SessionID]int{}
	for i := range s.sessions {
		for _, x := range s.sessions[i].find(func(x *exchange) bool { return x.stream.Load() }) {
			n[x.key.session]++
		}
	}
	return n
}

// inFlight returns the number of registered exchanges.
func (s *Streams) inFlight() (n int) {
	for i := range s.orgs {
		n += len(s.orgs[i].find(func(*exchange) bool { return true }))
	}
	return n
}
