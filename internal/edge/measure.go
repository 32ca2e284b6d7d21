package edge

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// RateHeaders adds what is left of a rate to an answer (draft-ietf-httpapi-ratelimit-headers),
// under the name of what limits it: every limit of a request is an item of its own.
func RateHeaders(h http.Header, name string, perSecond float64, burst int, q Quota) {
	window := math.Ceil(float64(burst) / max(perSecond, 1e-9))
	if perSecond == 0 {
		burst, window = 0, never.Seconds()
	}
	h.Add("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d`, name, burst, int(window)))
	h.Add(
		"RateLimit",
		fmt.Sprintf(`"%s";r=%d;t=%d`, name, q.Left, int(math.Ceil(q.After.Seconds()))),
	)
}

// TooMany is the answer to a request that is more than its org may make.
func TooMany(rt *registry.Route, q Quota) Problem {
	return Problem{
		Code:       wire.Code(registry.CodeTooManyRequests),
		Status:     http.StatusTooManyRequests,
		RetryAfter: max(1, int(math.Ceil(q.After.Seconds()))),
		Title:      rt.Name + " has too many requests",
		Detail:     "It uses all that it may for the moment. Other orgs are not touched. Try again shortly.",
	}
}

// TooLarge answers a request whose body is larger than its org may send.
func (g *Gateway) TooLarge(w http.ResponseWriter, r *http.Request, s *State, most int64) {
	w.Header().Set("Connection", "close") // what follows of the body is not read
	g.fail(w, r, s, Problem{
		Code:   wire.ContentTooLarge,
		Status: http.StatusRequestEntityTooLarge,
		Title:  "This is too large",
		Detail: s.Route.Name + " takes at most " + strconv.FormatInt(most, 10) +
			" bytes in one request.",
	})
}

// LimitedBody is a request's body, which fails when it is too large: its length may not have been
// said.
type LimitedBody struct {
	io.ReadCloser
	left int64
	over atomic.Bool
}

// NewLimitedBody lets at most so many bytes of a body through.
func NewLimitedBody(body io.ReadCloser, most int64) *LimitedBody {
	return &LimitedBody{ReadCloser: body, left: most}
}

var errTooLarge = errors.New("the request's body is too large")

// Read implements io.Reader.
func (b *LimitedBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left+1 { // one more tells
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.over.Store(true)
		return 0, errTooLarge
	}
	return n, err
}

// Over reports whether there was more than may pass.
func (b *LimitedBody) Over() bool { return b.over.Load() }

// ErrOverPlan reports that a request is more than its org may make; see OverPlan.
var ErrOverPlan = errors.New("the request is more than its org may make")

// measured is what a request has taken of its org's limits.
type measured struct {
	by        *Limiter // nil until it has
	webSocket bool
	limits    *registry.RouteLimits
	quota     Quota
	body      *LimitedBody
	large     bool
}

// measure holds a request to the limits of its org, once, however often it is sent. Error:
// ErrOverPlan.
func (g *Gateway) measure(s *State, r *http.Request) error {
	m := &s.measured
	if m.by != nil {
		return nil
	}
	m.limits, m.webSocket = s.Route.Limits, IsWebSocket(r)
	var ok bool
	by := g.Measure.of(s.Route.OrgID)
	if m.quota, ok = by.take(s.Route.OrgID, LimitsOf(m.limits), m.webSocket); !ok {
		g.Refused.add(s.Route.OrgID)
		return ErrOverPlan
	}
	m.by = by
	if m.limits == nil || m.limits.Body == nil || r.Body == nil || r.Body == http.NoBody ||
		m.webSocket {
		return nil
	}
	if r.ContentLength > *m.limits.Body {
		m.large = true
		return ErrOverPlan
	}
	m.body = NewLimitedBody(r.Body, *m.limits.Body)
	r.Body = m.body
	return nil
}

// overBody reports whether more of a body came than may pass.
func (m *measured) overBody() bool { return m.body != nil && m.body.Over() }

// headers adds what is left of the org's rate to an answer.
func (m *measured) headers(h http.Header) {
	if m.limits != nil && m.limits.Rate != nil {
		RateHeaders(h, "plan", *m.limits.Rate, BurstOf(*m.limits.Rate), m.quota)
	}
}

// OverPlan answers a request that failed with ErrOverPlan.
func (g *Gateway) OverPlan(w http.ResponseWriter, r *http.Request, s *State) {
	m := &s.measured
	if m.large {
		g.TooLarge(w, r, s, *m.limits.Body)
		return
	}
	m.headers(w.Header())
	g.fail(w, r, s, TooMany(s.Route, m.quota))
}

// end gives back what the request has taken.
func (m *measured) end(org registry.OrgID) {
	if m.by != nil {
		m.by.give(org, m.webSocket)
		m.by = nil
	}
}

// Refusals counts the requests of each org that were more than it may make.
type Refusals struct {
	mu sync.Mutex
	n  map[registry.OrgID]int
}

func (f *Refusals) add(org registry.OrgID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == nil {
		f.n = map[registry.OrgID]int{}
	}
	f.n[org]++
}

// Take returns the counts since the last time.
func (f *Refusals) Take() map[registry.OrgID]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.n
	f.n = nil
	return n
}

// put adds counts that were taken.
func (f *Refusals) put(counts map[registry.OrgID]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n == nil {
		f.n = counts
		return
	}
	for org, n := range counts {
		f.n[org] += n
	}
}

// Measures are Limiters for orgs that have nothing to do with each other: no lock is all orgs'.
type Measures struct {
	seed  maphash.Seed
	parts [measures]*Limiter
}

const measures = 64

func newMeasures(size int, now func() time.Time) (*Measures, error) {
	m := &Measures{seed: maphash.MakeSeed()}
	for i := range m.parts {
		var err error
		if m.parts[i], err = NewLimiter(size/measures+1, now); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Measures) of(org registry.OrgID) *Limiter {
	return m.parts[maphash.String(m.seed, string(org))%measures]
}

// Busy is how many requests and WebSockets an org has open.
func (m *Measures) Busy(org registry.OrgID) (requests, webSockets int) {
	return m.of(org).Busy(org)
}

// Open calls see with each org that has requests or WebSockets open.
func (m *Measures) Open(see func(org registry.OrgID, requests, webSockets int)) {
	for _, l := range m.parts {
		l.open(see)
	}
}
