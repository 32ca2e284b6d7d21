// Package providertest holds the rules that every provider must keep, as tests
// against the real thing.
package providertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// RunTests runs the suite. open returns a provider that runs Instance; called
// again in one test, it returns another on the same world, as after a restart.
func RunTests(t *testing.T, open func(t *testing.T) func() provision.Provider) {
	for name, test := range map[string]func(*env){
		"EnsureIsIdempotent": ensureIsIdempotent, "AdoptsWhatRuns": adoptsWhatRuns, "StopKeepsData": stopKeepsData, "StopSparesOthers": stopSparesOthers,
		"StopIsIdempotent": stopIsIdempotent, "EnvironmentIsClean": environmentIsClean, "SaysWhyItEnded": saysWhyItEnded, "GraceThenForce": graceThenForce,
		"AddressesAreUnique": addressesAreUnique, "EnsureSparesNewer": ensureSparesNewer, "KeepsItsConfiguration": keepsItsConfiguration,
		"ListObserves": listObserves, "TellsWhatEnds": tellsWhatEnds,
		"SparesOtherInstallations": sparesOtherInstallations, "ShowsKeys": showsKeys,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, anew := registry.InstallationID(registry.NewID()), open(t)
			e := &env{
				T: t, again: func() provision.Provider { return anew().For(id) },
				elsewhere: func() provision.Provider {
					return anew().For(registry.InstallationID(registry.NewID()))
				},
			}
			e.p = e.again()
			test(e)
		})
	}
}

func ensureIsIdempotent(e *env) {
	org := e.org()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := e.again().Ensure(ctx, spec(org, 1)); err != nil {
				e.Errorf("Ensure beside others: %v", err)
			}
		})
	}
	wg.Wait()
	o := e.ensure(org, 1)
	first := e.boot(o)
	if again := e.boot(e.ensure(org, 1)); again.ID != first.ID {
		e.Error("Ensure started another one")
	}
	if gens := e.running(org); !slices.Equal(gens, []int64{1}) {
		e.Errorf("runs: %v", gens)
	}
}

func adoptsWhatRuns(e *env) {
	org := e.org()
	first := e.boot(e.ensure(org, 1))
	e.p = e.again()
	o, err := e.p.Observe(ctx, provision.Ref{OrgID: org, Generation: 1})
	if err != nil || !o.Running {
		e.Fatalf("after a restart: %+v %v", o, err)
	}
	if e.boot(o).ID != first.ID || e.boot(e.ensure(org, 1)).ID != first.ID {
		e.Error("it was not adopted")
	}
}

func stopKeepsData(e *env) {
	org := e.org()
	e.call(e.ensure(org, 1), "POST", "/file", "basil")
	e.stop(org, 1)
	if o, err := e.p.Observe(ctx, provision.Ref{OrgID: org, Generation: 1}); err != nil || o.Running {
		e.Fatalf("after Stop: %+v %v", o, err)
	}
	if got := e.call(e.ensure(org, 2), "GET", "/file", ""); got != "basil" {
		e.Errorf("the next generation finds %q", got)
	}
}

func stopSparesOthers(e *env) {
	acme, globex := e.org(), e.org()
	e.ensure(acme, 1)
	second := e.boot(e.ensure(acme, 2))
	other := e.boot(e.ensure(globex, 1))
	e.stop(acme, 1)
	if gens := e.running(acme); !slices.Equal(gens, []int64{2}) {
		e.Errorf("acme runs %v, want the second generation alone", gens)
	}
	if e.boot(e.ensure(acme, 2)).ID != second.ID || e.boot(e.ensure(globex, 1)).ID != other.ID {
		e.Error("Stop touched what is not its own")
	}
}

// ensureSparesNewer: who has lost a lease without knowing starts nothing beside what came after it.
func ensureSparesNewer(e *env) {
	org := e.org()
	second := e.boot(e.ensure(org, 2))
	if o, err := e.p.Ensure(ctx, spec(org, 1)); err == nil {
		e.Errorf("an older generation was started: %+v", o)
	}
	if gens := e.running(org); !slices.Equal(gens, []int64{2}) {
		e.Errorf("runs: %v", gens)
	}
	if e.boot(e.ensure(org, 2)).ID != second.ID {
		e.Error("the newer one was touched")
	}
	e.stop(org, 2)
	e.ensure(org, 1) // what has ended is in nobody's way
}

func stopIsIdempotent(e *env) {
	org := e.org()
	e.stop(org, 5)
	e.ensure(org, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := e.p.Stop(ctx, org, 5); err != nil {
				e.Errorf("Stop beside others: %v", err)
			}
		})
	}
	wg.Wait()
	e.stop(org, 5)
	if gens := e.running(org); len(gens) != 0 {
		e.Errorf("runs: %v", gens)
	}
}

