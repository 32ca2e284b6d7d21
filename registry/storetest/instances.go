package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func leases(e env) {
	o := e.org("acme", "")
	a, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.CodeConflict)
	e.clock.Add(2 * time.Minute)
	b, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	if b.Token <= a.Token {
		e.Fatalf("tokens %d then %d", a.Token, b.Token)
	}
	e.want(e.s.Report(ctx, system, a, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x"}), registry.CodeConflict)
	e.ok(e.s.Release(ctx, system, a)) // the old holder ends nothing
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.CodeConflict)
	e.want(second(e.s.Renew(ctx, operator, b, time.Minute)), registry.CodeForbidden)
	e.want(second(e.s.Renew(ctx, system, a, time.Hour)), registry.CodeConflict) // nor renews
	e.clock.Add(50 * time.Second)
	renewed, err := e.s.Renew(ctx, system, b, time.Minute)
	e.ok(err)
	if want := e.clock.Now().Add(time.Minute); renewed.Token != b.Token || !renewed.ExpiresAt.Equal(want) {
		e.Fatalf("%+v, want an end at %s", renewed, want)
	}
	e.clock.Add(50 * time.Second)
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.CodeConflict)
	e.clock.Add(10 * time.Second) // it ends, and is anybody's
	e.want(second(e.s.Renew(ctx, system, b, time.Minute)), registry.CodeConflict)
	b, err = e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.ok(e.s.Release(ctx, system, b))
	e.want(second(e.s.Renew(ctx, system, b, time.Minute)), registry.CodeConflict)
	e.ok(second(e.s.Acquire(ctx, system, o.ID, time.Minute)))
}

func provisioning(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	e.want(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceRunning}), registry.CodeConflict) // another generation
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"}))
	r, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if r.Status != registry.RouteServing || r.Address != "unix//x" {
		e.Fatalf("%+v", r)
	}
	_, service := e.key(asOwner, registry.NewAPIKey{Scopes: everything, OrgID: o.ID, Role: registry.RoleAdmin})
	e.ok(e.s.SetSettings(ctx, asOwner, o.ID, "", map[string]*registry.SettingValue{"APP_X": {Value: "x"}}))
	e.ok(second(e.s.CreateWebhook(ctx, asOwner, registry.Webhook{ID: "hook", OrgID: o.ID, URL: "https://example.com", Sealed: []byte("x")})))
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	if r, err = e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined || r.Address != "" {
		e.Fatalf("%+v %v", r, err)
	}
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	e.want(second(e.s.Org(ctx, operator, o.ID)), registry.CodeNotFound)
	// Nothing of it is left that could act or be read.
	e.want(second(e.s.Org(ctx, service, o.ID)), registry.CodeNotFound)
	if v, err := e.s.SettingValues(ctx, system, o.ID); err != nil || len(v) != 0 {
		e.Fatalf("settings are left: %v %v", v, err)
	}
	if list, err := e.s.UserOrgs(ctx, asOwner, owner.ID); err != nil || len(list) != 0 {
		e.Fatalf("its owner has %v %v", list, err)
	}
	if w, err := e.s.Work(ctx, system); err != nil || len(w) != 0 {
		e.Fatalf("work left: %+v %v", w, err)
	}
	e.ok(e.s.UpdateOrg(ctx, operator, e.org("other", "").ID, 0, "Other"))
	e.ok(e.s.SpreadChanges(ctx, system))
	if due, err := e.s.ClaimDeliveries(ctx, system, 10); err != nil || len(due) != 0 {
		e.Fatalf("its webhook is told %v %v", due, err)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.CodeConflict)
	e.clock.Add(registry.Quarantine + time.Minute)
	if n := e.org("acme", ""); n.ID == o.ID {
		e.Fatal("the same org again")
	}
}

