package heartbeat

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	writeEvery = time.Second
	batch      = 1000 // heartbeats of one transaction: others wait for it
	sayEvery   = 30 * time.Second
)

var system = registry.AsSystem("heartbeats")

// Recorder keeps the last heartbeat of each instance until the next write. Run writes.
type Recorder struct {
	store registry.HeartbeatStore
	log   *slog.Logger
	now   func() time.Time

	mu   sync.Mutex
	last map[registry.OrgID]registry.Heartbeat // that is not written yet
}

// NewRecorder makes a Recorder over a store.
func NewRecorder(
	s registry.HeartbeatStore, log *slog.Logger, now func() time.Time,
) *Recorder {
	return &Recorder{
		store: s, log: log, now: now, last: map[registry.OrgID]registry.Heartbeat{},
	}
}

// Add takes a heartbeat of an instance that is known to exist.
func (r *Recorder) Add(h registry.Heartbeat) {
	h = h.Cleaned(r.now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[h.OrgID] = h
}

// Run writes every second until ctx is done, and then what is left.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	var said time.Time
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeEvery)
			defer cancel()
			_ = r.write(last)
			return
		case <-tick.C:
		}
		if err := r.write(ctx); err != nil && ctx.Err() == nil && time.Since(said) >= sayEvery {
			said = time.Now()
			r.log.Warn("cannot write heartbeats, retrying", "error", err)
		}
	}
}

// write writes what there is. What it cannot write stays for the next time.
func (r *Recorder) write(ctx context.Context) error {
	r.mu.Lock()
	taken := r.last
	r.last = make(map[registry.OrgID]registry.Heartbeat, len(taken))
	r.mu.Unlock()
	all := slices.Collect(maps.Values(taken))
	for part := range slices.Chunk(all, batch) {
		if err := r.store.SaveHeartbeats(ctx, system, part); err != nil {
			r.putBack(all)
			return err
		}
	}
	return nil
}

func (r *Recorder) putBack(all []registry.Heartbeat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range all {
		if _, newer := r.last[h.OrgID]; !newer {
			r.last[h.OrgID] = h
		}
	}
}
