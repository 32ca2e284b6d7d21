package storetest

import (
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// undelivered: a sign-in whose roles claim was not delivered lowers and ends no role, is counted at
// its connection, and logged once.
func undelivered(e env) {
	owner, asOwner := e.user("owner@elsewhere.example")
	o := e.org("acme", owner.ID)
	e.ownDomain(asOwner, o.ID)
	spec := e.spec(o.ID)
	spec.DefaultRole, spec.RolesClaim = "", "groups"
	spec.Roles = []registry.RoleMapping{{Value: "dev", Role: registry.RoleMember}, {Value: "ops", Role: registry.RoleAdmin}}
	c, err := e.connect(asOwner, o.ID, func(s *registry.ConnectionSpec) { *s = spec })
	e.ok(err)
	come := func(why registry.Undelivered, values ...string) (registry.User, error) {
		u, _, err := e.s.SignInExternal(ctx, system, registry.ExternalSignIn{
			Connection: c.ID, Subject: "kim", Email: "kim@example.com", EmailVerified: true, Name: "Kim", Values: values, Undelivered: why,
		})
		return u, err
	}
	_, err = come(registry.UndeliveredElsewhere)
	e.want(err, registry.CodeForbidden)
	if err == nil || !strings.Contains(err.Error(), "did not say which groups") {
		e.Errorf("somebody new without groups: %v", err)
	}
	kim, err := come("", "ops")
	e.ok(err)
	expect := func(role registry.Role, count, logged int) {
		e.Helper()
		if m, err := e.s.Member(ctx, operator, o.ID, kim.ID); err != nil || m.Role != role {
			e.Errorf("%+v %v, want %s", m, err, role)
		}
		list, err := e.s.Connections(ctx, asOwner, o.ID)
		if err != nil || list[0].Undelivered != count {
			e.Errorf("%+v %v: want %d", list, err, count)
		}
		log, err := e.s.Audit(ctx, asOwner, o.ID, registry.AuditList{Action: registry.ChangeMemberRoleKept})
		if err != nil || len(log.Items) != logged {
			e.Errorf("%d entries %v, want %d", len(log.Items), err, logged)
		} else if logged > 0 && (log.Items[0].Target != kim.Email || !strings.Contains(log.Items[0].Detail, "by Okta: ")) {
			e.Errorf("%+v", log.Items[0])
		}
	}
	expect(registry.RoleAdmin, 0, 0)
	for range 3 {
		e.ok(second(come(registry.UndeliveredElsewhere)))
		expect(registry.RoleAdmin, 1, 1)
	}
	e.ok(second(come(registry.UndeliveredMalformed, "dev"))) // another reason
	expect(registry.RoleAdmin, 1, 2)
	e.ok(second(come("", "dev")))
	expect(registry.RoleMember, 0, 2)
	e.ok(second(come(registry.UndeliveredMalformed, "ops"))) // what is said may raise
	expect(registry.RoleAdmin, 1, 2)
	_, err = come("")
	e.want(err, registry.CodeForbidden) // who is in no group has no role
	expect(registry.RoleAdmin, 1, 2)

	// Of another claim nothing is known yet; without one there is nothing to deliver.
	e.ok(second(come(registry.UndeliveredAbsent)))
	expect(registry.RoleAdmin, 1, 3)
	spec.RolesClaim = "roles"
	e.ok(second(e.s.UpdateConnection(ctx, asOwner, o.ID, c.ID, registry.ConnectionChange{Spec: spec})))
	expect(registry.RoleAdmin, 0, 3)
}
