//go:build linux

package docker

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client/pkg/versions"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// harmless are files that containers show of the kernel, and of their own control group.
var harmless = []string{"/sys/kernel", "/sys/fs/cgroup"}

// known reports what an attack gets that gives nothing, or that the guide tells of.
func (f *fixture) known(a intruder.Finding) bool {
	switch {
	case slices.Contains(harmless, a.Target):
		return true
	case a.Target == "io_uring_setup": // Docker's own profile refuses it since version 25
		return versions.LessThan(f.e.Client.ClientVersion(), "1.44")
	case f.p.c.Root: // it is root already
		return a.Target == "change the user" || a.Target == "change the group"
	}
	return false
}

// TestIntruder: an instance reaches no other, nor the server, nor the machine; as the org's user, and
// as root of mapped users. What is tried works where nothing is isolated.
func TestIntruder(t *testing.T) {
	for name, row := range map[string]struct{ remap, root bool }{
		"plain": {}, "remap": {true, false}, "root": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, dockertest.Shared(t, row.remap), func(c *Config) { c.Root = row.root })
			f.ensure(1)
			victim := provision.Ref{OrgID: registry.OrgID(registry.NewID()), Generation: 1}
			t.Cleanup(func() { _ = f.p.Stop(context.Background(), victim.OrgID, 1<<40) })
			if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: victim, Slug: "globex"}); err != nil {
				t.Fatal(err)
			}
			found, err := f.p.Intrude(t.Context(), f.ref(1), victim)
			if err != nil || len(found) < 50 {
				t.Fatalf("%d tries, %v", len(found), err)
			}
			for _, a := range found {
				if !a.Held() && !f.known(a) {
					t.Errorf("%s %s: %s", a.Attack, a.Target, a.Got)
				}
			}
			targets, err := json.Marshal(f.p.targets(resolved{volumes: []string{t.TempDir()}}, victim))
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(f.p.c.Agent[0], "intruder", string(targets)).Output() //nolint:gosec // a test's
			var got []intruder.Finding
			if err != nil || json.Unmarshal(out, &got) != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range []string{"connect to a socket", "open a file", "write to a file", "signal a process"} {
				if !slices.ContainsFunc(got, func(a intruder.Finding) bool {
					return a.Attack == want && !a.Held() && (want == "signal a process" || strings.Contains(a.Target, baseName(victim)) || strings.Contains(a.Target, string(victim.OrgID)))
				}) {
					t.Errorf("it does not work even without isolation: %s", want)
				}
			}
		})
	}
}
