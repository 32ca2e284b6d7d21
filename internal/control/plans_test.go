package control

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestPlansOfNodes: a node that starts again with the plans of before does not put them in the place of
// another one's newer ones. A reload does.
func TestPlansOfNodes(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	older, newer := []registry.Plan{{Name: "team"}}, []registry.Plan{{Name: "team"}, {Name: "large"}}
	var tunables *Tunables
	configure := func(c *Control, list []registry.Plan, want int) {
		t.Helper()
		tunables = &Tunables{Plans: list}
		if err := c.configurePlans(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have, err := store.Plans(t.Context(), registry.AsOperator()); err != nil || len(have) != want {
			t.Errorf("%+v %v, want %d", have, err, want)
		}
	}
	started := func(node string) *Control {
		return &Control{store: store, Config: Config{Node: node, Tunables: func() *Tunables { return tunables }}}
	}
	configure(started("a"), older, 1)
	configure(started("b"), newer, 2)
	a := started("a")
	configure(a, older, 2)
	configure(a, older, 1)
	configure(started("b"), newer, 1)
	configure(started(""), newer, 2)
}
