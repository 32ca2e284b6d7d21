//go:build linux

package docker

import (
	"io"
	"strings"
	"testing"

	"encoding/json"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// run runs a command of the test box as an instance with limits.
func (f *fixture) run(l registry.Limits, command ...string) {
	f.Helper()
	f.p.c.Command = command
	if _, err := f.p.Ensure(f.Context(), provision.Spec{Ref: f.ref(1), Slug: "acme", Limits: l}); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) logged(text string) string {
	f.Helper()
	var got string
	f.eventually("its log holds "+text, func() bool {
		r, err := f.p.Logs(f.Context(), f.org, 1000, false)
		if err != nil {
			f.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		_ = r.Close()
		got = string(b)
		return strings.Contains(got, text)
	})
	return got
}

// ended waits until generation 1 has, and returns why.
func (f *fixture) ended() (why string) {
	f.Helper()
	f.eventually("it ends", func() bool {
		o, err := f.p.Observe(f.Context(), f.ref(1))
		why = o.Detail
		return err == nil && !o.Running
	})
	return why
}

// TestMemoryLimit: an instance that uses more memory than its limit ends, and says why.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	f.run(registry.Limits{registry.LimitMemory: 64 << 20}, "/box", "eat", "200")
	if why := f.ended(); !strings.Contains(why, "more memory than its limit") {
		t.Error(why)
	}
}

// TestPIDLimit: an instance does not start more processes than its limit.
func TestPIDLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	f.run(registry.Limits{registry.LimitPIDs: 60}, "/box", "breed", "100")
	if log := f.logged("bred"); strings.Contains(log, "bred 100") || strings.Contains(log, "bred 0 ") {
		t.Error(log)
	}
}

// TestCPULimit: an instance is held to its processors.
func TestCPULimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	f.run(registry.Limits{registry.LimitCPU: 0.1}, "/box", "burn", "2")
	f.eventually("it is throttled", func() bool {
		r, err := f.e.Client.ContainerStats(t.Context(), f.p.containerName(f.ref(1)), client.ContainerStatsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		var s container.StatsResponse
		return json.NewDecoder(r.Body).Decode(&s) == nil && s.CPUStats.ThrottlingData.ThrottledPeriods > 0
	})
}

// TestLimitChanges: the limits of an instance that runs change, and go.
func TestLimitChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dockertest.Shared(t, false))
	f.ensure(1)
	for _, l := range []registry.Limits{
		{registry.LimitMemory: 128 << 20, registry.LimitCPU: 0.5, registry.LimitPIDs: 100},
		{registry.LimitMemory: 256 << 20, registry.LimitCPU: 64},
		{}, {},
	} {
		if err := f.p.Limit(t.Context(), f.ref(1), l); err != nil {
			t.Fatal(err)
		}
		is, err := f.e.Client.ContainerInspect(t.Context(), f.p.containerName(f.ref(1)), client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h, want := is.Container.HostConfig, resources(l)
		if h.Memory != want.Memory || h.MemorySwap != want.MemorySwap || h.CPUQuota != want.CPUQuota || *h.PidsLimit != *want.PidsLimit {
			t.Errorf("%v: %+v", l, h.Resources)
		}
	}
	for _, name := range []registry.LimitName{registry.LimitMemory, registry.LimitCPU, registry.LimitPIDs} {
		if !f.p.Enforces(name) {
			t.Errorf("%s is not enforced", name)
		}
	}
	use := f.p.Use(f.ref(1))
	if use[registry.LimitMemory] < 1<<20 || use[registry.LimitPIDs] < 2 || len(use) != 2 { // agent and app
		t.Errorf("it uses %v", use)
	}
	if use := f.p.Use(f.ref(9)); len(use) > 0 {
		t.Errorf("an instance that does not run uses %v", use)
	}
	if f.p.Enforces(registry.LimitDisk) {
		t.Error("the disk is not limited")
	}
}
