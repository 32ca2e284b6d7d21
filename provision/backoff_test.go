package provision

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// gaps are the times between starts.
func gaps(at []time.Duration) (out []time.Duration) {
	for i := 1; i < len(at); i++ {
		out = append(out, at[i]-at[i-1])
	}
	return out
}

// TestBackOff: what fails is tried again after 1 s, doubled up to a minute, and
// the reports of that, which come back by the change feed, do not shorten it.
func TestBackOff(t *testing.T) {
	s := time.Second
	start := []time.Duration{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}
	crash := []time.Duration{0, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}
	for name, c := range map[string]struct {
		boot instance
		want []time.Duration // the wait before each further start, on top of the last one's life
		off  time.Duration   // how late a start may come: an end is seen within the resync
	}{
		"it cannot be created":    {instance{refused: true}, start, s / 10},
		"it ends while it starts": {instance{deaf: true, lives: s / 10}, start, s / 10},
		"it is healthy for 2 s":   {instance{lives: 2 * s}, crash, resync + s/10},
		"it is healthy for 55 s":  {instance{lives: 55 * s}, crash, resync + s/10},
		"it is healthy for long":  {instance{lives: 65 * s}, make([]time.Duration, 5), resync + s/10},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(e *env) {
				e.w.boot = func(Ref, int) instance { return c.boot }
				began := time.Now()
				org := e.org("acme")
				var failures tally
				stop := e.run(failures.into)
				total := time.Duration(0)
				for _, w := range c.want {
					total += w + c.boot.lives + c.off
				}
				pass(total)
				stop()
				got := gaps(e.w.spawned(org, began))
				if len(got) < len(c.want) {
					e.Fatalf("only %d starts: %v", len(got)+1, got)
				}
				for i, w := range c.want {
					if least := w + c.boot.lives; got[i] < least || got[i] > least+c.off {
						e.Errorf("start %d came after %s, want %s: %v", i+2, got[i], least, got)
					}
				}
				if failures.of(FailureStart)+failures.of(FailureCrash) < len(c.want) {
					e.Errorf("counted: %v", failures.n)
				}
			})
		})
	}
}

// TestFailedIsShown: between and during attempts the state is failed, with the reason.
func TestFailedIsShown(t *testing.T) {
	bubble(t, func(e *env) {
		e.w.boot = func(Ref, int) instance { return instance{deaf: true, lives: 10 * time.Second} }
		org := e.org("acme")
		defer e.run()()
		e.await("it has failed", time.Minute, org, func(i registry.Instance) bool { return i.State == registry.InstanceFailed })
		for range 200 {
			pass(500 * time.Millisecond) // of the bubble's time
			i := e.instance(org)
			if i.State != registry.InstanceFailed || i.Detail != "the instance ended while starting: ended with exit code 7" {
				e.Fatalf("%+v", i)
			}
		}
	})
}

// TestFailuresAreForgotten: a minute of health ends the back-off, less does not.
func TestFailuresAreForgotten(t *testing.T) {
	bubble(t, func(e *env) {
		e.w.boot = func(_ Ref, n int) instance { return instance{refused: n < 5} }
		org := e.org("acme")
		defer e.run()()
		if i := e.running(org, time.Minute); i.Failures != 5 {
			e.Fatalf("%+v", i)
		}
		pass(registry.HealthyFor - 5*time.Second)
		if i := e.instance(org); i.Failures != 5 {
			e.Fatalf("forgotten too early: %+v", i)
		}
		since := e.instance(org).ChangedAt
		pass(10 * time.Second)
		if i := e.instance(org); i.Failures != 0 || !i.ChangedAt.Equal(since) {
			e.Fatalf("not forgotten: %+v", i)
		}
	})
}

