package edge

import (
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestYoungSessionsGetNewAssertions: an agent that was told of a change refuses what was issued before,
// so a session that the change made new is not given the same assertion for a minute.
func TestYoungSessionsGetNewAssertions(t *testing.T) {
	f := newFixture(t)
	s, err := f.g.verified(f.token, f.org.ID)
	if err != nil {
		t.Fatal(err)
	}
	route := &registry.Route{OrgID: f.org.ID, Slug: "acme"}
	get := func() string {
		t.Helper()
		tok, err := f.g.assertionFor(s, route)
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	first := get()
	if get() != first {
		t.Error("each request has a new one")
	}
	f.clock = f.clock.Add(youngReuse)
	if get() == first {
		t.Error("a young session keeps its first one")
	}
	f.clock = f.clock.Add(youngSession)
	old := get()
	f.clock = f.clock.Add(59 * time.Second)
	if get() != old {
		t.Error("an older session has a new one within a minute")
	}
	f.clock = f.clock.Add(time.Second)
	if get() == old {
		t.Error("it is kept for more than a minute")
	}
}
