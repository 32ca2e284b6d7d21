package storetest

import (
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// revocations: whoever lost access, or has another, is to be told to the instance until it was.
func revocations(e env) {
	owner, asOwner := e.user("owner@example.com")
	o, other := e.org("acme", owner.ID), e.org("globex", owner.ID)
	serve := func(org registry.OrgID) registry.Lease {
		e.Helper()
		l, err := e.s.Acquire(ctx, system, org, time.Hour)
		e.ok(err)
		e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{
			State: registry.InstanceRunning, Address: "unix//x",
		}))
		return l
	}
	untold := func(org registry.OrgID) []registry.Untold {
		e.Helper()
		list, err := e.s.Untold(ctx, system, org)
		e.ok(err)
		return list
	}
	instances := func(want ...registry.OrgID) {
		e.Helper()
		list, err := e.s.UntoldInstances(ctx, system)
		e.ok(err)
		var got []registry.OrgID
		for _, ref := range list {
			if ref.Generation != 1 {
				e.Errorf("%+v", ref)
			}
			got = append(got, ref.OrgID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			e.Fatalf("instances %v, want %v", got, want)
		}
	}
	// told wants exactly these to be told to an org, and tells it.
	gone := map[string]bool{} // what of the last told was said to be gone
	told := func(what string, org registry.OrgID, users []registry.UserID, runners ...registry.RunnerID) {
		e.Helper()
		clear(gone)
		var gotUsers []registry.UserID
		var gotRunners []registry.RunnerID
		list := untold(org)
		for _, v := range list {
			gone[string(v.UserID)+string(v.RunnerID)] = v.Gone
			if v.RunnerID != "" {
				gotRunners = append(gotRunners, v.RunnerID)
			} else {
				gotUsers = append(gotUsers, v.UserID)
			}
		}
		slices.Sort(users)
		if !slices.Equal(gotUsers, users) || !slices.Equal(gotRunners, runners) {
			e.Errorf("%s: told %v %v, want %v %v", what, gotUsers, gotRunners, users, runners)
		}
		e.ok(e.s.MarkTold(ctx, system, org, list))
	}
	isGone := func(what, id string, want bool) {
		e.Helper()
		if got, there := gone[id]; !there || got != want {
			e.Errorf("%s: gone is %v, want %v", what, got, want)
		}
	}
	e.want(second(e.s.UntoldInstances(ctx, operator)), registry.CodeForbidden)
	e.want(second(e.s.Untold(ctx, operator, o.ID)), registry.CodeForbidden)
	e.want(e.s.MarkTold(ctx, operator, o.ID, nil), registry.CodeForbidden)

	m, _ := e.member(o.ID, "m@example.com", registry.RoleMember)
	n, _ := e.member(other.ID, "n@example.com", registry.RoleMember)
	instances()
	e.ok(e.s.SetRole(ctx, asOwner, o.ID, m.ID, registry.RoleAdmin))
	instances() // none serves
	lease := serve(o.ID)
	serve(other.ID)
	instances(o.ID)
	first := untold(o.ID)
	e.ok(e.s.SetRole(ctx, asOwner, o.ID, m.ID, registry.RoleMember))
	e.ok(e.s.MarkTold(ctx, system, o.ID, first)) // of the change before
	told("role", o.ID, []registry.UserID{m.ID})
	isGone("role", string(m.ID), false)
	instances()

	signIn := func(name string) registry.Session {
		e.Helper()
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{
			Token: secret(name), User: owner, Methods: registry.MethodPassword,
		})
		e.ok(err)
		return s
	}
	phone, laptop := signIn("phone"), signIn("laptop")
	e.ok(e.s.RevokeSession(ctx, system, laptop.ID)) // signed out there
	instances()
	e.ok(e.s.RevokeSession(ctx, operator, phone.ID))
	told("one session", o.ID, []registry.UserID{owner.ID})
	told("one session", other.ID, []registry.UserID{owner.ID})
	signIn("tablet")
	e.ok(e.s.RevokeSessions(ctx, operator, owner.ID, ""))
	instances(o.ID, other.ID)
	told("session", o.ID, []registry.UserID{owner.ID})
	told("session", other.ID, []registry.UserID{owner.ID})

	asOwner = e.now(owner)
	r, _ := e.runner(asOwner, o.ID, "build")
	e.ok(e.s.DisconnectRunner(ctx, asOwner, o.ID, r.ID))
	told("disconnected runner", o.ID, nil, r.ID)
	isGone("disconnected runner", string(r.ID), false)
	e.ok(e.s.RevokeRunner(ctx, asOwner, o.ID, r.ID))
	told("revoked runner", o.ID, nil, r.ID)
	isGone("revoked runner", string(r.ID), true)

	ofApp := func(as registry.Actor, of registry.Org) registry.RunnerID {
		e.Helper()
		claim := secret(registry.NewID())
		e.ok(second(e.s.CreateRunnerClaim(ctx, as, of.ID, registry.NewRunnerClaim{
			Name: "pizza", Life: 10 * time.Minute, App: registry.RunnerPizzaPi,
		}, claim)))
		r, err := e.s.EnrollRunner(ctx, visitor, claim, "", secret(registry.NewID()))
		e.ok(err)
		return r.ID
	}
	e.want(e.s.FinishRunners(ctx, asOwner), registry.CodeForbidden)
	expiring := ofApp(asOwner, o)
	e.ok(e.s.FinishRunners(ctx, system))
	instances()
	e.clock.Add(10 * time.Minute)
	for range 2 { // once
		e.ok(e.s.FinishRunners(ctx, system))
	}
	told("expired runner of an app", o.ID, nil, expiring)
	isGone("expired runner of an app", string(expiring), true)
	orphan := ofApp(e.now(n), other)

	e.ok(second(e.s.DisableUser(ctx, operator, n.ID, registry.UserDisabling{})))
	told("disabled, without a session", other.ID, []registry.UserID{n.ID})
	isGone("disabled", string(n.ID), true)
	told("disabled elsewhere", o.ID, nil)
	e.ok(e.s.FinishRunners(ctx, system))
	told("runner of somebody disabled", other.ID, nil, orphan)
	isGone("runner of somebody disabled", string(orphan), true)

	e.ok(e.s.RequireSecondStep(ctx, operator, other.ID, "", true))
	told("sign-in rules", other.ID, []registry.UserID{owner.ID, n.ID})
	isGone("sign-in rules", string(owner.ID), false)
	told("sign-in rules of another org", o.ID, nil)

	e.ok(second(e.s.RemoveMember(ctx, operator, o.ID, m.ID, registry.MemberRemoval{})))
	if list := untold(o.ID); len(list) != 1 || list[0].UserID != m.ID || list[0].Seq == 0 {
		e.Errorf("removed: %+v", list)
	}
	// A restart does not forget it, nor a stop: data and sessions of the app stay.
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.ok(e.s.Report(ctx, system, lease, 1, "test", registry.Report{State: registry.InstanceStopped}))
	instances()
	told("after a stop", o.ID, []registry.UserID{m.ID})
	isGone("removed", string(m.ID), true)

	e.ok(second(e.s.DeleteUser(ctx, operator, n.ID, registry.UserDeletion{})))
	told("deleted", other.ID, []registry.UserID{n.ID})
	isGone("deleted", string(n.ID), true)

	e.ok(e.s.SetRole(ctx, operator, o.ID, owner.ID, registry.RoleOwner)) // changes nothing
	told("no change", o.ID, nil)
	extra, _ := e.member(o.ID, "x@example.com", registry.RoleMember)
	e.ok(second(e.s.RemoveMember(ctx, operator, o.ID, extra.ID, registry.MemberRemoval{})))
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	e.ok(e.s.Report(ctx, system, lease, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	told("of a deleted org", o.ID, nil)
}
