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
			_, q, ok := l.Take(org, false)
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
				give, _, ok := l.Take("acme", false)
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
		if _, _, ok := l.Take("acme", false); !ok {
			t.Fatal("a place is lost")
		}
	}
	if _, _, ok := l.Take("acme", false); ok {
		t.Error("a fifth at once")
	}
	if _, _, ok := l.Take("globex", false); !ok {
		t.Error("one org's use is another's loss")
	}
}

// TestWebSocketsAreLimited: apart from other requests, and what a refused one took of another limit is given back.
func TestWebSocketsAreLimited(t *testing.T) {
	l, err := NewLimiter(Limits{Concurrency: 3, WebSockets: 1}, 10, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	first, _, ok := l.Take("acme", true)
	if !ok {
		t.Fatal("the first WebSocket is refused")
	}
	for range 5 {
		if _, _, ok := l.Take("acme", true); ok {
			t.Fatal("a second WebSocket is let in")
		}
	}
	var open []func()
	for range 2 { // the refused ones hold no place among all requests
		give, _, ok := l.Take("acme", false)
		if !ok {
			t.Fatal("a request is refused")
		}
		open = append(open, give)
	}
	if _, _, ok := l.Take("acme", false); ok {
		t.Error("a fourth request is let in")
	}
	if _, _, ok := l.Take("globex", true); !ok {
		t.Error("another org's WebSocket is refused")
	}
	first()
	for _, give := range open {
		give()
	}
	if _, _, ok := l.Take("acme", true); !ok {
		t.Error("a place that was given back is not free")
	}
}
