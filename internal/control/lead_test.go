package control

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// cutStore is a store whose leases can be out of reach.
type cutStore struct {
	registry.Store
	cut atomic.Bool
}

func (s *cutStore) AcquireLease(
	ctx context.Context, a registry.Actor, name registry.LeaseName, holder string, ttl time.Duration,
) (bool, error) {
	if s.cut.Load() {
		return false, context.DeadlineExceeded
	}
	return s.Store.AcquireLease(ctx, a, name, holder, ttl)
}

// TestOneLeads: of two processes over one store one does what is due. The other takes over when that
// ends, and when it loses the store: never while both do.
func TestOneLeads(t *testing.T) {
	path := sqlitetest.File(t)
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), path, new(identity.MasterKey), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		var leads [2]atomic.Bool
		var cut [2]*cutStore
		var stop [2]context.CancelFunc
		var done [2]chan struct{}
		for i := range leads {
			cut[i] = &cutStore{Store: store}
			c := &Control{store: cut[i], Config: Config{Log: slog.New(slog.DiscardHandler)}}
			var ctx context.Context
			ctx, stop[i] = context.WithCancel(t.Context())
			done[i] = make(chan struct{})
			go func() {
				defer close(done[i])
				c.lead(ctx, func(ctx context.Context) {
					if leads[1-i].Load() {
						t.Error("both lead")
					}
					leads[i].Store(true)
					<-ctx.Done()
					leads[i].Store(false)
				})
			}()
		}
		want := func(a, b bool, when string) {
			t.Helper()
			if leads[0].Load() != a || leads[1].Load() != b {
				t.Fatalf("%s: %v %v", when, leads[0].Load(), leads[1].Load())
			}
		}
		time.Sleep(10 * leaseLife) // time of the bubble
		first := 0
		if leads[1].Load() {
			first = 1
		}
		lead := func(i int, when string) { t.Helper(); want(i == 0, i == 1, when) }
		lead(first, "after a while")
		cut[first].cut.Store(true)
		time.Sleep(leaseLife + 2*leaseEvery) // time of the bubble
		lead(1-first, "when one lost the store")
		cut[first].cut.Store(false)
		time.Sleep(10 * leaseLife) // time of the bubble
		lead(1-first, "when it is back")
		stop[1-first]()
		<-done[1-first]
		time.Sleep(2 * leaseEvery) // time of the bubble
		lead(first, "when the other ended")
		stop[first]()
		<-done[first]
		want(false, false, "at the end")
	})
}
