package usage

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	fine      = 10 * time.Second
	coarse    = 10 * time.Minute
	fineSpan  = time.Hour
	points    = int(fineSpan / fine)
	ringsKept = 1000 // of orgs: 28 MiB
)

// Recorder keeps what gateways counted. It is safe for concurrent use.
type Recorder struct {
	store registry.UsageStore
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	total   ring
	orgs    *lru.Cache[registry.OrgID, *ring]
	coarse  map[uuid.UUID]point // since the last write, "" as the zero UUID; without a pointer, for there may be many
	written time.Time

	flush   sync.Mutex           // held over writes
	pending *registry.UsageBatch // that may have been stored or not; nil: none

	elsewhere elsewhere
}

// ring is the last hour, a point every 10 seconds.
type ring struct {
	points [points]point
	last   int64 // number of the newest point, since 1970
}

// point is a registry.Usage of a short time, at half the size.
type point struct {
	requests, errors, running uint32
	latency                   [registry.LatencyBuckets]uint32
}

func (p *point) usage() (u registry.Usage) {
	u.Requests, u.Errors, u.Running = int64(p.requests), int64(p.errors), int64(p.running)
	for i, n := range p.latency {
		u.Latency[i] = int64(n)
	}
	return u
}

func pointOf(u registry.Usage) (p point) {
	p.requests, p.errors, p.running = clamp(u.Requests), clamp(u.Errors), clamp(u.Running)
	for i, n := range u.Latency {
		p.latency[i] = clamp(n)
	}
	return p
}

func clamp(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) } //nolint:gosec // in range

// New makes a Recorder; Run stores what it takes in.
func New(store registry.UsageStore, log *slog.Logger, now func() time.Time) *Recorder {
	orgs, err := lru.New[registry.OrgID, *ring](ringsKept)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &Recorder{store: store, log: log, now: now, orgs: orgs, coarse: map[uuid.UUID]point{}, written: now()}
}

// Add takes in what a gateway counted just now.
func (r *Recorder) Add(counts map[registry.OrgID]registry.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.point()
	r.total.advance(at)
	for org, u := range counts {
		of, ok := r.orgs.Get(org)
		if !ok {
			of = new(ring)
			r.orgs.Add(org, of)
		}
		of.advance(at)
		of.add(u)
		r.total.add(u)
		r.addCoarse(keyOf(org), u)
	}
}

// point is the number of the point that is now.
func (r *Recorder) point() int64 { return r.now().UnixNano() / int64(fine) }

// Run counts instances and stores the coarse history until ctx ends. Call Flush then.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(fine)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.countInstances(ctx)
			if r.now().Truncate(coarse).After(r.written) {
				r.Flush(ctx)
			}
		}
	}
}

func (r *Recorder) countInstances(ctx context.Context) {
	running, _ := r.store.RunningInstances(ctx, registry.AsSystem("usage")) // 0 while the store is away
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total.advance(r.point())
	r.total.add(registry.Usage{Running: running})
	r.addCoarse(uuid.Nil, registry.Usage{Running: running})
}

func (r *Recorder) addCoarse(key uuid.UUID, u registry.Usage) {
	p := r.coarse[key]
	r.coarse[key] = pointOf(p.usage().Plus(u))
}

// keyOf is an org's key of Recorder.coarse.
func keyOf(org registry.OrgID) uuid.UUID {
	id, _ := uuid.Parse(string(org)) // "" is uuid.Nil, and IDs have no other form
	return id
}

// Flush stores the coarse history. What cannot be stored is tried again with the next.
func (r *Recorder) Flush(ctx context.Context) {
	r.flush.Lock()
	defer r.flush.Unlock()
	now := r.now()
	r.mu.Lock()
	r.written = now
	r.mu.Unlock()
	store := func() bool {
		if r.pending == nil {
			return true
		}
		if err := r.store.AddUsage(ctx, registry.AsSystem("usage"), *r.pending); err != nil {
			r.log.Warn("usage is not stored", "error", err)
			return false
		}
		r.pending = nil
		return true
	}
	if store() {
		r.pending = r.batch(now)
		store()
	}
}

// batch takes what was counted since the last one, nil for nothing.
func (r *Recorder) batch(now time.Time) *registry.UsageBatch {
	r.mu.Lock()
	counts := r.coarse
	r.coarse = map[uuid.UUID]point{}
	r.mu.Unlock()
	if len(counts) == 0 {
		return nil
	}
	b := registry.UsageBatch{
		ID: registry.NewID(), At: now.Truncate(coarse),
		ByOrg: make(map[registry.OrgID]registry.Usage, len(counts)),
	}
	for key, p := range counts {
		var org registry.OrgID
		if key != uuid.Nil {
			org = registry.OrgID(key.String())
		}
		b.ByOrg[org] = p.usage()
	}
	return &b
}

// Hour returns the last hour of an org, or of all with "", a point every 10
// seconds, oldest first. It decides nothing about who may see it.
func (r *Recorder) Hour(org registry.OrgID) []registry.UsagePoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	source := &r.total
	if org != "" {
		var ok bool
		if source, ok = r.orgs.Peek(org); !ok {
			source = new(ring)
		}
	}
	newest := r.now().UnixNano()/int64(fine) - 1 // the running one is not whole
	if collected := r.total.last - 1; collected == newest-1 {
		newest = collected // nor is the one whose counts are about to come
	}
	out := make([]registry.UsagePoint, points)
	for i := range out {
		n := newest - int64(points-1-i)
		out[i] = registry.UsagePoint{At: time.Unix(0, n*int64(fine)).UTC()}
		// What comes after the end of a point belongs to it.
		if age := source.last - (n + 1); source.last != 0 && age >= 0 && age < int64(points) {
			out[i].Usage = source.points[(n+1)%int64(points)].usage()
		}
	}
	return out
}

// advance makes at the newest point, and clears those between.
func (g *ring) advance(at int64) {
	if at-g.last >= int64(points) {
		*g = ring{last: at}
		return
	}
	for ; g.last < at; g.last++ {
		g.points[(g.last+1)%int64(points)] = point{}
	}
}

func (g *ring) add(u registry.Usage) {
	i := g.last % int64(points)
	g.points[i] = pointOf(g.points[i].usage().Plus(u))
}

// Recent returns the requests of orgs in the last hour in bins, for sparklines:
// orgs without requests are left out.
func (r *Recorder) Recent(orgs []registry.OrgID, bins int) map[registry.OrgID][]int64 {
	out := map[registry.OrgID][]int64{}
	for _, org := range orgs {
		r.mu.Lock()
		_, ok := r.orgs.Peek(org)
		r.mu.Unlock()
		if !ok {
			continue
		}
		v := make([]int64, bins)
		for i, p := range r.Hour(org) {
			v[int(math.Floor(float64(i)*float64(bins)/float64(points)))] += p.Requests
		}
		out[org] = v
	}
	return out
}
