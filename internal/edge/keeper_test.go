package edge

import (
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestKeeperOfPlans: a change of a plan changes routes that it does not name, so the copy is made
// anew.
func TestKeeperOfPlans(t *testing.T) {
	k := &keeper{wake: make(chan struct{}, 1)}
	k.Apply(registry.Change{Kind: registry.ChangeOrgUpdated, Slug: "acme"})
	if k.all {
		t.Error("made anew for one org")
	}
	k.Apply(registry.Change{Kind: registry.ChangePlanUpdated})
	if !k.all {
		t.Error("the copy keeps the limits of before")
	}
}
