package usage

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

type quotas struct{ q registry.Quota }

func (q quotas) Quota(context.Context, registry.Actor, registry.OrgID) (registry.Quota, error) {
	return q.q, nil
}

// TestQuotas: the gateway's counts stand beside the store's, and what nobody enforces says so.
func TestQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(&memory{}, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		for range 30 {
			Request(r, acme, 200, time.Millisecond)
		}
		time.Sleep(21 * time.Second) // time of the bubble
		synctest.Wait()
		two := 2.0
		items := []registry.QuotaItem{}
		for _, n := range registry.LimitNames() {
			items = append(items, registry.QuotaItem{Name: n, Limit: &two})
		}
		items[len(items)-1].Limit = nil // of the disk
		q := &Quotas{
			Store: quotas{q: registry.Quota{Items: items}}, Recorder: r,
			Busy: func(registry.OrgID) (int, int) { return 3, 1 },
			Use: func(_ context.Context, org registry.OrgID) map[registry.LimitName]float64 {
				return map[registry.LimitName]float64{registry.LimitDisk: float64(len(org)), registry.LimitRequests: 99}
			},
			Enforces: func(_ context.Context, org registry.OrgID) (func(registry.LimitName) bool, error) {
				return func(n registry.LimitName) bool { return org == acme && n == registry.LimitPIDs }, nil
			},
		}
		out, err := q.Show(ctx, registry.AsOperator(), acme)
		if err != nil {
			t.Fatal(err)
		}
		used := map[registry.LimitName]float64{
			registry.LimitRequests:    0.5,
			registry.LimitConcurrency: 3,
			registry.LimitWebSockets:  1,
			registry.LimitDisk:        float64(len(acme)),
		}
		for _, i := range out.Items {
			enforced := i.Limit != nil && i.Name != registry.LimitCPU &&
				i.Name != registry.LimitMemory
			if i.Enforced != enforced {
				t.Errorf("%s is enforced: %v", i.Name, i.Enforced)
			}
			switch want, counted := used[i.Name]; {
			case counted != (i.Used != nil):
				t.Errorf("%s is counted: %v", i.Name, i.Used)
			case counted && *i.Used != want:
				t.Errorf("%s: %v, want %v", i.Name, *i.Used, want)
			}
		}
		cancel()
		<-done
	})
}
