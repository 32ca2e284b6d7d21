package edge

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

type fakeSource struct {
	calls atomic.Int64
	fail  atomic.Bool
	slow  chan struct{}
	mu    sync.Mutex
	gen   int64
}

func (f *fakeSource) Route(_ context.Context, slug string) (*registry.Route, error) {
	f.calls.Add(1)
	f.mu.Lock()
	gen := f.gen
	f.mu.Unlock()
	if f.slow != nil {
		<-f.slow
	}
	if f.fail.Load() {
		return nil, errors.New("away")
	}
	if len(slug) > 6 {
		return nil, errUnknownSlug(slug)
	}
	return &registry.Route{Slug: slug, Status: registry.RouteServing, Generation: gen}, nil
}

func newTestDirectory(t *testing.T, f *fakeSource) *Directory {
	t.Helper()
	d, err := NewDirectory(f, nil, 100, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestKnownRoutesNeedNoSource: what is known is served while the source is away; what is not, is an error and no guess.
func TestKnownRoutesNeedNoSource(t *testing.T) {
	f := &fakeSource{}
	d := newTestDirectory(t, f)
	if _, err := d.Lookup(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	f.fail.Store(true)
	if _, err := d.Lookup(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lookup(t.Context(), "other"); err == nil || registry.ErrorCode(err) == registry.CodeNotFound {
		t.Fatalf("got %v", err)
	}
	d.Apply(registry.Change{Slug: "acme"})
	if _, err := d.Lookup(t.Context(), "acme"); err == nil {
		t.Fatal("a changed route was served from memory")
	}
}

// TestUnknownFlood: a flood of unknown slugs is bounded and does not evict orgs.
func TestUnknownFlood(t *testing.T) {
	f := &fakeSource{}
	d := newTestDirectory(t, f)
	if _, err := d.Lookup(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		if _, err := d.Lookup(t.Context(), fmt.Sprintf("unknown%d", i)); registry.ErrorCode(err) != registry.CodeNotFound {
			t.Fatal(err)
		}
	}
	before := f.calls.Load()
	_, _ = d.Lookup(t.Context(), "unknown9999")
	if _, err := d.Lookup(t.Context(), "acme"); err != nil || f.calls.Load() != before {
		t.Fatalf("%v, %d calls more", err, f.calls.Load()-before)
	}
	if routes, unknown := d.Len(); routes != 1 || unknown > 100 {
		t.Fatalf("%d routes, %d unknown", routes, unknown)
	}
}

// TestSingleFlightAndNoStaleFill: many who ask at once cause one load, and a
// load that a change overtook is not remembered.
func TestSingleFlightAndNoStaleFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSource{slow: make(chan struct{})}
		d := newTestDirectory(t, f)
		for range 50 {
			go func() { _, _ = d.Lookup(context.Background(), "acme") }()
		}
		synctest.Wait()
		if n := f.calls.Load(); n != 1 {
			t.Fatalf("%d loads", n)
		}
		f.mu.Lock()
		f.gen = 2
		f.mu.Unlock()
		d.Apply(registry.Change{Slug: "acme"})
		close(f.slow)
		synctest.Wait()
		r, err := d.Lookup(context.Background(), "acme")
		if err != nil || r.Generation != 2 {
			t.Fatalf("%+v %v", r, err)
		}
	})
}

// TestCopyWhileTheSourceIsAway: a copy answers for routes that are not remembered; the source is asked again
// soon, and what the copy said does not outlast it.
func TestCopyWhileTheSourceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, copied := &fakeSource{gen: 2}, &fakeSource{gen: 1}
		d, err := NewDirectory(source, copied, 100, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		generation := func(want int64) {
			t.Helper()
			if r, err := d.Lookup(t.Context(), "acme"); err != nil || r.Generation != want {
				t.Fatalf("got %+v %v, want generation %d", r, err, want)
			}
		}
		source.fail.Store(true)
		generation(1)
		if _, err := d.Lookup(t.Context(), "other"); err != nil || source.calls.Load() != 1 {
			t.Fatalf("the source was asked %d times within moments: %v", source.calls.Load(), err)
		}
		if _, err := d.Lookup(t.Context(), "unknown-to-both"); err == nil || registry.ErrorCode(err) == registry.CodeNotFound {
			t.Fatalf("got %v: with the source away nobody knows that it is not there", err)
		}
		time.Sleep(copiedLife) // time of the bubble
		generation(1)
		source.fail.Store(false)
		time.Sleep(copiedLife) // time of the bubble
		generation(2)
	})
}

// BenchmarkCachedOrg: what an org takes in memory once it was visited.
func BenchmarkCachedOrg(b *testing.B) {
	const orgs = 100_000
	for b.Loop() {
		d, err := NewDirectory(manyOrgs{}, nil, orgs, time.Now)
		if err != nil {
			b.Fatal(err)
		}
		heap := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		for i := range orgs {
			if _, err := d.Lookup(b.Context(), fmt.Sprintf("org-number-%d", i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/orgs, "bytes/org")
		if n, _ := d.Len(); n != orgs {
			b.Fatalf("%d orgs are remembered", n)
		}
	}
}

// manyOrgs makes routes as a store does: nothing in them is shared.
type manyOrgs struct{}

func (manyOrgs) Route(_ context.Context, slug string) (*registry.Route, error) {
	id := registry.NewID()
	return &registry.Route{
		OrgID: registry.OrgID(id), Slug: slug, Name: strings.Clone("The organization " + slug), Plan: strings.Clone("standard"), Status: registry.RouteStatus(strings.Clone(string(registry.RouteServing))),
		Generation: 3, Address: "unix//var/lib/pizzeria/data/run/" + id + "-3/app.sock",
	}, nil
}

// TestPlansForgetRoutes: a change of a plan makes every route doubtful.
func TestPlansForgetRoutes(t *testing.T) {
	for _, kind := range []registry.ChangeKind{registry.ChangePlanCreated, registry.ChangePlanUpdated, registry.ChangePlanDeleted} {
		f := &fakeSource{}
		d := newTestDirectory(t, f)
		if _, err := d.Lookup(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		d.Apply(registry.Change{Kind: kind})
		before := f.calls.Load()
		if _, err := d.Lookup(t.Context(), "acme"); err != nil || f.calls.Load() != before+1 {
			t.Errorf("%s: a route was served from memory (%v)", kind, err)
		}
	}
}
