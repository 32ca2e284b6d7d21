//go:build linux || darwin

package agent

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
)

const (
	// assertionLife is how long an assertion can count, with the skew of clocks.
	assertionLife = 2*time.Minute + 20*time.Second
	// maxRevoked bounds the memory. Beyond, everybody needs a new assertion.
	maxRevoked = 10_000
)

// revocations remembers who is gone, for as long as assertions of before could count.
type revocations struct {
	now func() time.Time

	mu  sync.Mutex
	at  map[string]time.Time // by subject
	all time.Time            // of everybody
}

func (r *revocations) add(subjects []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for s, at := range r.at {
		if now.Sub(at) > assertionLife {
			delete(r.at, s)
		}
	}
	if len(r.at)+len(subjects) > maxRevoked {
		clear(r.at)
		r.all = now
		return
	}
	if r.at == nil {
		r.at = map[string]time.Time{}
	}
	for _, s := range subjects {
		r.at[s] = now
	}
}

// refuses reports whether an assertion was issued before its subject was revoked.
func (r *revocations) refuses(c assertion.Claims) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.all
	if at, ok := r.at[c.Subject]; ok && at.After(since) {
		since = at
	}
	// Assertions tell whole seconds. No more is added for clocks that differ: the gateway lets nobody
	// in who is gone, and people who may still enter should not wait for long.
	return !since.IsZero() && !c.IssuedAt.After(since)
}
