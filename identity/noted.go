package identity

import (
	"net/netip"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Ways are the ways to sign in, and Results what becomes of it, as they are counted and logged.
var (
	Ways    = []string{"password", "second_step", "passkey", "connection"}
	Results = []string{"in", "half", "refused", "limited", "full", "failed"}
)

// note counts a sign-in, and logs one that was refused: from where, and nothing that was typed.
func (s *Service) note(way string, c Client, l Login, err error) {
	result := "failed"
	switch code := registry.ErrorCode(err); {
	case err == nil && (l.Second != "" || l.Other != ""):
		result = "half"
	case err == nil:
		result = "in"
	case code == registry.CodeTooManyRequests:
		result = "limited"
	case code == registry.CodeOverloaded:
		result = "full"
	case code != "":
		result = "refused"
	}
	if s.Noted != nil {
		s.Noted(way, result)
	}
	if result != "refused" && result != "limited" {
		return
	}
	if omitted, ok := s.refused.line(s.now(), c.Address); ok {
		s.log.Info("a sign-in is refused", "way", way, "why", result, "address", c.Address, "omitted", omitted)
	}
}

// refusals samples the log of refused sign-ins, so that a flood writes little: a few lines of each
// network, then one a minute, and so many in all.
type refusals struct {
	mu      sync.Mutex
	network *buckets[netip.Prefix]
	total   *buckets[struct{}]
	omitted int // since the last line
}

func newRefusals() *refusals {
	total := allowance{time.Second, 60}
	return &refusals{network: newBuckets[netip.Prefix](allowance{time.Minute, 5}, total), total: newBuckets[struct{}](total, total)}
}

// line reports whether a refusal is logged, and how many were not since the last one that was.
func (r *refusals) line(now time.Time, address string) (omitted int, ok bool) {
	n := networkOf(address)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.network.has(now, n) || !r.total.has(now, struct{}{}) {
		r.omitted++
		return 0, false
	}
	r.network.take(now, n)
	r.total.take(now, struct{}{})
	omitted, r.omitted = r.omitted, 0
	return omitted, true
}
