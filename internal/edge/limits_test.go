package edge

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestLimiter: each org has its own measure, in time and at once.
func TestLimiter(t *testing.T) {
	now := time.Unix(1e9, 0)
	l, err := NewLimiter(10, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(org registry.OrgID) (n int) {
		for {
			_, q, ok := l.Take(org, Limits{Rate: some(2.0), Burst: 3}, false)
			if !ok {
				if q.After <= 0 || q.After > time.Second {
					t.Errorf("try again after %s", q.After)
				}
				return n
			}
			n++
		}
	}
	if a, b := allowed("acme"), allowed("globex"); a != 3 || b != 3 {
		t.Errorf("at first %d and %d", a, b)
	}
	now = now.Add(time.Second)
	if n := allowed("acme"); n != 2 {
		t.Errorf("a second later %d", n)
	}

	if l, err = NewLimiter(10, time.Now); err != nil {
		t.Fatal(err)
	}
	four := Limits{Concurrency: some(int64(4))}
	var wg sync.WaitGroup
	var at, most, refused atomic.Int64
	for range 64 {
		wg.Go(func() {
			for range 200 {
				give, _, ok := l.Take("acme", four, false)
				if !ok {
					refused.Add(1)
					continue
				}
				n := at.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				at.Add(-1)
				give()
			}
		})
	}
	wg.Wait()
	if most.Load() > 4 {
		t.Errorf("%d at once", most.Load())
	}
	for range 4 { // all places were given back
		if _, _, ok := l.Take("acme", four, false); !ok {
			t.Fatal("a place is lost")
		}
	}
	if _, _, ok := l.Take("acme", four, false); ok {
		t.Error("a fifth at once")
	}
	if _, _, ok := l.Take("globex", four, false); !ok {
		t.Error("one org's use is another's loss")
	}
}

// TestWebSocketsAreLimited: apart from other requests, and what a refused one took of another limit is given back.
func TestWebSocketsAreLimited(t *testing.T) {
	most := Limits{Concurrency: some(int64(3)), WebSockets: some(int64(1))}
	l, err := NewLimiter(10, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	first, _, ok := l.Take("acme", most, true)
	if !ok {
		t.Fatal("the first WebSocket is refused")
	}
	for range 5 {
		if _, _, ok := l.Take("acme", most, true); ok {
			t.Fatal("a second WebSocket is let in")
		}
	}
	var open []func()
	for range 2 { // the refused ones hold no place among all requests
		give, _, ok := l.Take("acme", most, false)
		if !ok {
			t.Fatal("a request is refused")
		}
		open = append(open, give)
	}
	if _, _, ok := l.Take("acme", most, false); ok {
		t.Error("a fourth request is let in")
	}
	if _, _, ok := l.Take("globex", most, true); !ok {
		t.Error("another org's WebSocket is refused")
	}
	first()
	for _, give := range open {
		give()
	}
	if _, _, ok := l.Take("acme", most, true); !ok {
		t.Error("a place that was given back is not free")
	}
}

// TestLimitsChange: limits that change, as at a reload, count what is in flight and what was used.
func TestLimitsChange(t *testing.T) {
	now := time.Unix(1e9, 0)
	l, err := NewLimiter(1, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	take := func(org registry.OrgID, most Limits, webSocket bool) (give func()) {
		give, _, _ = l.Take(org, most, webSocket)
		return give
	}
	open := take("acme", Limits{Rate: some(1.0), Burst: 2}, true)
	if take("acme", Limits{WebSockets: some(int64(1))}, true) != nil {
		t.Error("an open WebSocket is not counted by a limit that is new")
	}
	for _, org := range []registry.OrgID{"b", "c", "d"} { // more than are remembered
		take(org, Limits{Rate: some(1.0)}, false)()
	}
	if take("acme", Limits{Concurrency: some(int64(1))}, false) != nil {
		t.Error("an open WebSocket is forgotten when other orgs come")
	}
	if take("acme", Limits{Rate: some(1.0), Burst: 8}, false) == nil || take("acme", Limits{Rate: some(1.0), Burst: 8}, false) != nil {
		t.Error("a changed rate begins anew")
	}
	now = now.Add(time.Second)
	if take("acme", Limits{Rate: some(3.0), Burst: 8}, false) == nil || take("acme", Limits{Rate: some(3.0), Burst: 8}, false) != nil {
		t.Error("the rate before a change does not count until then")
	}
	now = now.Add(time.Second)
	for n := range 3 {
		if take("acme", Limits{Rate: some(3.0), Burst: 8}, false) == nil {
			t.Errorf("a changed rate does not hold: %d", n)
		}
	}
	open()
	if take("acme", Limits{WebSockets: some(int64(1))}, true) == nil {
		t.Error("a place that was given back is not free")
	}
}

func some[T any](v T) *T { return &v }

// TestLimitsOfNothing: 0 is 0, and what is absent is no limit.
func TestLimitsOfNothing(t *testing.T) {
	l, err := NewLimiter(10, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, most := range map[string]Limits{
		"rate": {Rate: some(0.0), Burst: 1}, "concurrency": {Concurrency: some(int64(0))},
	} {
		if _, q, ok := l.Take("acme", most, false); ok || q.After <= 0 {
			t.Errorf("%s of 0: %v %v", name, ok, q)
		}
	}
	if _, _, ok := l.Take("acme", Limits{WebSockets: some(int64(0))}, true); ok {
		t.Error("a WebSocket where none may be")
	}
	if _, _, ok := l.Take("acme", LimitsOf(&registry.RouteLimits{WebSockets: some(int64(0))}), false); !ok {
		t.Error("a limit of WebSockets holds other requests")
	}
	if _, _, ok := l.Take("acme", LimitsOf(nil), true); !ok {
		t.Error("without limits there is one")
	}
	if n, ws := l.Busy("acme"); n != 2 || ws != 1 {
		t.Errorf("%d requests and %d WebSockets are open", n, ws)
	}
	if n, _ := l.Busy("globex"); n != 0 {
		t.Errorf("%d requests of an org without any", n)
	}
}

// TestMeasuresCostNoAllocation: counting a known org's requests allocates nothing, with limits or without.
func TestMeasuresCostNoAllocation(t *testing.T) {
	m, err := newMeasures(1000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for name, most := range map[string]Limits{
		"none": {}, "all": {Rate: some(1e6), Burst: 1e6, Concurrency: some(int64(5)), WebSockets: some(int64(5))},
	} {
		f := func() {
			l := m.of("acme")
			if _, ok := l.take("acme", most, true); !ok {
				t.Error("refused")
			}
			l.give("acme", true)
		}
		f()
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
