package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

var visitor = registry.AsVisitor("192.0.2.1")

// runner enrolls one for an actor and returns the hash of its key with it.
func (e env) runner(a registry.Actor, org registry.OrgID, name string) (registry.Runner, registry.Hash) {
	e.Helper()
	claim, key := secret(registry.NewID()), secret(registry.NewID())
	e.ok(second(e.s.CreateRunnerClaim(ctx, a, org, registry.NewRunnerClaim{Name: name}, claim)))
	r, err := e.s.EnrollRunner(ctx, visitor, claim, "", key)
	e.ok(err)
	return r, key
}

// runners: who enrolls them, what they reach, how they end.
func runners(e env) {
	a, asA := e.user("a@example.com")
	o, other := e.org("acme", a.ID), e.org("globex", a.ID)
	m, asM := e.member(o.ID, "m@example.com", registry.RoleMember)
	_, asN := e.member(o.ID, "n@example.com", registry.RoleMember)
	claim := func(as registry.Actor, n registry.NewRunnerClaim) error {
		return second(e.s.CreateRunnerClaim(ctx, as, o.ID, n, secret(registry.NewID())))
	}
	grant := func(id registry.RunnerID, key *registry.Hash) error {
		return second(e.s.RunnerGrant(ctx, system, id, key))
	}

	_, asService := e.key(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeRunnerWrite}, OrgID: o.ID, Role: registry.RoleAdmin})
	e.want(claim(asM, registry.NewRunnerClaim{Name: "two\nlines"}), registry.CodeInvalid)
	e.want(claim(asM, registry.NewRunnerClaim{Life: registry.KeyLifeMax + 1}), registry.CodeInvalid)
	e.want(claim(operator, registry.NewRunnerClaim{}), registry.CodeForbidden)
	root, _ := e.user("root@example.com")
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &yes}))
	root, err := e.s.User(ctx, operator, root.ID)
	e.ok(err)
	asRoot := e.person(root, "", "")
	e.want(claim(asRoot, registry.NewRunnerClaim{}), registry.CodeForbidden) // manages every org, and enters none

	runnersOfApps(e, o.ID, m, asM, asService)

	r, key := e.runner(asM, o.ID, "build-1")
	if r.EnrolledBy != m.ID || r.EnrolledByName != m.Email || r.Name != "build-1" || !r.ExpiresAt.Equal(e.clock.Now().Add(registry.KeyLife)) {
		e.Fatalf("%+v", r)
	}
	g, err := e.s.RunnerGrant(ctx, system, r.ID, &key)
	e.ok(err)
	if g.Org.ID != o.ID || g.Role != registry.RoleRunner || g.Session.ID != r.ID.Session() || !g.Session.ExpiresAt.Equal(r.ExpiresAt) {
		e.Fatalf("%+v", g)
	}
	wrong := secret("wrong")
	e.want(grant(r.ID, &wrong), registry.CodeNotFound)
	e.ok(grant(r.ID, nil))
	e.want(grant("01890000-0000-7000-8000-000000000000", &key), registry.CodeNotFound)

	// A claim works once, also for twenty at once, not late, and not when its maker may no longer.
	once := secret("once")
	open, err := e.s.CreateRunnerClaim(ctx, asM, o.ID, registry.NewRunnerClaim{}, once)
	e.ok(err)
	if c, err := e.s.RunnerClaim(ctx, asN, o.ID, open.ID); err != nil || c != open {
		e.Errorf("%+v %v, want %+v", c, err, open)
	}
	e.want(second(e.s.RunnerClaim(ctx, asA, other.ID, open.ID)), registry.CodeNotFound)
	e.want(second(e.s.EnrollRunner(ctx, visitor, once, "", secret("k"))), registry.CodeInvalid) // no name at all
	var enrolled atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := e.s.EnrollRunner(ctx, visitor, once, "host", secret(registry.NewID())); err == nil {
				enrolled.Add(1)
			}
		})
	}
	wg.Wait()
	if n := enrolled.Load(); n != 1 {
		e.Errorf("one claim enrolled %d runners", n)
	}
	e.want(second(e.s.EnrollRunner(ctx, visitor, once, "host", secret("k"))), registry.CodeGone)
	e.want(second(e.s.RunnerClaim(ctx, asN, o.ID, open.ID)), registry.CodeNotFound)
	late, gone := secret("late"), secret("gone")
	e.ok(second(e.s.CreateRunnerClaim(ctx, asM, o.ID, registry.NewRunnerClaim{Name: "x"}, late)))
	e.clock.Add(registry.RunnerClaimLife)
	e.want(second(e.s.EnrollRunner(ctx, visitor, late, "", secret("k"))), registry.CodeGone)
	e.ok(second(e.s.CreateRunnerClaim(ctx, asM, o.ID, registry.NewRunnerClaim{Name: "x"}, gone)))

	// One's own, or anybody's as an admin; others' are seen and left alone.
	mine, _ := e.runner(asN, o.ID, "Alpha")
	p, err := e.s.Runners(ctx, asM, o.ID, registry.RunnerList{})
	e.ok(err)
	if len(p.Items) != 3 || p.Items[0].ID != mine.ID {
		e.Fatalf("%+v", p)
	}
	p, err = e.s.Runners(ctx, asM, o.ID, registry.RunnerList{EnrolledBy: m.ID, List: registry.List{Sort: "-created_at", Search: "build"}})
	e.ok(err)
	if len(p.Items) != 1 || p.Items[0].ID != r.ID {
		e.Fatalf("%+v", p)
	}
	if one, err := e.s.Runner(ctx, asN, o.ID, r.ID); err != nil || one != p.Items[0] {
		e.Errorf("%+v %v", one, err)
	}
	e.want(second(e.s.Runner(ctx, asA, other.ID, r.ID)), registry.CodeNotFound)
	e.want(e.s.RevokeRunner(ctx, asN, o.ID, r.ID), registry.CodeForbidden)
	e.want(e.s.DisconnectRunner(ctx, asN, o.ID, r.ID), registry.CodeForbidden)
	e.want(e.s.RevokeRunner(ctx, asA, other.ID, r.ID), registry.CodeNotFound)
	before, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(e.s.DisconnectRunner(ctx, asM, o.ID, r.ID))
	e.ok(e.s.RevokeRunner(ctx, asService, o.ID, mine.ID))
	e.want(e.s.RevokeRunner(ctx, asA, o.ID, mine.ID), registry.CodeNotFound)
	changes, err := e.s.Changes(ctx, system, before, 10)
	e.ok(err)
	if len(changes) != 2 || changes[0].Kind != registry.ChangeRunnerDisconnected || changes[0].SessionID != r.ID.Session() || changes[1].Kind != registry.ChangeRunnerRevoked || changes[1].SessionID != mine.ID.Session() {
		e.Fatalf("%+v", changes)
	}
	e.want(grant(mine.ID, nil), registry.CodeNotFound)

	at := e.clock.Now()
	e.ok(e.s.TouchRunners(ctx, system, map[registry.RunnerID]registry.RunnerSeen{r.ID: {At: at, Address: "192.0.2.7"}}))
	e.ok(e.s.TouchRunners(ctx, system, map[registry.RunnerID]registry.RunnerSeen{r.ID: {At: at.Add(-time.Hour), Address: "192.0.2.8"}}))

	// Who is removed leaves runners behind, which are named, and open claims, which are dead.
	left, err := e.s.RemoveMember(ctx, asA, o.ID, m.ID, registry.MemberRemoval{})
	e.ok(err)
	if len(left) != 2 || left[0].ID != r.ID || !left[0].LastSeenAt.Equal(at) || left[0].Address != "192.0.2.7" {
		e.Fatalf("%+v", left)
	}
	e.want(second(e.s.EnrollRunner(ctx, visitor, gone, "", secret("k"))), registry.CodeGone)
	e.ok(grant(r.ID, &key))
	p, err = e.s.Runners(ctx, asA, o.ID, registry.RunnerList{EnrolledBy: m.ID})
	e.ok(err)
	if len(p.Items) != 2 || !p.Items[0].Gone {
		e.Fatalf("%+v", p)
	}
	b, asB := e.member(o.ID, "b@example.com", registry.RoleMember)
	with, _ := e.runner(asB, o.ID, "with")
	_, narrow := e.key(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeMemberWrite}})
	e.want(second(e.s.RemoveMember(ctx, narrow, o.ID, b.ID, registry.MemberRemoval{RevokeRunners: true})), registry.CodeForbidden) // a key without the scope for runners
	e.ok(second(e.s.RemoveMember(ctx, asA, o.ID, b.ID, registry.MemberRemoval{RevokeRunners: true})))
	e.want(grant(with.ID, nil), registry.CodeNotFound)

	// A closed org's runners get nothing; a key that has ended neither.
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.want(grant(r.ID, &key), registry.CodeForbidden)
	e.ok(e.s.ResumeOrg(ctx, operator, o.ID, 0))
	e.ok(grant(r.ID, &key))
	e.clock.Add(registry.KeyLife)
	e.want(grant(r.ID, &key), registry.CodeNotFound)
	e.want(e.s.RevokeRunner(ctx, asA, o.ID, r.ID), registry.CodeNotFound)
	e.ok(e.s.Sweep(ctx, system))
}