// instanceFailures: they are counted until the instance was healthy for a while, or
// somebody acted on it.
func instanceFailures(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	gen := int64(1)
	report := func(r registry.Report) { e.Helper(); e.ok(e.s.Report(ctx, system, l, gen, "test", r)) }
	failed := func() {
		e.Helper()
		report(registry.Report{State: registry.InstanceFailed, Detail: "no luck", Step: "failed"})
	}
	running := func() {
		e.Helper()
		report(registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"})
	}
	want := func(state registry.InstanceState, failures int) registry.Instance {
		e.Helper()
		w, err := e.s.WorkOn(ctx, system, o.ID)
		e.ok(err)
		if w.Instance.State != state || w.Instance.Failures != failures {
			e.Fatalf("%s with %d failures, want %s with %d", w.Instance.State, w.Instance.Failures, state, failures)
		}
		return w.Instance
	}
	failed()
	first := want(registry.InstanceFailed, 1)
	e.clock.Add(time.Second)
	failed()
	if second := want(registry.InstanceFailed, 2); !second.ChangedAt.After(first.ChangedAt) || !second.RetryAt().Equal(e.clock.Now().Add(2*time.Second)) {
		e.Fatalf("%+v", second)
	}
	running()
	since := want(registry.InstanceRunning, 2).ChangedAt
	e.clock.Add(registry.HealthyFor - time.Second)
	running() // still: the time of health goes on
	if i := want(registry.InstanceRunning, 2); !i.ChangedAt.Equal(since) {
		e.Fatalf("running since %s, then since %s", since, i.ChangedAt)
	}
	report(registry.Report{State: registry.InstanceStarting, Failure: true}) // a crash before it was healthy for long
	want(registry.InstanceStarting, 3)
	running()
	e.clock.Add(registry.HealthyFor)
	running()
	want(registry.InstanceRunning, 0)
	report(registry.Report{State: registry.InstanceStarting, Failure: true})
	want(registry.InstanceStarting, 1)
	running()
	e.clock.Add(registry.HealthyFor)
	report(registry.Report{State: registry.InstanceDegraded, Address: "unix//x"}) // also what was healthy before it degraded
	want(registry.InstanceDegraded, 0)

	// New settings may be what it lacked: it need not wait.
	failed()
	failed()
	want(registry.InstanceFailed, 2)
	e.ok(e.s.SetSettings(ctx, asOwner, o.ID, "", map[string]*registry.SettingValue{"APP_X": {Value: "x"}}))
	if i := want(registry.InstanceFailed, 0); i.Waits(e.clock.Now()) {
		e.Fatalf("it waits until %s", i.RetryAt())
	}
	failed()
	e.ok(e.s.RestartInstance(ctx, asOwner, o.ID, 0))
	want(registry.InstancePending, 0)
	gen++
	failed()
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	if i := want(registry.InstanceFailed, 0); i.Waits(e.clock.Now()) {
		e.Fatal("stopping it waits")
	}
	failed()
	report(registry.Report{State: registry.InstanceStopped})
	want(registry.InstanceStopped, 0)
}

// instanceTransitions: a report that cannot follow the last one is refused, and changes nothing.
func instanceTransitions(e env) {
	o := e.org("acme", "")
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	head, err := e.s.Head(ctx, system)
	e.ok(err)
	e.want(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceDegraded}), registry.CodeConflict)
	e.want(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstancePending}), registry.CodeConflict)
	if again, err := e.s.Head(ctx, system); err != nil || again != head {
		e.Fatalf("a refused report is in the feed: %d %v", again, err)
	}
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x"}))
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceDegraded, Address: "unix//x", Detail: "slow"}))
	// Degraded is not down.
	if r, err := e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteServing || r.Address != "unix//x" {
		e.Fatalf("%+v %v", r, err)
	}
	if n, err := e.s.RunningInstances(ctx, system); err != nil || n != 1 {
		e.Fatalf("%d run, %v", n, err)
	}
	if n, err := e.s.Totals(ctx, operator); err != nil || n.Instances[registry.InstanceDegraded] != 1 {
		e.Fatalf("%+v %v", n, err)
	}
	if p, err := e.s.Orgs(ctx, operator, registry.OrgList{State: registry.InstanceDegraded}); err != nil || len(p.Items) != 1 {
		e.Fatalf("%+v %v", p, err)
	}
}

// unresponsive: an instance that is given up on is replaced by the next generation,
// under the lease alone.
func unresponsive(e env) {
	o := e.org("acme", "")
	l, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"}))
	r := registry.Report{State: registry.InstanceStarting, Detail: "it does not answer", Step: "unresponsive"}
	e.want(second(e.s.ReplaceInstance(ctx, system, l, 2, "test", r)), registry.CodeConflict) // another generation
	i, err := e.s.ReplaceInstance(ctx, system, l, 1, "test", r)
	e.ok(err)
	w, err := e.s.WorkOn(ctx, system, o.ID)
	e.ok(err)
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if got := w.Instance; got.Generation != 2 || i.Generation != 2 || v.Generation != 2 || got.State != registry.InstanceStarting || got.Failures != 1 || got.Address != "" || len(got.Steps) != 1 {
		e.Fatalf("%+v, %+v", got, v.Org)
	}
	e.want(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning}), registry.CodeConflict) // the old one is history
	e.clock.Add(2 * time.Minute)
	e.want(second(e.s.ReplaceInstance(ctx, system, l, 2, "test", r)), registry.CodeConflict) // the lease was lost
	l, err = e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.want(second(e.s.ReplaceInstance(ctx, system, l, 2, "test", r)), registry.CodeConflict) // nobody wants it to run
}
