package control

import (
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestRefusalsOfAWhile: requests are refused for a while when some are in every look for a minute,
// and are not any more when none was for ten; a restart does not make it look like that.
func TestRefusalsOfAWhile(t *testing.T) {
	now := time.Unix(1e9, 0)
	f := newRefusals(now)
	look := func(n int) {
		now = now.Add(quotaEvery)
		counts := map[registry.OrgID]int{}
		if n > 0 {
			counts["acme"] = n
		}
		f.count(now, counts)
	}
	want := func(r registry.Refused) {
		t.Helper()
		if got := f.of(now)("acme"); got != r {
			t.Errorf("%d, want %d", got, r)
		}
	}
	want(registry.RefusedSome) // nobody knows yet
	for range 6 {
		look(1)
		want(registry.RefusedSome)
	}
	look(1)
	want(registry.RefusedLong)
	look(0)
	want(registry.RefusedLong) // a pause of one look is none
	for range 5 {
		look(0)
	}
	look(3) // they begin anew
	want(registry.RefusedSome)
	for range 60 {
		look(0)
	}
	want(registry.RefusedSome)
	look(0)
	want(registry.RefusedNone)
	f = newRefusals(now)
	look(0)
	want(registry.RefusedSome)
}