// listObserves: what List says of an instance is what Observe does.
func listObserves(e *env) {
	org := e.org()
	s := spec(org, 1)
	s.Configuration = "first"
	o, err := e.p.Ensure(ctx, s)
	if err != nil {
		e.Fatal(err)
	}
	seen, err := e.again().List(ctx)
	if err != nil {
		e.Fatal(err)
	}
	i := slices.IndexFunc(seen, func(s provision.Seen) bool { return s.OrgID == org })
	if i < 0 || seen[i] != (provision.Seen{Ref: s.Ref, Observed: o}) {
		e.Errorf("List says %+v, and Ensure said %+v", seen, o)
	}
}

// tellsWhatEnds: a provider that is a provision.Watcher tells when an instance ends by itself: one
// that ran before anybody watched, one that was started since, and one that was started again.
func tellsWhatEnds(e *env) {
	w, ok := e.p.(provision.Watcher)
	if !ok {
		e.Skip("it does not tell")
	}
	before, since := e.org(), e.org()
	o := e.ensure(before, 1)
	told := make(chan provision.Ref, 100)
	watching, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- w.Watch(watching, func(r provision.Ref) {
			select {
			case told <- r:
			default: // nobody listens any more
			}
		})
	}()
	end := func(org registry.OrgID, o provision.Observed) {
		e.Helper()
		e.crash(o)
		for late := time.After(time.Minute); ; {
			select {
			case r := <-told:
				if r.OrgID != org {
					continue
				}
				if now, err := e.p.Observe(ctx, r); err == nil && !now.Running {
					return
				}
			case <-late:
				e.Fatalf("nobody tells of the end of %s", org)
			}
		}
	}
	end(before, o)
	end(since, e.ensure(since, 1))
	end(before, e.ensure(before, 1))
	stop()
	if err := <-done; err != nil {
		e.Errorf("at the end: %v", err)
	}
}

func environmentIsClean(e *env) {
	b := e.boot(e.ensure(e.org(), 1, "WANTED"))
	names := map[string]bool{}
	for _, v := range b.Env {
		name, _, _ := strings.Cut(v, "=")
		names[name] = true
	}
	for _, name := range []string{"WANTED", "PIZZERIA_ORG_ID", "PIZZERIA_LISTEN", "PIZZERIA_DATA_DIR"} {
		if !names[name] {
			e.Errorf("%s is missing", name)
		}
	}
	for name := range names {
		if name != "WANTED" && !strings.HasPrefix(name, "PIZZERIA_") && !slices.Contains([]string{"PATH", "HOME", "LANG", "PORT", "TMPDIR", "HOSTNAME"}, name) {
			e.Errorf("the environment of the server leaks %s", name)
		}
	}
}

func saysWhyItEnded(e *env) {
	org := e.org()
	ref := provision.Ref{OrgID: org, Generation: 1}
	_, err := e.p.Ensure(ctx, spec(org, 1, FailAtOnce))
	e.ended(ref, err, "3")
	crashed := provision.Ref{OrgID: org, Generation: 2}
	o := e.ensure(org, 2)
	e.crash(o)
	e.ended(crashed, nil, "7")
	first := e.boot(e.ensure(org, 2))
	if first.ID == "" {
		e.Error("it does not come up again")
	}
}

// ended waits until an instance is seen not to run, with the reason, unless Ensure said it.
func (e *env) ended(r provision.Ref, err error, reason string) {
	e.Helper()
	if err != nil {
		if !strings.Contains(err.Error(), reason) {
			e.Errorf("the error does not say why: %v", err)
		}
		return
	}
	var o provision.Observed
	for range 400 {
		if o, err = e.p.Observe(ctx, r); err == nil && !o.Running {
			if !strings.Contains(o.Detail, reason) {
				e.Errorf("the detail does not say why: %q", o.Detail)
			}
			return
		}
		time.Sleep(25 * time.Millisecond) // the instance is a process of its own
	}
	e.Fatalf("it still runs: %+v %v", o, err)
}

func graceThenForce(e *env) {
	org := e.org()
	e.ensure(org, 1, Stubborn)
	began := time.Now()
	e.stop(org, 1)
	if took := time.Since(began); took < e.p.Grace() {
		e.Errorf("it was killed after %s, before its grace of %s", took, e.p.Grace())
	}
	if gens := e.running(org); len(gens) != 0 {
		e.Errorf("runs: %v", gens)
	}
}

func addressesAreUnique(e *env) {
	acme, globex := e.org(), e.org()
	seen := map[string]bool{}
	for _, o := range []provision.Observed{e.ensure(acme, 1), e.ensure(acme, 2), e.ensure(globex, 1)} {
		if seen[o.Address] {
			e.Errorf("%s is used twice", o.Address)
		}
		seen[o.Address] = true
	}
	if strings.TrimSpace(e.p.Isolation()) == "" {
		e.Error("nothing is said of isolation")
	}
}
