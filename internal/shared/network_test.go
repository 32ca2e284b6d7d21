package shared_test

import (
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/proxytest"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/shared"
)

// TestNetwork: whatever happens on the way to Redis, no request waits for it, limits hold on after it,
// and what nodes tell each other arrives again.
func TestNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*proxytest.Proxy)
		mends  func(*proxytest.Proxy)
		away   bool // until it is mended
	}{
		"slow":          {func(p *proxytest.Proxy) { p.Delay(10 * time.Millisecond) }, func(p *proxytest.Proxy) { p.Delay(0) }, false},
		"much too slow": {func(p *proxytest.Proxy) { p.Delay(2 * time.Second) }, func(p *proxytest.Proxy) { p.Delay(0) }, true},
		"stalled":       {(*proxytest.Proxy).Stall, (*proxytest.Proxy).Forward, true},
		"parted":        {(*proxytest.Proxy).Part, (*proxytest.Proxy).Forward, true},
		"reset":         {(*proxytest.Proxy).Cut, (*proxytest.Proxy).Forward, false},
		"refused":       {(*proxytest.Proxy).Refuse, (*proxytest.Proxy).Forward, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			network, url := redistest.NewProxy(t, s)
			var heard ear
			near := newNode(t, &shared.Config{URL: s.URL()}, new(identity.MasterKey))
			far := newListener(t, &shared.Config{URL: url}, new(identity.MasterKey), heard.hear)
			near.answers(true)
			far.answers(true)
			stage := []identity.Bucket{bucket(&identity.Limit{Name: "test/hour", Every: time.Hour, Burst: 5}, "x")}
			if n := far.taken(2, stage) + near.taken(1, stage); n != 3 {
				t.Fatalf("%d of 3 passed", n)
			}
			heard.hears(near, 1)
			c.breaks(network)
			if c.away {
				far.eventually("away", far.Away)
				asked := far.asked()
				for range 10 {
					if _, err := far.Limiter().Take(t.Context(), stage); err == nil {
						t.Error("it was taken")
					}
				}
				if far.asked() != asked {
					t.Error("requests ask a Redis that is away")
				}
			} else {
				far.answers(true)
			}
			if n := near.taken(1, stage); n != 1 { // those who reach it go on
				t.Error("the other node was refused")
			}
			c.mends(network)
			far.answers(true)
			heard.hears(near, 2)
			near.left(1, stage[0])
			if n := far.taken(3, stage); n != 1 {
				t.Errorf("%d of 3 passed after it, want 1", n)
			}
		})
	}
}
