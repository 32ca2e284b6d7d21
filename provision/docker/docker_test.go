//go:build linux

package docker

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/providertest"
	"github.com/pizzaface/pizzeria/registry"
)

func TestMain(m *testing.M) { dockertest.Main(m) }

// fixture is a provider on an engine, and an org.
type fixture struct {
	*testing.T
	e   *dockertest.Engine
	p   *Provider
	org registry.OrgID
}

// config is that of a provider on an engine, with a data directory of its own.
func config(t *testing.T, e *dockertest.Engine) Config {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return Config{
		Dir: dir, Host: e.Host, Image: e.Import(t), Agent: []string{dockertest.Program(t, "cmd/agent")},
		Grace: time.Second, Pull: PullNever,
	}
}

func open(t *testing.T, c Config) *Provider {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newFixture(t *testing.T, e *dockertest.Engine, change ...func(*Config)) *fixture {
	t.Helper()
	c := config(t, e)
	for _, f := range change {
		f(&c)
	}
	p, _ := open(t, c).For(registry.InstallationID(registry.NewID())).(*Provider)
	f := &fixture{t, e, p, registry.OrgID(registry.NewID())}
	t.Cleanup(func() { _ = p.Stop(context.Background(), f.org, 1<<40) })
	return f
}

func (f *fixture) ref(generation int64) provision.Ref {
	return provision.Ref{OrgID: f.org, Generation: generation}
}

func (f *fixture) ensure(generation int64) provision.Observed {
	f.Helper()
	o, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(generation), Slug: "acme"})
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// eventually waits until something happens in another process.
func (f *fixture) eventually(what string, is func() bool) {
	f.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond) // other processes take their time
	}
	f.Fatalf("it never happened that %s", what)
}

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
