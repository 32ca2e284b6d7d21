//go:build linux

package docker

import (
	"testing"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/providertest"
)

func TestMain(m *testing.M) { dockertest.Main(m) }

// TestConformance: also where the users of containers are mapped to others, and where instances are
// root among those.
func TestConformance(t *testing.T) {
	for name, row := range map[string]struct{ remap, root bool }{
		"plain": {}, "remap": {true, false}, "root": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := dockertest.Shared(t, row.remap)
			providertest.RunTests(t, func(t *testing.T) func() provision.Provider {
				c := config(t, e)
				c.Root = row.root
				return func() provision.Provider { return open(t, c) }
			})
		})
	}
}
