package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// installation: what the store says of itself and of the platform as a whole, and to whom.
func installation(e env) {
	for range 100 { // each gives back what it uses
		within, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		e.ok(e.s.Ping(within))
	}
	_, asU := e.user("u@example.com")

	yes, err := e.s.HasPlatformAdmin(ctx, system)
	e.ok(err)
	e.want(second(e.s.HasPlatformAdmin(ctx, operator)), registry.CodeForbidden)
	_, asRoot, asKey := e.root("root@example.com")
	now, err := e.s.HasPlatformAdmin(ctx, system)
	e.ok(err)
	if yes || !now {
		e.Fatalf("a platform admin: %v before there was one, %v after", yes, now)
	}

	e.ok(e.s.AuthorizePlatform(ctx, operator, registry.ActionPlatformRead))
	e.ok(e.s.AuthorizePlatform(ctx, asRoot, registry.ActionPlatformRead))
	for _, as := range []registry.Actor{asU, registry.AsVisitor("")} {
		e.refused(e.s.AuthorizePlatform(ctx, as, registry.ActionPlatformRead))
	}
	nobody := e.s.AuthorizePlatform(ctx, registry.Actor{}, registry.ActionPlatformRead)
	e.want(nobody, registry.CodeUnauthenticated)
	e.refused(e.s.AuthorizePlatform(ctx, asKey, registry.ActionSigningKeyRotate))
}

// changed: a commit wakes those who wait, and what it wrote is there to be read again since a time.
func changed(e env) {
	woken := e.s.Changed()
	e.org("before", "")
	e.clock.Add(time.Minute)
	since := e.clock.Now()
	o := e.org("acme", "")
	select {
	case <-woken:
	default:
		e.Error("a commit woke nobody")
	}
	select {
	case <-e.s.Changed():
		e.Error("woken without a commit")
	default:
	}
	head, err := e.s.Head(ctx, system)
	e.ok(err)
	// A database that tells of changes tells of this one, too, and when is its own affair.
	told := func(by, want registry.WakeSource) bool { return by == want || by == registry.WakeNotify }
	if got, by := e.s.Committed(), e.s.WokenBy(); got != head || !told(by, registry.WakeCommit) {
		e.Errorf("committed %d of %d, woken by %s", got, head, by)
	}
	woken = e.s.Changed()
	e.s.Wake(registry.WakeRedis)
	select {
	case <-woken:
	default:
		e.Error("Wake woke nobody")
	}
	if got, by := e.s.Committed(), e.s.WokenBy(); got != head || !told(by, registry.WakeRedis) {
		e.Errorf("after Wake: committed %d of %d, woken by %s", got, head, by)
	}
	list, err := e.s.ChangesSince(ctx, system, since)
	e.ok(err)
	if len(list) != 1 || list[0].OrgID != o.ID || list[0].Kind != registry.ChangeOrgCreated {
		e.Fatalf("%+v", list)
	}
	e.want(second(e.s.ChangesSince(ctx, operator, since)), registry.CodeForbidden)
}

// places: a provider's instances are where the first who asks says, or a server that is alone.
func places(e env) {
	for _, c := range []struct {
		provider   string
		here, want registry.PlaceID
		alone      bool
	}{
		{"process", "a", "a", false}, {"process", "b", "a", false}, {"docker", "b", "b", false},
		{"process", "a", "a", false}, {"process", "c", "c", true}, {"process", "a", "c", false},
		{"docker", "b", "b", false}, {"other", "c", "c", true},
	} {
		got, err := e.s.PlaceOf(ctx, system, c.provider, c.here, c.alone)
		e.ok(err)
		if got != c.want {
			e.Errorf("%+v: %s", c, got)
		}
	}
	e.want(second(e.s.PlaceOf(ctx, operator, "process", "a", true)), registry.CodeForbidden)
}

// brokenLeases: a process that has the store to itself takes over what an earlier one held.
func brokenLeases(e env) {
	o := e.org("acme", "")
	was, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	e.want(e.s.BreakLeases(ctx, operator), registry.CodeForbidden)
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Hour)), registry.CodeConflict)
	e.ok(e.s.BreakLeases(ctx, system))
	now, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	if now.Token <= was.Token {
		e.Errorf("tokens %d then %d", was.Token, now.Token)
	}
	seen := registry.Report{State: registry.InstanceStarting}
	e.want(e.s.Report(ctx, system, was, 1, "test", seen), registry.CodeConflict)
	e.ok(e.s.Report(ctx, system, now, 1, "test", seen))
}

// prunedAudit: entries of before go, the rest holds together.
func prunedAudit(e env) {
	e.org("before", "")
	e.clock.Add(time.Hour)
	e.org("after", "")
	e.want(second(e.s.PruneAudit(ctx, operator, e.clock.Now())), registry.CodeForbidden)
	more, err := e.s.PruneAudit(ctx, system, e.clock.Now())
	e.ok(err)
	r, err := e.s.VerifyAudit(ctx, operator, nil)
	e.ok(err)
	if more || r.First == 1 {
		e.Fatalf("more %v, %+v", more, r)
	}
	left, err := e.s.AuditAfter(ctx, operator, "", registry.AuditList{}, 0, 100)
	e.ok(err)
	for _, entry := range left {
		if entry.Target == "before" {
			e.Errorf("%+v is left", entry)
		}
	}
}

// installationID: it is made once, whoever asks first.
func installationID(e env) {
	e.want(second(e.s.Installation(ctx, operator)), registry.CodeForbidden)
	var ids [16]registry.InstallationID
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(len(ids))
	for i := range ids {
		wg.Go(func() {
			if err := e.s.Ping(ctx); err != nil { // opens connections, which takes longer than the race
				e.Error(err)
			}
			ready.Done()
			ready.Wait()
			id, err := e.s.Installation(ctx, system)
			if err != nil {
				e.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || !registry.ValidID(string(id)) {
			e.Fatalf("several, or none: %q", ids)
		}
	}
}
