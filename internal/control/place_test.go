package control

import (
	"errors"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// onlyHere is a provider whose instances are on this machine.
type onlyHere struct{ provision.Provider }

func (p onlyHere) For(registry.InstallationID) provision.Provider { return p }

// TestPlaces: a node starts no instances that are elsewhere, also where a server was the only one before.
func TestPlaces(t *testing.T) {
	w := &world{t, sqlitetest.File(t), time.Now()}
	here, there := t.TempDir(), t.TempDir()
	check := func(node, dir string) error {
		c := w.node(node, registry.Open{})
		c.DataDir = dir
		c.installation.Store(new(registry.InstallationID))
		set, err := provision.NewProviders(provision.Named{Name: "process", Provider: onlyHere{}})
		if err != nil {
			t.Fatal(err)
		}
		c.Tunables = func() *Tunables { return &Tunables{Providers: set} }
		return c.checkPlaces(t.Context())
	}
	for _, step := range []struct {
		node, dir string
		want      error
	}{
		{"", here, nil}, {"a", there, ErrPlace}, {"a", here, nil}, {"b", here, nil}, {"b", there, ErrPlace},
		{"", there, nil}, {"a", here, ErrPlace}, {"a", there, nil},
	} {
		if err := check(step.node, step.dir); !errors.Is(err, step.want) {
			t.Errorf("%+v: %v", step, err)
		}
	}
}
