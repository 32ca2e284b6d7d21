//go:build linux || darwin

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/provision"
)

// TestInstallation: the first installation that lists an instance of an earlier version has it from
// then on, and another one is told what to do.
func TestInstallation(t *testing.T) {
	f := newFixture(t)
	first := f.boot(1)
	if err := os.Remove(filepath.Join(f.p.runDir(f.ref(1)), installationFile)); err != nil {
		t.Fatal(err)
	}
	ours, theirs := f.p.For("ours"), f.p.For("theirs")
	if seen, err := ours.List(t.Context()); err != nil || len(seen) != 1 || seen[0].Foreign != "" {
		t.Fatalf("not adopted: %+v %v", seen, err)
	}
	if seen, err := theirs.List(t.Context()); err != nil || len(seen) != 1 || seen[0].Foreign != "ours" {
		t.Errorf("the other installation sees %+v %v", seen, err)
	}
	_, ensured := theirs.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)})
	for what, err := range map[string]error{
		"Ensure": ensured, "Stop": theirs.Stop(t.Context(), f.org, 1),
		"Stop of a later one": theirs.Stop(t.Context(), f.org, 2),
	} {
		if err == nil || !strings.Contains(err.Error(), "put the database of that installation back") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if o, err := theirs.Observe(t.Context(), f.ref(1)); err != nil || o.Running || o.Detail == "" {
		t.Errorf("observed: %+v %v", o, err)
	}
	if !alive(first.PID) {
		t.Fatal("it was stopped")
	}
	if err := ours.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	if alive(first.PID) {
		t.Error("it still runs")
	}
}

// TestInstallationLeavesTheDead: what is left of another installation's instance is neither listed
// nor removed.
func TestInstallationLeavesTheDead(t *testing.T) {
	f := newFixture(t)
	f.boot(1)
	ours, theirs := f.p.For("ours"), f.p.For("theirs")
	if _, err := ours.List(t.Context()); err != nil { // adopts it
		t.Fatal(err)
	}
	dir := f.p.runDir(f.ref(1))
	killShim(dir)
	f.eventually("it has ended", func() bool { return !held(dir) })
	if err := theirs.Stop(t.Context(), f.org, 1); err != nil {
		t.Error(err)
	}
	if seen, err := theirs.List(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("%+v %v", seen, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
