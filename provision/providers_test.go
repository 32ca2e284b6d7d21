package provision

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// placed is a world that says where the data of orgs is, and has a configuration.
type placed struct {
	*world
	place, configuration string
}

func (p placed) For(registry.InstallationID) Provider { return p }
func (p placed) Place() string                        { return p.place }
func (p placed) Configuration() string                { return p.configuration }

// several are two worlds that share data, and one apart; each has what it was asked for.
type several struct {
	*env
	near, beside, apart *world
	set                 atomic.Pointer[Providers]
}

func newSeveral(e *env) *several {
	v := &several{env: e, near: e.w, beside: newWorld(), apart: newWorld()}
	v.use(v.all()...)
	return v
}

func (v *several) all() []Named {
	return []Named{
		{"near", placed{v.near, "/data", "1"}}, {"beside", placed{v.beside, "/data", "1"}},
		{"apart", placed{v.apart, "", "1"}},
	}
}

func (v *several) use(list ...Named) {
	v.Helper()
	set, err := NewProviders(list...)
	v.ok(err)
	v.set.Store(set)
}

func (v *several) run(change ...func(*Config)) (stop func()) {
	return v.env.run(append(change, func(c *Config) {
		c.Providers = v.set.Load
		c.Configuration = func(p Provider) string { return p.Configuration() }
		c.Dial = dialEach(v.near, v.beside, v.apart)
	})...)
}

// under waits until an org's instance runs under a provider, and nothing of it elsewhere.
func (v *several) under(org registry.OrgID, name string, generation int64) {
	v.Helper()
	i := v.await("it runs under "+name, time.Minute, org, func(i registry.Instance) bool {
		return i.State == registry.InstanceRunning && i.Generation == generation && i.Provider == name
	})
	worlds := map[string]*world{"near": v.near, "beside": v.beside, "apart": v.apart}
	for other, w := range worlds {
		var want []int64
		if other == name {
			want = []int64{i.Generation}
		}
		if now := w.generations(org); !slices.Equal(now, want) {
			v.Errorf("%s runs %v, want %v", other, now, want)
		}
	}
}

func (v *several) plan(name, provider string) {
	v.Helper()
	_, err := v.s.CreatePlan(context.Background(), operator, registry.Plan{Name: name, Provider: provider})
	v.ok(err)
}

// TestMove: an org's own provider goes before its plan's, and that before the first. What ran
// before has ended by the time that the next one starts.
func TestMove(t *testing.T) {
	bubble(t, func(e *env) {
		v, ctx := newSeveral(e), context.Background()
		defer v.run()()
		acme, globex := v.org("acme"), v.org("globex")
		v.under(acme, "near", 1)
		v.plan("team", "beside")
		v.ok(v.s.SetOrgPlan(ctx, operator, acme, 0, "team"))
		pass(2 * time.Minute)
		v.near.crash(acme)
		pass(2 * time.Minute)
		v.under(acme, "near", 1) // until its next generation
		v.ok(v.s.RestartInstance(ctx, operator, acme, 0))
		v.under(acme, "beside", 2)
		if ended, began := v.near.ended[Ref{acme, 1}], v.beside.spawns[0].at; ended.After(began) {
			t.Errorf("it ended at %s, and the next one began at %s", ended, began)
		}
		v.ok(v.s.SetOrgProvider(ctx, operator, acme, 0, "apart"))
		v.under(acme, "apart", 3)
		v.ok(v.s.SetOrgProvider(ctx, operator, acme, 0, ""))
		pass(2 * time.Minute)
		v.under(acme, "apart", 4) // the plan leads it to another's data
		v.under(globex, "near", 1)
	})
}

