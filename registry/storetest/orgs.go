package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func slugs(e env) {
	for _, bad := range []string{"", "ab", "1abc", "Abc", "a_c", "abc-", "-abc", "xn--abc", "ab--c", strings.Repeat("a", 41), "api", "www", "a.b", "é23", "{env.X}"} {
		_, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: bad})
		e.want(err, registry.CodeInvalid)
	}
	e.org("acme", "")
	_, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.CodeConflict)
}

func renames(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	before := o.Generation
	e.want(e.s.RenameOrg(ctx, operator, o.ID, 0, "www"), registry.CodeInvalid)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "apex"))
	route := func(status registry.RouteStatus, to string) {
		e.Helper()
		r, err := e.s.Route(ctx, system, "acme")
		if err != nil || r.Status != status || r.RedirectTo != to {
			e.Errorf("old slug: %+v %v, want %s to %q", r, err, status, to)
		}
	}
	former := func(want registry.Code) {
		e.Helper()
		v, err := e.s.OrgByFormerSlug(ctx, asOwner, "acme")
		if e.want(err, want); want == "" && v.Slug != "apex" {
			e.Errorf("the former slug leads to %q", v.Slug)
		}
	}
	route(registry.RouteRenamed, "apex")
	former("")
	e.want(second(e.s.OrgByFormerSlug(ctx, asOwner, "apex")), registry.CodeNotFound) // it is the current one
	w, err := e.s.WorkOn(ctx, system, o.ID)
	e.ok(err)
	if w.Slug != "apex" || w.Instance.Generation != before+1 || w.Instance.Desired != registry.DesiredRunning {
		e.Errorf("the instance is not started anew for its address: %+v", w)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.CodeConflict)
	e.clock.Add(registry.RenameRedirect + time.Minute)
	route(registry.RouteQuarantined, "apex")
	former("")
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.CodeConflict)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "acme")) // the org itself may have it back
	former(registry.CodeNotFound)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "apex"))
	e.clock.Add(registry.RenameRedirect + registry.Quarantine + time.Minute)
	_, err = e.s.Route(ctx, system, "acme")
	e.want(err, registry.CodeNotFound)
	former(registry.CodeNotFound)
	e.org("acme", "")
}

// renamesStopped: an org that does not run is renamed and does not run.
func renamesStopped(e env) {
	o := e.org("acme", "")
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "apex"))
	w, err := e.s.WorkOn(ctx, system, o.ID)
	e.ok(err)
	if w.Instance.Desired != registry.DesiredStopped || w.Instance.Generation != o.Generation {
		e.Errorf("a suspended org's instance: %+v", w.Instance)
	}
}

// squatting: an org's own people keep few addresses from others by renames. They may take each back at
// any time, none is free early, and platform admins rename it for them.
func squatting(e env) {
	owner, a := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	to := func(a registry.Actor, slug string, want registry.Code) {
		e.Helper()
		e.want(e.s.RenameOrg(ctx, a, o.ID, 0, slug), want)
	}
	for i := range registry.RestingMax {
		to(a, fmt.Sprintf("acme-%d", i), "")
		e.clock.Add(time.Hour)
	}
	for i := range 30 {
		to(a, fmt.Sprintf("squat-%d", i), registry.CodeConflict)
	}
	for range 3 { // back and forth
		to(a, "acme", "")
		to(a, "acme-2", "")
	}
	for _, slug := range []string{"acme", "acme-0", "acme-1"} {
		_, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: slug})
		e.want(err, registry.CodeConflict)
	}
	e.org("squat-0", "") // a refused rename keeps nothing
	to(operator, "acme-3", "")
	to(a, "acme-4", registry.CodeConflict)
	e.clock.Add(registry.RenameRedirect + registry.Quarantine + time.Minute)
	to(a, "acme-4", "")
}

// allRoutes: walked in pages, every slug that Route answers comes once, as Route says it.
func allRoutes(e env) {
	for _, slug := range []string{"delta", "acme", "beta", "gamma"} {
		e.org(slug, "")
	}
	id, err := e.s.Route(ctx, system, "beta")
	e.ok(err)
	e.ok(e.s.RenameOrg(ctx, operator, id.OrgID, 0, "omega"))
	_, err = e.s.Routes(ctx, operator, "", 10)
	e.want(err, registry.CodeForbidden)
	var slugs []string
	for after := ""; ; {
		page, err := e.s.Routes(ctx, system, after, 2)
		e.ok(err)
		for _, r := range page {
			one, err := e.s.Route(ctx, system, r.Slug)
			e.ok(err)
			if *one != *r {
				e.Fatalf("%+v is not %+v", r, one)
			}
			slugs = append(slugs, r.Slug)
			after = r.Slug
		}
		if len(page) < 2 {
			break
		}
	}
	if got := strings.Join(slugs, " "); got != "acme beta delta gamma omega" {
		e.Fatalf("got %s", got)
	}
}

