package usage_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// TestHistory: what was counted is in every range once, before and after it is stored, and after a
// restart.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), sqlitetest.File(t), controltest.NewKey(t), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = store.Close() }()
		op := registry.AsOperator()
		var ids []registry.OrgID
		for _, slug := range []string{"acme", "globex"} {
			n := registry.NewOrg{Slug: slug, Name: slug}
			o, err := store.CreateOrg(t.Context(), op, n)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, o.ID)
		}
		var r *usage.Recorder
		run := func() (stop func()) {
			r = usage.New(store, slog.New(slog.DiscardHandler), time.Now)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); r.Run(ctx) }()
			return func() { cancel(); <-done }
		}
		pass := func(d time.Duration) {
			time.Sleep(d) // time of the bubble
			synctest.Wait()
		}
		check := func(when string, ranges ...usage.Range) {
			t.Helper()
			for _, over := range ranges {
				for org, want := range map[registry.OrgID][2]int64{ids[0]: {3, 1}, ids[1]: {1, 0},
					"": {4, 1}} {
					list, err := r.History(t.Context(), store, op, org, over)
					if err != nil {
						t.Fatal(err)
					}
					var got registry.Usage
					for i, p := range list {
						got = got.Plus(p.Usage)
						if i > 0 && p.At.Sub(list[i-1].At) != over.Step() {
							t.Fatalf("%s of %s: a step of %s", over, when, p.At.Sub(list[i-1].At))
						}
					}
					if got.Requests != want[0] || got.Errors != want[1] ||
						time.Since(list[len(list)-1].At) > 2*over.Step() {
						t.Errorf("%s, %s, %q: %d requests, %d errors", when, over, org,
							got.Requests, got.Errors)
					}
				}
			}
		}
		stop := run()
		pass(time.Minute)
		for _, status := range []int{200, 302, 500} {
			usage.Request(r, ids[0], status, 20*time.Millisecond)
		}
		usage.Request(r, ids[1], 200, time.Second)
		pass(time.Minute)
		check("not yet stored", usage.Hour, usage.Day, usage.Week)
		pass(20 * time.Minute)
		check("stored", usage.Hour, usage.Day, usage.Week)
		stop()
		stop = run()
		defer stop()
		pass(time.Minute)
		check("after a restart", usage.Day, usage.Week)
		pass(12 * time.Hour)
		check("half a day later", usage.Day, usage.Week)

		if _, err := r.History(t.Context(), store, op, "",
			"year"); registry.ErrorCode(err) != registry.CodeInvalid {
			t.Errorf("a range that is not: %v", err)
		}
		nobody := registry.AsUser(registry.User{ID: registry.UserID(registry.NewID())}, "", "")
		for org, want := range map[registry.OrgID]registry.Code{ids[0]: registry.CodeNotFound,
			"": registry.CodeForbidden} {
			for _, over := range []usage.Range{usage.Hour, usage.Day, usage.Week} {
				if _, err := r.History(t.Context(), store, nobody, org,
					over); registry.ErrorCode(err) != want {
					t.Errorf("%s of %q by a stranger: %v", over, org, err)
				}
			}
		}
	})
}