// TestPreviousDoesNotStop: nothing is started by another provider before the instance has ended.
func TestPreviousDoesNotStop(t *testing.T) {
	bubble(t, func(e *env) {
		v, ctx := newSeveral(e), context.Background()
		defer v.run()()
		acme := v.org("acme")
		v.under(acme, "near", 1)
		list := v.all()
		list[0].Provider = unstoppable{placed{v.near, "/data", "1"}}
		v.use(list...)
		v.ok(v.s.SetOrgProvider(ctx, operator, acme, 0, "beside"))
		i := v.await("it fails", time.Minute, acme, func(i registry.Instance) bool { return i.Failures > 1 })
		if i.RunBy() != "near" || len(v.beside.spawns) > 0 {
			t.Errorf("%+v; started elsewhere: %v", i, v.beside.spawns)
		}
		v.use(v.all()...)
		v.under(acme, "beside", 2)
	})
}

type unstoppable struct{ placed }

func (unstoppable) Stop(context.Context, registry.OrgID, int64) error {
	return errors.New("it does not stop")
}

// TestProviderIsGone: instances of a provider that the config does not have any more are left alone
// and served. What needs that provider fails, and says what to do.
func TestProviderIsGone(t *testing.T) {
	bubble(t, func(e *env) {
		v, ctx := newSeveral(e), context.Background()
		var log bytes.Buffer
		end := v.run(func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		acme, globex := v.org("acme"), v.org("globex")
		for _, org := range []registry.OrgID{acme, globex} {
			v.under(org, "near", 1)
			v.ok(v.s.SetOrgProvider(ctx, operator, org, 0, "apart"))
			v.under(org, "apart", 2)
		}
		v.use(v.all()[:2]...)
		pass(5 * time.Minute)
		v.under(acme, "apart", 2)
		if n := strings.Count(log.String(), "provider not configured"); n != 1 {
			t.Errorf("%d lines:\n%s", n, &log)
		}
		if n := len(v.r.Outdated()); n != 2 {
			t.Errorf("%d are outdated", n)
		}
		v.ok(v.s.SetOrgProvider(ctx, operator, acme, 0, "near"))
		failed := func(i registry.Instance) bool {
			return i.State == registry.InstanceFailed && i.Failures > 1 &&
				strings.Contains(i.Detail, `"apart" is not configured any more: configure it again`)
		}
		v.await("it says what to do", time.Minute, acme, failed)
		v.ok(v.s.SuspendOrg(ctx, operator, globex, 0, ""))
		v.await("it cannot be stopped", time.Minute, globex, failed)
		if len(v.apart.stops) > 0 || len(v.near.generations(acme)) > 0 {
			t.Errorf("stopped %v, and runs %v", v.apart.stops, v.near.generations(acme))
		}
		v.use(v.all()...)
		v.under(acme, "near", 3)
		v.await("it stops", 2*time.Minute, globex, func(i registry.Instance) bool { return i.State == registry.InstanceStopped })
		end()
	})
}

// TestStrayElsewhere: what a start that was broken off left under another provider is stopped, and
// what two providers see of one instance is left alone.
func TestStrayElsewhere(t *testing.T) {
	bubble(t, func(e *env) {
		v := newSeveral(e)
		defer v.run()()
		acme := v.org("acme")
		v.under(acme, "near", 1)
		ref := Ref{acme, 1}
		for _, w := range []*world{v.beside, v.apart} {
			_, err := w.Ensure(context.Background(), Spec{Ref: ref})
			v.ok(err)
		}
		pass(2 * time.Minute)
		if v.apart.stops[ref] != 1 || v.near.stops[ref]+v.beside.stops[ref] > 0 {
			t.Errorf("stopped: %v %v %v", v.near.stops, v.beside.stops, v.apart.stops)
		}
	})
}

// TestOutdatedByProvider: another configuration of one provider concerns its instances alone.
func TestOutdatedByProvider(t *testing.T) {
	bubble(t, func(e *env) {
		v := newSeveral(e)
		defer v.run()()
		acme, globex := v.org("acme"), v.org("globex")
		v.ok(v.s.SetOrgProvider(context.Background(), operator, globex, 0, "beside"))
		v.under(acme, "near", 1)
		v.under(globex, "beside", 2)
		list := v.all()
		list[1].Provider = placed{v.beside, "/data", "2"}
		v.use(list...)
		if now := v.r.Outdated(); len(now) != 1 || now[globex] != 2 {
			t.Errorf("outdated: %v", now)
		}
	})
}

// unlistable is a placed that cannot list.
type unlistable struct{ placed }

func (unlistable) List(context.Context) ([]Seen, error) { return nil, errors.New("it is away") }

// TestOneIsAway: a provider that does not answer keeps nobody from the instances of another.
func TestOneIsAway(t *testing.T) {
	bubble(t, func(e *env) {
		v := newSeveral(e)
		list := v.all()
		list[1].Provider = unlistable{placed{v.beside, "/data", "1"}}
		v.use(list...)
		defer v.run()()
		acme, globex := v.org("acme"), v.org("globex")
		v.ok(v.s.SetOrgProvider(context.Background(), operator, globex, 0, "beside"))
		v.under(acme, "near", 1)
		v.under(globex, "beside", 2)
		for org, w := range map[registry.OrgID]*world{acme: v.near, globex: v.beside} {
			w.crash(org)
			pass(10 * time.Second)
			if n := len(w.spawned(org, time.Now())); n != 2 {
				t.Errorf("%s was started %d times", org, n)
			}
		}
	})
}

func TestNewProviders(t *testing.T) {
	w := newWorld()
	if _, err := NewProviders(); err == nil {
		t.Error("none will do")
	}
	if _, err := NewProviders(Named{"a", w}, Named{"b", w}, Named{"a", w}); err == nil {
		t.Error("two have one name")
	}
	one, err := NewProviders(Named{"a", placed{w, "/x", ""}}, Named{"b", w}, Named{"c", w})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"b", "c"}, {"a", "b"}, {"gone", "a"}, {"gone", "b"}, {"", "c"}} {
		if one.Share(pair[0], pair[1]) {
			t.Errorf("%q share data", pair)
		}
	}
	if !one.Share("b", "b") || !one.Share("", "a") || !one.Share("gone", "gone") {
		t.Error("one does not share data with itself")
	}
	if _, err := one.Attended("a"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("agents of a provider without any: %v", err)
	}
	if said := one.Isolation(); said != "a: none; b: none; c: none" {
		t.Errorf("isolation: %q", said)
	}
}