// TestPeopleDoNotWait: what a person asks for is done at once, whatever the back-off.
func TestPeopleDoNotWait(t *testing.T) {
	broken := map[string]instance{"it fails": {refused: true}, "it hangs while it starts": {mute: true}}
	for what, how := range broken {
		for name, c := range map[string]struct {
			act  func(e *env, org registry.OrgID) error
			done func(i registry.Instance) bool
		}{
			"restart": {func(e *env, org registry.OrgID) error {
				return e.s.RestartInstance(context.Background(), operator, org, 0)
			}, func(i registry.Instance) bool {
				return i.State == registry.InstanceRunning && i.Generation >= 2
			}},
			"suspend": {func(e *env, org registry.OrgID) error {
				return e.s.SuspendOrg(context.Background(), operator, org, 0, "")
			}, func(i registry.Instance) bool { return i.State == registry.InstanceStopped }},
			"suspend and resume": {func(e *env, org registry.OrgID) error {
				if err := e.s.SuspendOrg(context.Background(), operator, org, 0, ""); err != nil {
					return err
				}
				return e.s.ResumeOrg(context.Background(), operator, org, 0)
			}, func(i registry.Instance) bool { return i.State == registry.InstanceRunning }},
			"delete": {func(e *env, org registry.OrgID) error {
				return e.s.DeleteOrg(context.Background(), operator, org, 0, registry.OrgDeletion{Confirm: "acme", Now: true})
			}, func(i registry.Instance) bool { return i.State == registry.InstanceAbsent }},
			"settings": {func(e *env, org registry.OrgID) error {
				set := map[string]*registry.SettingValue{"APP_X": {Value: "x"}}
				return e.s.SetSettings(context.Background(), operator, org, "", set)
			}, func(i registry.Instance) bool { return i.State == registry.InstanceRunning }},
		} {
			if name == "settings" && how.mute {
				continue // it runs, and what it may lack is not known
			}
			t.Run(what+"/"+name, func(t *testing.T) {
				bubble(t, func(e *env) {
					good := make(chan struct{})
					e.w.boot = func(Ref, int) instance {
						select {
						case <-good:
							return instance{}
						default:
							return how
						}
					}
					org := e.org("acme")
					defer e.run()()
					pass(200*time.Second + 300*time.Millisecond) // in the midst of a wait
					close(good)
					e.ok(c.act(e, org))
					e.await(name+" is done", time.Second, org, c.done)
				})
			})
		}
	}
}

// TestBackOffOutlivesTheReconciler: the next one waits as the last one would have.
func TestBackOffOutlivesTheReconciler(t *testing.T) {
	bubble(t, func(e *env) {
		e.w.boot = func(Ref, int) instance { return instance{refused: true} }
		began := time.Now()
		org := e.org("acme")
		for range 40 { // a server that itself restarts all the time
			stop := e.run()
			pass(2 * time.Second)
			stop()
		}
		at := e.w.spawned(org, began)
		if want := []time.Duration{1, 2, 4, 8, 16, 32}; len(at) != len(want)+1 {
			e.Fatalf("%d starts: %v", len(at), at)
		}
		for i, gap := range gaps(at) {
			if least := time.Second << i; gap < least || gap > least+2500*time.Millisecond {
				e.Errorf("start %d after %s, want %s", i+2, gap, least)
			}
		}
	})
}

// TestHangsWhileItStarts: a slow instance is waited for; one that never gets healthy
// makes way for a new generation.
func TestHangsWhileItStarts(t *testing.T) {
	bubble(t, func(e *env) {
		e.w.boot = func(_ Ref, n int) instance { return instance{mute: n == 0} }
		org := e.org("acme")
		defer e.run()()
		pass(150 * time.Second)
		if got := e.w.generations(org); !slices.Equal(got, []int64{1}) || e.instance(org).State != registry.InstanceFailed {
			e.Fatalf("not waited for: %v %+v", got, e.instance(org))
		}
		if i := e.running(org, 2*time.Minute); i.Generation != 2 || !slices.Equal(e.w.generations(org), []int64{2}) {
			e.Fatalf("%+v", i)
		}
	})
}

// TestSlowStartersMakeWay: instances that hang while they start do not keep others from starting.
func TestSlowStartersMakeWay(t *testing.T) {
	bubble(t, func(e *env) {
		var hang = map[registry.OrgID]bool{}
		e.w.boot = func(r Ref, _ int) instance { return instance{mute: hang[r.OrgID]} }
		for i := range 3 * workers {
			hang[e.org("slow-"+string(rune('a'+i)))] = true
		}
		defer e.run()()
		pass(time.Second)
		e.running(e.org("acme"), 3*slowStart+time.Second)
	})
}