func statuses(e env) {
	o := e.org("acme", "")
	e.want(e.s.ResumeOrg(ctx, operator, o.ID, 0), registry.CodeConflict)
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, "unpaid"))
	e.want(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""), registry.CodeConflict)
	e.want(e.s.RestartInstance(ctx, operator, o.ID, 0), registry.CodeConflict)
	if r, err := e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteSuspended || r.Address != "" ||
		r.Detail != "unpaid" || !r.RestoreUntil.IsZero() {
		e.Fatalf("suspended: %+v %v", r, err)
	}
	e.ok(e.s.ResumeOrg(ctx, operator, o.ID, 0))
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if v.Generation != 2 || v.Instance.Generation != 2 || v.Status != registry.OrgProvisioning {
		e.Fatalf("resumed: %+v", v)
	}
	e.want(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "wrong", Now: true}), registry.CodeInvalid)
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	e.want(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""), registry.CodeConflict)
}

func versions(e env) {
	o := e.org("acme", "")
	e.ok(e.s.UpdateOrg(ctx, operator, o.ID, o.Version, "One"))
	e.want(e.s.UpdateOrg(ctx, operator, o.ID, o.Version, "Two"), registry.CodeVersionConflict)
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if v.Name != "One" {
		e.Fatalf("name %q", v.Name)
	}
}

func slugRace(e env) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 16 {
		wg.Go(func() {
			if _, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"}); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			} else if registry.ErrorCode(err) != registry.CodeConflict {
				e.Errorf("loser: %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		e.Fatalf("%d orgs got one slug", won)
	}
}

// deletion: for a time an org can be kept, as what it was; then it cannot.
func deletion(e env) {
	o := e.org("acme", "")
	e.want(e.s.KeepOrg(ctx, operator, o.ID, 0), registry.CodeConflict)
	state := func(status registry.OrgStatus, desired registry.Desired) {
		e.Helper()
		v, err := e.s.Org(ctx, operator, o.ID)
		e.ok(err)
		if v.Status != status || v.Instance.Desired != desired || v.DeleteAt.IsZero() != (status != registry.OrgDeleting) {
			e.Fatalf("%+v, want %s and %s", v, status, desired)
		}
	}
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme"}))
	state(registry.OrgDeleting, registry.DesiredStopped)
	e.want(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme"}), registry.CodeConflict)
	if r, err := e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined ||
		!r.RestoreUntil.Equal(e.clock.Now().Add(registry.DeleteUndo)) || r.Detail != "" {
		e.Fatalf("deleting: %+v %v", r, err)
	}
	e.clock.Add(registry.DeleteUndo - time.Second)
	e.ok(e.s.FinishDeletions(ctx, system))
	e.ok(e.s.KeepOrg(ctx, operator, o.ID, 0))
	state(registry.OrgProvisioning, registry.DesiredRunning)

	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, "unpaid"))
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme"}))
	e.ok(e.s.KeepOrg(ctx, operator, o.ID, 0))
	state(registry.OrgSuspended, registry.DesiredStopped)
	if v, err := e.s.Org(ctx, operator, o.ID); err != nil || v.Reason != "unpaid" {
		e.Fatalf("kept: %+v %v", v, err)
	}

	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme"}))
	e.clock.Add(registry.DeleteUndo + time.Second)
	e.want(e.s.KeepOrg(ctx, operator, o.ID, 0), registry.CodeConflict)
	e.ok(e.s.FinishDeletions(ctx, system))
	state(registry.OrgDeleting, registry.DesiredAbsent)
	e.want(e.s.KeepOrg(ctx, operator, o.ID, 0), registry.CodeConflict)

	p := e.org("beta", "")
	e.ok(e.s.DeleteOrg(ctx, operator, p.ID, 0, registry.OrgDeletion{Confirm: "beta"}))
	e.ok(e.s.DeleteOrg(ctx, operator, p.ID, 0, registry.OrgDeletion{Confirm: "beta", Now: true})) // no longer wait
	e.want(e.s.KeepOrg(ctx, operator, p.ID, 0), registry.CodeConflict)
}
