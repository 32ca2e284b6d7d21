package edge

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/pizzaface/pizzeria/registry"
)

// Limits are what one org may use of the gateway.
type Limits struct {
	Concurrency *int64   // requests at once, open WebSockets among them; nil = any number
	WebSockets  *int64   // open WebSockets; nil = any number
	Rate        *float64 // requests a second, in the mean; nil = any number
	Burst       int      // requests at once on top of the mean
}

// LimitsOf are the limits of a route. Its burst is twice its rate.
func LimitsOf(r *registry.RouteLimits) Limits {
	if r == nil {
		return Limits{}
	}
	l := Limits{Concurrency: r.Concurrency, WebSockets: r.WebSockets, Rate: r.Rate}
	if r.Rate != nil {
		l.Burst = BurstOf(*r.Rate)
	}
	return l
}

// BurstOf is how many requests may come at once on top of a rate, where nobody says.
func BurstOf(perSecond float64) int { return max(1, int(math.Ceil(2*perSecond))) }

// never is when those may try again who may not make any request.
const never = time.Minute

// Limiter counts what every org uses. The limits come with each request, since they change with
// the config and the counts do not. It remembers every org that has a request in flight, and as
// many others as it is made for; the least used of those go first, and begin anew. For an org that
// is known it allocates nothing.
type Limiter struct {
	now func() time.Time

	mu    sync.Mutex
	known *simplelru.LRU[registry.OrgID, *used]
	busy  map[registry.OrgID]*used // with requests in flight, and no place among the known
}

// used is what an org uses now.
type used struct {
	atOnce, webSockets int64
	rate               *rate.Limiter // nil until a limit needs it
}

// NewLimiter makes a Limiter that remembers size orgs without requests in flight.
func NewLimiter(size int, now func() time.Time) (*Limiter, error) {
	l := &Limiter{now: now, busy: map[registry.OrgID]*used{}}
	var err error
	l.known, err = simplelru.NewLRU(size, l.forgotten)
	return l, err
}

// Quota is what an org has left, for the RateLimit headers.
type Quota struct {
	Left  int           // requests that it may make now
	After time.Duration // until there is more
}

// Take takes a request's place. With ok, give calls it back when the request has
// been served; without, nothing was taken, and Quota says when to try again.
func (l *Limiter) Take(org registry.OrgID, most Limits, webSocket bool) (give func(), q Quota, ok bool) {
	if q, ok = l.take(org, most, webSocket); !ok {
		return nil, q, false
	}
	return func() { l.give(org, webSocket) }, q, true
}

// take is Take without the closure: give must follow.
func (l *Limiter) take(org registry.OrgID, most Limits, webSocket bool) (q Quota, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.of(org)
	if most.Concurrency != nil && u.atOnce >= *most.Concurrency ||
		webSocket && most.WebSockets != nil && u.webSockets >= *most.WebSockets {
		return Quota{After: time.Second}, false
	}
	if most.Rate != nil {
		if *most.Rate == 0 {
			return Quota{After: never}, false
		}
		now := l.now()
		u.adjust(now, *most.Rate, most.Burst)
		if !u.rate.AllowN(now, 1) {
			missing := 1 - u.rate.TokensAt(now)
			return Quota{After: time.Duration(missing / *most.Rate * float64(time.Second))}, false
		}
		q.Left = int(math.Floor(u.rate.TokensAt(now)))
	}
	l.count(org, u, webSocket, 1)
	return q, true
}

func (l *Limiter) give(org registry.OrgID, webSocket bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(org, l.of(org), webSocket, -1)
}

// Busy is how many requests and WebSockets an org has open.
func (l *Limiter) Busy(org registry.OrgID) (requests, webSockets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u, ok := l.busy[org]
	if !ok {
		if u, ok = l.known.Peek(org); !ok {
			return 0, 0
		}
	}
	return int(u.atOnce), int(u.webSockets)
}

// open calls see with each org that has requests or WebSockets open.
func (l *Limiter) open(see func(org registry.OrgID, requests, webSockets int)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := func(org registry.OrgID, u *used) {
		if u.atOnce > 0 || u.webSockets > 0 {
			see(org, int(u.atOnce), int(u.webSockets))
		}
	}
	for org, u := range l.busy {
		one(org, u)
	}
	for _, org := range l.known.Keys() {
		if u, ok := l.known.Peek(org); ok {
			one(org, u)
		}
	}
}

func (l *Limiter) of(org registry.OrgID) *used {
	if u, ok := l.busy[org]; ok {
		return u
	}
	u, ok := l.known.Get(org)
	if !ok {
		u = new(used)
		l.known.Add(org, u)
	}
	return u
}

// forgotten keeps an org that has requests in flight when its place is needed.
func (l *Limiter) forgotten(org registry.OrgID, u *used) {
	if u.atOnce > 0 {
		l.busy[org] = u
	}
}

// count notes n requests that began.
func (l *Limiter) count(org registry.OrgID, u *used, webSocket bool, n int64) {
	if u.atOnce += n; webSocket {
		u.webSockets += n
	}
	if _, held := l.busy[org]; held && u.atOnce == 0 {
		delete(l.busy, org)
		l.known.Add(org, u)
	}
}

// adjust makes the rate that of the limits, and leaves what was used of it.
func (u *used) adjust(now time.Time, perSecond float64, burst int) {
	limit, burst := rate.Limit(perSecond), max(1, burst)
	if u.rate == nil {
		u.rate = rate.NewLimiter(limit, burst)
	}
	if u.rate.Limit() != limit {
		u.rate.SetLimitAt(now, limit)
	}
	if u.rate.Burst() != burst {
		u.rate.SetBurstAt(now, burst)
	}
}
