package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/pizzaface/pizzeria/registry"
)

// actorless methods neither read nor change what is of somebody.
var actorless = []string{
	"Ahead", "Changed", "Close", "Committed", "Connect", "Now", "Ping", "SetLifetimes", "Wake", "WokenBy",
}

// nobody calls every method with the zero Actor; each must refuse. A new method is found by reflection.
func nobody(e env) {
	v := reflect.ValueOf(e.s)
	for i := range v.NumMethod() {
		m, name := v.Method(i), v.Type().Method(i).Name
		mt := m.Type()
		if mt.NumIn() < 2 || mt.In(1) != reflect.TypeFor[registry.Actor]() {
			if !slices.Contains(actorless, name) {
				e.Errorf("%s takes no actor", name)
			}
			continue
		}
		args := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(registry.Actor{})}
		for j := 2; j < mt.NumIn(); j++ {
			args = append(args, reflect.Zero(mt.In(j)))
		}
		out := m.Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		if registry.ErrorCode(err) != registry.CodeUnauthenticated {
			e.Errorf("%s let nobody in: %v", name, err)
		}
	}
}

// visibility: what you may not see is not found, by every method and with the right ID.
func visibility(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o := e.org("former", a.ID)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "acme"))
	_, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	for name, err := range map[string]error{
		"Org":                 second(e.s.Org(ctx, asB, o.ID)),
		"OrgBySlug":           second(e.s.OrgBySlug(ctx, asB, "acme")),
		"OrgByFormerSlug":     second(e.s.OrgByFormerSlug(ctx, asB, "former")),
		"OrgID":               second(e.s.OrgID(ctx, asB, "acme")),
		"Members":             second(e.s.Members(ctx, asB, o.ID, registry.List{})),
		"Audit":               second(e.s.Audit(ctx, asB, o.ID, registry.AuditList{})),
		"Authorize":           second(e.s.Authorize(ctx, asB, o.ID, registry.ActionOrgRead)),
		"MemberByEmail":       second(e.s.MemberByEmail(ctx, asB, o.ID, "a@example.com")),
		"UpdateOrg":           e.s.UpdateOrg(ctx, asB, o.ID, 0, "x"),
		"RenameOrg":           e.s.RenameOrg(ctx, asB, o.ID, 0, "xyz"),
		"SuspendOrg":          e.s.SuspendOrg(ctx, asB, o.ID, 0, ""),
		"DeleteOrg":           e.s.DeleteOrg(ctx, asB, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}),
		"KeepOrg":             e.s.KeepOrg(ctx, asB, o.ID, 0),
		"RestartInstance":     e.s.RestartInstance(ctx, asB, o.ID, 0),
		"ShowInstanceToken":   e.s.ShowInstanceToken(ctx, asB, o.ID),
		"SetRole":             e.s.SetRole(ctx, asB, o.ID, a.ID, registry.RoleMember),
		"RemoveMember":        second(e.s.RemoveMember(ctx, asB, o.ID, a.ID, registry.MemberRemoval{})),
		"Member":              second(e.s.Member(ctx, asB, o.ID, a.ID)),
		"Runners":             second(e.s.Runners(ctx, asB, o.ID, registry.RunnerList{})),
		"Runner":              second(e.s.Runner(ctx, asB, o.ID, "x")),
		"RunnerClaim":         second(e.s.RunnerClaim(ctx, asB, o.ID, "x")),
		"CreateRunnerClaim":   second(e.s.CreateRunnerClaim(ctx, asB, o.ID, registry.NewRunnerClaim{}, secret("r"))),
		"Connections":         second(e.s.Connections(ctx, asB, o.ID)),
		"CreateConnection":    second(e.s.CreateConnection(ctx, asB, registry.Connection{OrgID: o.ID})),
		"UpdateConnection":    second(e.s.UpdateConnection(ctx, asB, o.ID, "x", registry.ConnectionChange{})),
		"DeleteConnection":    e.s.DeleteConnection(ctx, asB, o.ID, "x"),
		"SetSessionLifetimes": e.s.SetSessionLifetimes(ctx, asB, o.ID, "", registry.Lifetimes{Idle: 600}),
		"RequireSecondStep":   e.s.RequireSecondStep(ctx, asB, o.ID, "", true),
		"Domains":             second(e.s.Domains(ctx, asB, o.ID)),
		"AddDomain":           second(e.s.AddDomain(ctx, asB, o.ID, "example.com", "t")),
		"RemoveDomain":        e.s.RemoveDomain(ctx, asB, o.ID, "example.com"),
		"Identities":          second(e.s.Identities(ctx, asB, a.ID)),
		"RemoveIdentity":      e.s.RemoveIdentity(ctx, asB, a.ID, "x"),
		"Supports":            second(e.s.Supports(ctx, asB, o.ID)),
		"RequestSupport":      second(e.s.RequestSupport(ctx, asB, o.ID, registry.NewSupport{Role: registry.RoleMember, Reason: "x", Hours: 1})),
		"DecideSupport":       second(e.s.DecideSupport(ctx, asB, o.ID, "x", registry.DecisionApprove)),
		"EndSupport":          e.s.EndSupport(ctx, asB, o.ID, "x"),
		"TransferOrg":         e.s.TransferOrg(ctx, asB, o.ID, a.ID),
		"SetOrgPlan":          e.s.SetOrgPlan(ctx, asB, o.ID, 0, "team"),
		"SetOrgProvider":      e.s.SetOrgProvider(ctx, asB, o.ID, 0, "large"),
		"SetOrgLimits":        e.s.SetOrgLimits(ctx, asB, o.ID, 0, nil),
		"Quota":               second(e.s.Quota(ctx, asB, o.ID)),
		"CreateInvite":        second(e.s.CreateInvite(ctx, asB, o.ID, "x@example.com", registry.RoleMember, secret("x"))),
	} {
		if registry.ErrorCode(err) != registry.CodeNotFound {
			e.Errorf("%s for a stranger: %v", name, err)
		}
	}
	e.want(e.s.UpdateOrg(ctx, asMember, o.ID, 0, "x"), registry.CodeForbidden)
	e.want(e.s.SuspendOrg(ctx, asA, o.ID, 0, ""), registry.CodeForbidden) // an owner is no platform admin
	e.want(e.s.ShowInstanceToken(ctx, asA, o.ID), registry.CodeForbidden)
	e.want(second(e.s.CreateOrg(ctx, asA, registry.NewOrg{Slug: "other"})), registry.CodeForbidden)
	e.want(second(e.s.Changes(ctx, asA, 0, 10)), registry.CodeForbidden)
	for _, l := range []registry.OrgList{{}, {Mine: true}, {List: registry.List{Search: "acme"}}} {
		if list, err := e.s.Orgs(ctx, asB, l); err != nil || len(list.Items) != 0 {
			e.Fatalf("a stranger's orgs: %v %v", list, err)
		}
	}
	e.want(second(e.s.PlatformAudit(ctx, asA, registry.AuditList{})), registry.CodeForbidden)
	e.want(second(e.s.Users(ctx, asA, registry.UserList{})), registry.CodeForbidden)
	e.want(second(e.s.UserOrgs(ctx, asB, a.ID)), registry.CodeNotFound)
	e.want(second(e.s.Sessions(ctx, asB, a.ID)), registry.CodeNotFound)
	e.want(e.s.RevokeSessions(ctx, asB, a.ID, ""), registry.CodeNotFound)
}

