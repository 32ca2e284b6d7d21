package gateway

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
	l, err := NewLimiter(Limits{Rate: 2, Burst: 3}, 10, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(org registry.OrgID) (n int) {
		for {
			_, q, ok := l.Take(org)
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

	if l, err = NewLimiter(Limits{Concurrency: 4}, 10, time.Now); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var at, most, refused atomic.Int64
	for range 64 {
		wg.Go(func() {
			for range 200 {
				give, _, ok := l.Take("acme")
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
		if _, _, ok := l.Take("acme"); !ok {
			t.Fatal("a place is lost")
		}
	}
	if _, _, ok := l.Take("acme"); ok {
		t.Error("a fifth at once")
	}
	if _, _, ok := l.Take("globex"); !ok {
		t.Error("one org's use is another's loss")
	}
}