// runnersOfApps: one of an app's own acts as a person there. So people alone let it in, and it gets in
// nowhere else.
func runnersOfApps(e env, org registry.OrgID, m registry.User, asM, asKey registry.Actor) {
	claim := func(as registry.Actor, n registry.NewRunnerClaim) error {
		return second(e.s.CreateRunnerClaim(ctx, as, org, n, secret(registry.NewID())))
	}
	ofApp := registry.NewRunnerClaim{Name: "pizza", App: registry.RunnerPizzaPi}
	e.want(claim(asKey, ofApp), registry.CodePersonNeeded)
	e.want(claim(asM, registry.NewRunnerClaim{App: "other"}), registry.CodeInvalid)
	once, appKey := secret("of an app"), secret("of an app's runner")
	c, err := e.s.CreateRunnerClaim(ctx, asM, org, ofApp, once)
	e.ok(err)
	shown, err := e.s.RunnerClaim(ctx, asM, org, c.ID)
	e.ok(err)
	at, err := e.s.EnrollRunner(ctx, visitor, once, "", appKey)
	e.ok(err)
	if c.App != registry.RunnerPizzaPi || shown.App != c.App || at.App != c.App || at.EnrolledBy != m.ID {
		e.Errorf("%+v %+v %+v", c, shown, at)
	}
	e.want(second(e.s.RunnerGrant(ctx, system, at.ID, &appKey)), registry.CodeNotFound)
	e.ok(e.s.RevokeRunner(ctx, system, org, at.ID))
}
