package gateway

import (
	"math"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/pizzaface/pizzeria/registry"
)

// Limits are what one org may use of the gateway.
type Limits struct {
	Concurrency int     // requests at once, open WebSockets among them; 0 = any number
	WebSockets  int     // open WebSockets; 0 = any number
	Rate        float64 // requests a second, in the mean; 0 = any number
	Burst       int     // requests at once on top of the mean
}

// Limiter holds every org to its limits, each for itself: what one uses up,
// another does not miss. It remembers as many orgs as it is made for; the least
// used go first, and begin anew.
type Limiter struct {
	limits Limits
	now    func() time.Time
	orgs   *lru.Cache[registry.OrgID, *used]
}

// used is what an org uses now.
type used struct {
	atOnce, webSockets atomic.Int64
	rate               *rate.Limiter
}

// NewLimiter makes a Limiter that remembers size orgs.
func NewLimiter(l Limits, size int, now func() time.Time) (*Limiter, error) {
	orgs, err := lru.New[registry.OrgID, *used](size)
	return &Limiter{limits: l, now: now, orgs: orgs}, err
}

// Quota is what an org has left, for the RateLimit headers.
type Quota struct {
	Left  int           // requests that it may make now
	After time.Duration // until there is more
}

// Take takes a request's place. With ok, give calls it back when the request has
// been served; without, nothing was taken, and Quota says when to try again.
func (l *Limiter) Take(org registry.OrgID, webSocket bool) (give func(), q Quota, ok bool) {
	u, known := l.orgs.Get(org)
	if !known {
		u = &used{rate: rate.NewLimiter(rate.Limit(l.limits.Rate), max(1, l.limits.Burst))}
		if other, was, _ := l.orgs.PeekOrAdd(org, u); was {
			u = other
		}
	}
	var held []*atomic.Int64
	give = func() {
		for _, n := range held {
			n.Add(-1)
		}
	}
	hold := func(n *atomic.Int64, most int) bool {
		held = append(held, n)
		return n.Add(1) <= int64(most)
	}
	if l.limits.Concurrency > 0 && !hold(&u.atOnce, l.limits.Concurrency) || webSocket && l.limits.WebSockets > 0 && !hold(&u.webSockets, l.limits.WebSockets) {
		give()
		return nil, Quota{After: time.Second}, false
	}
	if l.limits.Rate > 0 {
		now := l.now()
		if !u.rate.AllowN(now, 1) {
			give()
			return nil, Quota{After: time.Duration((1 - u.rate.TokensAt(now)) / l.limits.Rate * float64(time.Second))}, false
		}
		q.Left = int(math.Floor(u.rate.TokensAt(now)))
	}
	return give, q, true
}
