package storetest

import (
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// nodeReports: a node reads what the others told since a time, and of each how it is now.
func nodeReports(e env) {
	since := e.clock.Now().Add(-time.Second)
	e.want(e.s.ReportNode(ctx, operator, registry.NodeReport{}), registry.CodeForbidden)
	e.want(second(e.s.NodeReports(ctx, operator, "a", since)), registry.CodeForbidden)
	e.want(second(e.s.SessionUses(ctx, operator, since)), registry.CodeForbidden)

	read := func(node string, after time.Time) (out []string) {
		e.Helper()
		list, err := e.s.NodeReports(ctx, system, node, after)
		e.ok(err)
		for _, r := range list {
			out = append(out, r.Node+":"+string(r.Counts)+":"+string(r.State))
		}
		return out
	}
	expect := func(got []string, want ...string) {
		e.Helper()
		if !slices.Equal(got, want) {
			e.Errorf("%q, want %q", got, want)
		}
	}
	report := func(node, counts, state string) {
		e.Helper()
		e.clock.Add(time.Second)
		e.ok(e.s.ReportNode(ctx, system, registry.NodeReport{
			Node: node, Counts: []byte(counts), State: []byte(state),
		}))
	}
	report("a", "1", "one")
	report("b", "2", "two")
	report("a", "3", "three")
	expect(read("b", since), "a:1:", "a:3:three")
	expect(read("a", since), "b:2:two")
	expect(read("c", e.clock.Now().Add(-time.Second)), "a:3:three")

	e.clock.Add(registry.NodeReportLife)
	report("b", "4", "four")
	expect(read("c", since), "b:4:four")
}

// sessionUses: what one store notes of sessions in orgs that end idle ones, another takes in.
func sessionUses(e env) {
	owner, asOwner := e.user("ada@example.com")
	strict, other := e.org("strict", owner.ID), e.org("other", owner.ID)
	e.ok(e.s.SetSessionLifetimes(ctx, asOwner, strict.ID, "", registry.Lifetimes{Idle: 30 * minutes}))
	before := e.clock.Now().Add(-time.Second)
	for _, id := range []registry.OrgID{strict.ID, other.ID} {
		e.ok(second(e.s.Org(ctx, asOwner, id)))
	}
	list, err := e.s.SessionUses(ctx, system, before)
	e.ok(err)
	if len(list) != 1 || list[0].Org != strict.ID || list[0].Session != asOwner.Session {
		e.Errorf("%+v", list)
	}
	list, err = e.s.SessionUses(ctx, system, e.clock.Now())
	e.ok(err)
	if len(list) > 0 {
		e.Errorf("not since: %+v", list)
	}
}
