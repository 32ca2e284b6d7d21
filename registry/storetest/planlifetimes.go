package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// planLifetimes: a plan shortens the sessions of its orgs, and an org those of its plan. Tokens of
// before are doubtful when a plan's lifetimes change, or an org gets another plan.
func planLifetimes(e env) {
	owner, _ := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	m, _ := e.member(o.ID, "m@example.com", registry.RoleMember)
	for _, l := range []registry.Lifetimes{
		{Idle: 13 * hours}, {Absolute: 8 * days}, {Idle: 4 * minutes}, {Idle: -1},
		{Idle: 2 * hours, Absolute: 1 * hours},
	} {
		e.want(second(e.s.CreatePlan(ctx, operator, registry.Plan{Name: "team", Sessions: l})),
			registry.CodeInvalid)
	}
	e.ok(second(e.s.CreatePlan(ctx, operator, registry.Plan{
		Name: "team", Sessions: registry.Lifetimes{Idle: 30 * minutes, Absolute: 4 * hours},
	})))
	signIn := func() registry.Session {
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{
			Token: secret(registry.NewID()), User: m, Methods: "pwd",
		})
		e.ok(err)
		return s
	}
	version := int64(0)
	lasts := func(idle, absolute registry.Seconds) {
		e.Helper()
		s := signIn()
		g, err := e.s.Grant(ctx, system, s.ID, o.ID)
		e.ok(err)
		if end := e.clock.Now().Add(absolute.Duration()); g.Idle() != idle ||
			!g.Session.ExpiresAt.Equal(end) {
			e.Errorf("%s idle, until %s; want %s, %s", g.Idle(), g.Session.ExpiresAt, idle, end)
		}
		if g.Org.SignInVersion != version {
			e.Errorf("version %d, want %d", g.Org.SignInVersion, version)
		}
	}
	lasts(12*hours, 7*days)

	before := signIn()
	e.clock.Add(40 * time.Minute)
	e.ok(second(e.s.Grant(ctx, system, before.ID, o.ID)))
	head, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "team"))
	version++
	changes, err := e.s.Changes(ctx, system, head, 10)
	e.ok(err)
	if len(changes) != 2 || changes[1].Kind != registry.ChangeOrgSignIn || changes[1].Version != version ||
		changes[1].OrgID != o.ID {
		e.Fatalf("%+v", changes)
	}
	_, err = e.s.Grant(ctx, system, before.ID, o.ID)
	if registry.LackOf(err) != registry.LackRecent {
		e.Errorf("a session of before: %v", err)
	}
	lasts(30*minutes, 4*hours)

	// Of an org and its plan, the shorter counts.
	set := func(l registry.Lifetimes) error {
		return e.s.SetSessionLifetimes(ctx, e.now(owner), o.ID, "", l)
	}
	e.want(set(registry.Lifetimes{Absolute: 5 * hours}), registry.CodeInvalid)
	e.want(set(registry.Lifetimes{Idle: 31 * minutes}), registry.CodeInvalid)
	e.ok(set(registry.Lifetimes{Absolute: 2 * hours}))
	version++
	lasts(30*minutes, 2*hours)
	update := func(l registry.Lifetimes) error {
		return second(e.s.UpdatePlan(ctx, operator, "team", "", registry.PlanChange{
			Sessions: registry.LifetimeChanges{Idle: &l.Idle, Absolute: &l.Absolute},
		}))
	}
	e.want(update(registry.Lifetimes{Absolute: 8 * days}), registry.CodeInvalid)
	e.ok(update(registry.Lifetimes{Absolute: 1 * hours}))
	version++
	lasts(12*hours, 1*hours)
	title := "The team" // changes no lifetime
	e.ok(second(e.s.UpdatePlan(ctx, operator, "team", "", registry.PlanChange{Title: &title})))
	lasts(12*hours, 1*hours)
	v, err := e.s.Org(ctx, e.now(owner), o.ID)
	e.ok(err)
	if v.Sessions != (registry.Lifetimes{Absolute: 2 * hours}) ||
		v.PlanSessions != (registry.Lifetimes{Absolute: 1 * hours}) {
		e.Errorf("%+v", v.Org)
	}

	// So do the plans of the Caddyfile, also when they go.
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, registry.DefaultPlan))
	version++
	lasts(12*hours, 2*hours)
	e.ok(e.s.ConfigurePlans(ctx, system, registry.PlansOf{}, []registry.Plan{
		{Name: registry.DefaultPlan, Sessions: registry.Lifetimes{Idle: 10 * minutes}},
	}))
	version++
	lasts(10*minutes, 2*hours)
	e.ok(e.s.ConfigurePlans(ctx, system, registry.PlansOf{}, nil))
	version++
	lasts(12*hours, 2*hours)
}
