//go:build linux

package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// run runs a command of the test box as an instance with limits.
func (f *fixture) run(l registry.Limits, command ...string) {
	f.Helper()
	was := f.p.c.Command
	defer func() { f.p.c.Command = was }()
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

// TestGreedy: an instance takes no more than its limits and says so, and another org's is served all the
// while; also where users are mapped, and as root among those.
func TestGreedy(t *testing.T) {
	eachMapping(t, func(f *fixture) {
		answered := f.beside()
		for name, row := range map[string]struct {
			limits  registry.Limits
			command []string
			check   func(f *fixture)
		}{
			"memory": {registry.Limits{registry.LimitMemory: 64 << 20}, []string{"eat", "200"}, (*fixture).lacksMemory},
			"pids":   {registry.Limits{registry.LimitPIDs: 60}, []string{"breed", "100"}, (*fixture).lacksProcesses},
			"cpu":    {registry.Limits{registry.LimitCPU: 0.1}, []string{"burn", "2"}, (*fixture).isThrottled},
			"files":  {nil, []string{"open", strconv.Itoa(hoarders)}, (*fixture).lacksFiles},
		} {
			f.Run(name, func(t *testing.T) {
				before := answered()
				greedy := f.another(t)
				greedy.run(row.limits, append([]string{"/box"}, row.command...)...)
				row.check(greedy)
				greedy.eventually("the other org's instance has answered meanwhile", func() bool { return answered() > before || t.Failed() })
			})
		}
	})
}

// lacksMemory checks that it has ended, and says why.
func (f *fixture) lacksMemory() {
	f.Helper()
	if why := f.ended(); !strings.Contains(why, "more memory than its limit") {
		f.Error(why)
	}
}

// lacksProcesses checks that it has started some, and not all that it would.
func (f *fixture) lacksProcesses() {
	f.Helper()
	if log := f.logged("bred"); strings.Contains(log, "bred 100") || strings.Contains(log, "bred 0 ") {
		f.Error(log)
	}
}

// isThrottled waits until it is held to its processors, and the engine shows it.
func (f *fixture) isThrottled() {
	f.Helper()
	f.eventually("it is throttled", func() bool {
		r, err := f.e.Client.ContainerStats(f.Context(), f.p.containerName(f.ref(1)), client.ContainerStatsOptions{})
		if err != nil {
			f.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		var s container.StatsResponse
		return json.NewDecoder(r.Body).Decode(&s) == nil && s.CPUStats.ThrottlingData.ThrottledPeriods > 0
	})
}

// hoarders are how many processes of an instance open all the files that they may.
const hoarders = 3

// lacksFiles checks that each process has opened as many files as it may, which it cannot raise, and that
// neither the server nor a new instance lacks any.
func (f *fixture) lacksFiles() {
	f.Helper()
	var log string
	f.eventually("all have opened what they may", func() bool {
		log = f.logged("opened")
		return strings.Count(log, "opened") == hoarders
	})
	for line := range strings.Lines(log) {
		var n int64
		var raised bool
		if _, err := fmt.Sscanf(line, "opened %d, raised %t: too many open files", &n, &raised); err != nil || raised || n > files() || n < files()-20 {
			f.Errorf("of %d: %q: %v", files(), line, err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.TempDir(), "file"), nil, 0o600); err != nil {
		f.Error(err)
	}
	f.another(f.T).boot(1)
	if o, err := f.p.Observe(f.Context(), f.ref(1)); err != nil || !o.Running {
		f.Errorf("it has not kept them: %+v %v", o, err)
	}
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
