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
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	e.want(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceRunning}), registry.Conflict) // another generation
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"}))
	r, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if r.Status != registry.RouteServing || r.Address != "unix//x" {
		e.Fatalf("%+v", r)
	}
	_, service := e.key(asOwner, registry.NewAPIKey{Scopes: everything, OrgID: o.ID, Role: registry.RoleAdmin})
	e.ok(e.s.SetSettings(ctx, asOwner, o.ID, map[string]*registry.SettingValue{"APP_X": {Value: "x"}}))
	e.ok(second(e.s.CreateWebhook(ctx, asOwner, registry.Webhook{ID: "hook", OrgID: o.ID, URL: "https://example.com", Sealed: []byte("x")})))
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, "acme", true))
	if r, err = e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined || r.Address != "" {
		e.Fatalf("%+v %v", r, err)
	}
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	e.want(second(e.s.Org(ctx, operator, o.ID)), registry.NotFound)
	// Nothing of it is left that could act or be read.
	e.want(second(e.s.Org(ctx, service, o.ID)), registry.NotFound)
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
	if due, err := e.s.DueDeliveries(ctx, system, nil, 10); err != nil || len(due) != 0 {
		e.Fatalf("its webhook is told %v %v", due, err)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
	e.clock.Add(registry.Quarantine + time.Minute)
	if n := e.org("acme", ""); n.ID == o.ID {
		e.Fatal("the same org again")
	}
}
