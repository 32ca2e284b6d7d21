package guard

// What is refused, and why.
const (
	refusedConnections = iota // too many connections, or an idle one closed for another
	refusedRequests           // too many requests in flight
	refusedHeads              // no memory for more request heads
	refusedLarge              // one request head too large
	reasons
)

// Reasons names what Stats.Refused counts, by index.
var Reasons = [reasons]string{"connections", "requests", "heads", "head_too_large"}

// Stats are what clients without a session use, and what was refused.
type Stats struct {
	Connections int            // open ones that have not carried a session
	Requests    int            // in flight without a session
	Heads       int64          // bytes of request heads
	Refused     [reasons]int64 // since the start, as Reasons names them
}

// Stats returns the numbers of now.
func (g *Guard) Stats() Stats {
	g.mu.Lock()
	s := Stats{Connections: g.conns, Requests: g.requests, Heads: g.heads + g.kept}
	g.mu.Unlock()
	for i := range s.Refused {
		s.Refused[i] = g.refused[i].Load()
	}
	return s
}
