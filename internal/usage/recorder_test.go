package usage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

type memory struct {
	mu   sync.Mutex
	fail bool
	lose bool // stores and does not say so
	seen map[string]bool
	got  registry.Usage
}

func (m *memory) set(fail bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func (m *memory) stored() registry.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

func (m *memory) RunningInstances(context.Context, registry.Actor) (int64, error) { return 7, nil }

func (m *memory) AddUsage(_ context.Context, _ registry.Actor, b registry.UsageBatch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errors.New("full disk")
	}
	if !m.seen[b.ID] {
		for _, u := range b.ByOrg {
			m.got = m.got.Plus(u)
		}
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[b.ID] = true
	if m.lose {
		return errors.New("connection reset")
	}
	return nil
}

var (
	acme   = registry.OrgID(registry.NewID())
	globex = registry.OrgID(registry.NewID())
)

// TestHistory: requests stand in the hour where they were, leave it after an
// hour, and reach the store once, also after it was away.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: true}
		r := New(m, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		sum := func(org registry.OrgID) (n int64) {
			for _, p := range r.Hour(org) {
				n += p.Requests
			}
			return n
		}
		Request(r, acme, 200, 5*time.Millisecond)
		Request(r, acme, 502, 50*time.Millisecond)
		Request(r, globex, 200, time.Millisecond)
		time.Sleep(30 * time.Second) // time of the bubble
		synctest.Wait()
		if sum(acme) != 2 || sum(globex) != 1 || sum("") != 3 || sum("nobody") != 0 {
			t.Errorf("%d %d %d", sum(acme), sum(globex), sum(""))
		}
		time.Sleep(5 * time.Minute) // time of the bubble
		hour := r.Hour(acme)
		var at time.Time
		for _, p := range hour {
			if p.Requests > 0 {
				at = p.At
			}
		}
		if age := time.Since(at); age < 5*time.Minute || age > 6*time.Minute || len(hour) != 360 {
			t.Errorf("the requests are %s old in %d points", age, len(hour))
		}
		if r := r.Recent([]registry.OrgID{acme, "nobody"}, 6); len(r) != 1 || r[acme][5] != 2 {
			t.Errorf("sparkline %v", r)
		}
		if p := r.Hour(""); p[len(p)-1].Running != 7 {
			t.Errorf("running: %+v", p[len(p)-1])
		}
		time.Sleep(20 * time.Minute) // time of the bubble
		m.set(false)
		time.Sleep(10 * time.Minute) // time of the bubble
		synctest.Wait()
		if got := m.stored(); got.Requests != 3 || got.Errors != 1 {
			t.Errorf("stored %+v", got)
		}
		time.Sleep(2 * time.Hour) // time of the bubble
		if sum(acme) != 0 || sum("") != 0 {
			t.Errorf("after hours: %d %d", sum(acme), sum(""))
		}
		Request(r, acme, 200, time.Millisecond)
		cancel()
		<-done
		r.Flush(t.Context())
		if got := m.stored(); got.Requests != 4 {
			t.Errorf("at the end %+v", got)
		}
	})
}

// TestLostAnswer: what was stored though nobody heard of it is given again under the same ID, and
// what is counted meanwhile is not mixed with it.
func TestLostAnswer(t *testing.T) {
	m := &memory{lose: true}
	r := New(m, slog.New(slog.DiscardHandler), time.Now)
	for n := range 3 {
		Request(r, acme, 200, time.Millisecond)
		r.Flush(t.Context())
		if got := m.stored(); got.Requests != 1 {
			t.Errorf("%d: stored %+v", n, got)
		}
	}
	m.mu.Lock()
	m.lose = false
	m.mu.Unlock()
	r.Flush(t.Context())
	if got := m.stored(); got.Requests != 3 || len(m.seen) != 2 {
		t.Errorf("stored %+v by %d batches", got, len(m.seen))
	}
}

func TestQuantile(t *testing.T) {
	var u registry.Usage
	if u.Quantile(0.5) != 0 {
		t.Error("of nothing")
	}
	for _, d := range []time.Duration{0, 3 * time.Millisecond, 3 * time.Millisecond, time.Minute} {
		u.Latency[registry.LatencyBucket(d)]++
	}
	if q := u.Quantile(0.5); q < 2*time.Millisecond || q > 4*time.Millisecond {
		t.Errorf("median %s", q)
	}
	if q := u.Quantile(1); q < 16*time.Second {
		t.Errorf("maximum %s", q)
	}
}
