package heartbeat

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// TestPoll: what an agent says of its own instance is shown, and nothing else.
func TestPoll(t *testing.T) {
	w := newWorld(t)
	good, liar, broken := w.org("good"), w.org("liar"), w.org("broken")
	beat := func(ref provision.Ref) registry.Heartbeat {
		return registry.Heartbeat{
			OrgID: ref.OrgID, Generation: ref.Generation, Version: "1.0\n\x1b[2J", Memory: 7,
		}
	}
	w.agent(good, says(beat(good)))
	forged := beat(good) // as another org, and then as another generation
	forged.Memory = 666
	w.agent(liar, func(rw http.ResponseWriter, r *http.Request) {
		says(forged)(rw, r)
		forged.OrgID, forged.Generation = liar.OrgID, 2
	})
	w.agent(broken, func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(`{"org_id":`))
	})
	r := w.recorder()
	_, stop := w.poll(r, func() []provision.Ref { return []provision.Ref{good, liar, broken} })
	w.await("poll ok", 2)
	w.await("poll refused", 3)
	w.await("poll failed", 1)
	stop()
	w.ok(r.write(t.Context()))
	if h := w.shown(good.OrgID); h == nil || h.Memory != 7 || h.Version != "1.0 [2J" {
		t.Errorf("%+v", h)
	}
	for name, ref := range map[string]provision.Ref{"liar": liar, "broken": broken} {
		if h := w.shown(ref.OrgID); h != nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// TestInstancesWithoutAgent: they are asked once, and so is the next generation.
func TestInstancesWithoutAgent(t *testing.T) {
	w := newWorld(t)
	good, none := w.org("good"), w.org("none")
	w.agent(good, says(registry.Heartbeat{OrgID: good.OrgID, Generation: 1}))
	var mu sync.Mutex
	refs := []provision.Ref{good, none}
	r := w.recorder()
	p, stop := w.poll(r, func() []provision.Ref { mu.Lock(); defer mu.Unlock(); return refs })
	defer stop()
	w.await("poll ok", 3)
	p.mu.Lock()
	if !p.mute[none] || len(p.mute) != 1 {
		t.Errorf("%v", p.mute)
	}
	p.mu.Unlock()
	next := provision.Ref{OrgID: none.OrgID, Generation: 2}
	w.agent(next, says(registry.Heartbeat{OrgID: none.OrgID, Generation: 2}))
	w.mu.Lock()
	w.agents[none] = w.agents[next] // it would answer, but is not asked any more
	w.mu.Unlock()
	w.await("poll ok", 6)
	if w.counts["poll refused"] > 0 {
		t.Error("it was asked again")
	}
	mu.Lock()
	refs = []provision.Ref{next}
	mu.Unlock()
	w.await("poll ok", 12)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mute) != 0 {
		t.Errorf("remembered: %v", p.mute)
	}
}

// TestHangingAgentsKeepNobodyWaiting: also when there are many of them.
func TestHangingAgentsKeepNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	good := w.org("good")
	w.agent(good, says(registry.Heartbeat{OrgID: good.OrgID, Generation: 1}))
	var hanging, most atomic.Int32
	ended := make(chan struct{})
	defer close(ended)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		n := hanging.Add(1)
		defer hanging.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}
	refs := []provision.Ref{good}
	slow := map[provision.Ref]bool{}
	first := provision.Ref{OrgID: "01890000-0000-7000-8000-000000000000", Generation: 1}
	w.agent(first, hang)
	for i := range 4 * slowPlaces {
		ref := provision.Ref{OrgID: first.OrgID, Generation: int64(i + 1)}
		w.agents[ref] = w.agents[first]
		refs, slow[ref] = append(refs, ref), true
	}
	p := &Poller{
		Attended: w, Serving: func() []provision.Ref { return refs }, Record: w.recorder(),
		Counted: w.count, Every: 20e6, Patience: time.Hour, slow: slow,
	}
	stop := w.run(p.Run)
	w.await("poll ok", 20)
	stop()
	if n := most.Load(); n == 0 || n > slowPlaces {
		t.Errorf("%d hang at once, want 1 to %d", n, slowPlaces)
	}
}
