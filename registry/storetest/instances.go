package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func leases(e env) {
	o := e.org("acme", "")
	a, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.Conflict)
	e.clock.Add(2 * time.Minute)
	b, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	if b.Token <= a.Token {
		e.Fatalf("tokens %d then %d", a.Token, b.Token)
	}
	e.want(e.s.Report(ctx, system, a, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x"}), registry.Conflict)
	e.ok(e.s.Release(ctx, system, a)) // the old holder ends nothing
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.Conflict)
	e.ok(e.s.Release(ctx, system, b))
	e.ok(second(e.s.Acquire(ctx, system, o.ID, time.Minute)))
}

func provisioning(e env) {
	o := e.org("acme", "")
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	e.want(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceRunning}), registry.Conflict) // another generation
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"}))
	r, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if r.Status != registry.RouteServing || r.Address != "unix//x" {
		e.Fatalf("%+v", r)
	}
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, "acme", true))
	if r, err = e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined || r.Address != "" {
		e.Fatalf("%+v %v", r, err)
	}
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	e.want(second(e.s.Org(ctx, operator, o.ID)), registry.NotFound)
	if w, err := e.s.Work(ctx, system); err != nil || len(w) != 0 {
		e.Fatalf("work left: %+v %v", w, err)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
	e.clock.Add(registry.Quarantine + time.Minute)
	if n := e.org("acme", ""); n.ID == o.ID {
		e.Fatal("the same org again")
	}
}