func lastOwner(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	b, asB := e.member(o.ID, "b@example.com", registry.RoleAdmin)
	e.want(second(e.s.RemoveMember(ctx, asA, o.ID, a.ID, registry.MemberRemoval{})), registry.CodeConflict)
	e.want(e.s.SetRole(ctx, asA, o.ID, a.ID, registry.RoleMember), registry.CodeConflict)
	e.want(e.s.SetRole(ctx, asB, o.ID, b.ID, registry.RoleOwner), registry.CodeForbidden)
	e.want(second(e.s.RemoveMember(ctx, asB, o.ID, a.ID, registry.MemberRemoval{})), registry.CodeForbidden)
	e.ok(e.s.SetRole(ctx, asA, o.ID, b.ID, registry.RoleOwner))
	e.ok(second(e.s.RemoveMember(ctx, asA, o.ID, a.ID, registry.MemberRemoval{})))
}

// lastOwnerRace: two owners remove each other at once; one always stays.
func lastOwnerRace(e env) {
	a, asA := e.user("a@example.com")
	for i := range 100 {
		o := e.org(fmt.Sprintf("race%d", i), a.ID)
		b, asB := e.member(o.ID, fmt.Sprintf("b%d@example.com", i), registry.RoleOwner)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = e.s.RemoveMember(ctx, asA, o.ID, b.ID, registry.MemberRemoval{}) })
		wg.Go(func() { _, _ = e.s.RemoveMember(ctx, asB, o.ID, a.ID, registry.MemberRemoval{}) })
		wg.Wait()
		p, err := e.s.Members(ctx, operator, o.ID, registry.List{})
		e.ok(err)
		if m := p.Items; len(m) != 1 || m[0].Role != registry.RoleOwner {
			e.Fatalf("round %d: %+v", i, p)
		}
	}
}

func third[T, U any](_ T, _ U, err error) error { return err }

func second[T any](_ T, err error) error { return err }
