package edge

import (
	"context"
	"testing"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// ownKeys are those that a gateway goes by.
type ownKeys []registry.Key

func (ownKeys) Refresh(context.Context) error { return nil }
func (ownKeys) UseKeys([]registry.Key) error  { return nil }
func (k ownKeys) SealedKeys() []registry.Key  { return k }

// TestKeeperOfOneDatabase: a snapshot is of this database when it has a key of its sessions. That it
// has the gateway's own keys says nothing.
func TestKeeperOfOneDatabase(t *testing.T) {
	session := registry.Key{ID: "s", Purpose: token.RingSession}
	own := registry.Key{ID: "a", Purpose: token.RingAssertion}
	k := &keeper{keys: ownKeys{session, own}}
	for name, c := range map[string]struct {
		keys []registry.Key
		ours bool
	}{
		"the same":           {[]registry.Key{own, session}, true},
		"after a rotation":   {[]registry.Key{session, {ID: "old", Purpose: token.RingSession}}, true},
		"another database's": {[]registry.Key{own, {ID: "other", Purpose: token.RingSession}}, false},
		"empty":              {nil, false},
	} {
		if k.ours(c.keys) != c.ours {
			t.Errorf("%s: %v", name, !c.ours)
		}
	}
}

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
