package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// heartbeats: the last one of the instance that serves is shown, and none of another.
func heartbeats(e env) {
	owner, asOwner := e.user("owner@example.com")
	o, other := e.org("acme", owner.ID), e.org("globex", "")
	beat := func(org registry.OrgID, gen, memory int64) registry.Heartbeat {
		return registry.Heartbeat{
			OrgID: org, Generation: gen, Memory: memory, Agent: "v1", Version: "2.0",
		}.Cleaned(e.clock.Now())
	}
	save := func(list ...registry.Heartbeat) {
		e.Helper()
		head, err := e.s.Head(ctx, system)
		e.ok(err)
		e.ok(e.s.SaveHeartbeats(ctx, system, list))
		if now, err := e.s.Head(ctx, system); err != nil || now != head {
			e.Errorf("a heartbeat is in the feed: %d, then %d, %v", head, now, err)
		}
	}
	shown := func(a registry.Actor) *registry.Heartbeat {
		e.Helper()
		v, err := e.s.Org(ctx, a, o.ID)
		e.ok(err)
		return v.Instance.Heartbeat
	}
	memory := func(want int64) {
		e.Helper()
		got := int64(0)
		if h := shown(operator); h != nil {
			got = h.Memory
		}
		if got != want {
			e.Errorf("memory %d, want %d", got, want)
		}
	}
	e.want(e.s.SaveHeartbeats(ctx, operator, nil), registry.CodeForbidden)
	e.want(second(e.s.Heartbeats(ctx, operator)), registry.CodeForbidden)
	e.want(second(e.s.WantedGeneration(ctx, operator, o.ID)), registry.CodeForbidden)
	e.want(second(e.s.WantedGeneration(ctx, system, "no org")), registry.CodeNotFound)
	wanted := func(want int64) {
		e.Helper()
		if n, err := e.s.WantedGeneration(ctx, system, o.ID); err != nil || n != want {
			e.Errorf("generation %d, want %d, %v", n, want, err)
		}
	}
	wanted(1)

	save(beat(o.ID, 1, 10))
	memory(0) // it does not serve yet
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	running := func(gen int64) {
		e.Helper()
		e.ok(e.s.Report(ctx, system, l, gen, "test", registry.Report{
			State: registry.InstanceRunning, Address: "unix//x",
		}))
	}
	running(1)
	memory(10)
	if h := shown(operator); h.Agent != "v1" || !h.ReceivedAt.Equal(e.clock.Now()) {
		e.Errorf("%+v", h)
	}
	if h := shown(asOwner); h == nil || h.Version != "2.0" || h.Agent != "" {
		e.Errorf("members see %+v", h)
	}
	older := beat(o.ID, 1, 20)
	e.clock.Add(10 * time.Second)
	// Another instance's, an org's that is not there, and an older one that comes late.
	save(beat(o.ID, 1, 30), older, beat(o.ID, 2, 40), beat("no org", 1, 50), beat(other.ID, 1, 60))
	memory(30)
	if list, err := e.s.Heartbeats(ctx, system); err != nil || len(list) != 1 || list[0].Memory != 30 {
		e.Errorf("%+v %v", list, err)
	}
	if p, err := e.s.Orgs(ctx, operator, registry.OrgList{}); err != nil || len(p.Items) != 2 ||
		p.Items[0].Instance.Heartbeat.Memory != 30 || p.Items[1].Instance.Heartbeat != nil {
		e.Errorf("%+v %v", p, err)
	}

	e.ok(e.s.RestartInstance(ctx, operator, o.ID, 0))
	wanted(2)
	save(beat(o.ID, 1, 70)) // of the one that was replaced
	running(2)
	memory(0)
	save(beat(o.ID, 2, 80))
	memory(80)
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.want(second(e.s.WantedGeneration(ctx, system, o.ID)), registry.CodeNotFound)
	save(beat(o.ID, 2, 90)) // nobody wants it any more
	memory(80)
	e.ok(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceStopped}))
	memory(0)
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	e.ok(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceAbsent}))
	if list, err := e.s.Heartbeats(ctx, system); err != nil || len(list) != 0 {
		e.Errorf("of a deleted org: %+v %v", list, err)
	}
}