// heard is a placed that tells what ends.
type heard struct{ placed }

func (h heard) Watch(ctx context.Context, changed func(Ref)) error {
	return telling{h.world}.Watch(ctx, changed)
}

// TestEachTells: what ends is heard of from every provider, also of another config; and while one
// of them does not tell, all is looked at often.
func TestEachTells(t *testing.T) {
	bubble(t, func(e *env) {
		v := newSeveral(e)
		tell := func(n int) {
			list := v.all()[:2]
			for i := range list[:n] {
				list[i].Provider = heard{list[i].Provider.(placed)}
			}
			v.use(list...)
		}
		tell(2)
		defer v.run(func(c *Config) {
			c.Health = func() Health { return Health{Path: "/healthz", Interval: -1} }
		})()
		acme, globex := v.org("acme"), v.org("globex")
		v.ok(v.s.SetOrgProvider(context.Background(), operator, globex, 0, "beside"))
		v.under(acme, "near", 1)
		v.under(globex, "beside", 2)
		for round, told := range []int{2, 1, 2} {
			tell(told)
			pass(20 * time.Second) // a new config is noticed, and everything looked at
			before := v.beside.looked()
			pass(2 * time.Minute)
			if often := v.beside.looked()-before > 30; often != (told < 2) {
				t.Errorf("round %d: %d looks in two minutes", round, v.beside.looked()-before)
			}
			for org, w := range map[registry.OrgID]*world{acme: v.near, globex: v.beside} {
				if w == v.beside && told < 2 {
					continue
				}
				before := len(w.spawned(org, time.Now()))
				w.crash(org)
				pass(100 * time.Millisecond)
				if n := len(w.spawned(org, time.Now())); n != before+1 {
					t.Errorf("round %d: %s is not back at once", round, org)
				}
				pass(2 * time.Minute) // its failure is forgotten
			}
		}
	})
}
