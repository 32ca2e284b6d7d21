package identity

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// letters bounds how many letters people may have us send, so that nobody is flooded in our name:
// to one address, whoever asks, and of one org.
type letters struct {
	mu      sync.Mutex
	address *buckets[accountKey]
	org     *buckets[registry.OrgID]
}

func newLetters() *letters {
	most := allowance{100 * time.Millisecond, 1000} // of letters in all
	return &letters{
		address: newBuckets[accountKey](allowance{2 * time.Hour, 5}, allowance{time.Second, 1000}),
		org:     newBuckets[registry.OrgID](allowance{2 * time.Minute, 300}, most),
	}
}

// take counts one letter to a clean address in the name of an org. Error: Busy.
func (l *letters) take(now time.Time, org registry.OrgID, address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := keyOf(address)
	if !l.org.has(now, org) {
		return registry.Errorf(registry.Busy, "email", "this org has invited very many people: try again in an hour")
	}
	if !l.address.has(now, to) {
		return registry.Errorf(registry.Busy, "email", "%s got several invitations already: try again in two hours", address)
	}
	l.org.take(now, org)
	l.address.take(now, to)
	return nil
}
