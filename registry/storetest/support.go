package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// support: a platform admin gets in when an owner says so, for as long as was said, and leaves nothing behind.
func support(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h"})
	e.ok(err)
	asRoot := e.person(root, "", "192.0.2.1")
	k, err := e.s.CreateAPIKey(ctx, asRoot, registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopePlatform}}, secret("k"))
	e.ok(err)
	asKey := registry.AsKey(k, root, "")
	n := registry.NewSupport{Role: registry.RoleAdmin, Reason: "ticket 4711", Hours: 4}
	for _, bad := range []registry.NewSupport{{Role: registry.RoleOwner, Reason: "x", Hours: 1}, {Role: registry.RoleAdmin, Reason: " ", Hours: 1}, {Role: registry.RoleAdmin, Reason: "x", Hours: 73}, {Role: registry.RoleAdmin, Reason: "x"}} {
		e.want(second(e.s.RequestSupport(ctx, asRoot, o.ID, bad)), registry.CodeInvalid)
	}
	for _, as := range []registry.Actor{asOwner, asAdmin, asKey, operator} {
		e.refused(second(e.s.RequestSupport(ctx, as, o.ID, n)))
	}
	// Nor by the back door.
	e.want(second(e.s.CreateInvite(ctx, asRoot, o.ID, root.Email, registry.RoleAdmin, secret("back"))), registry.CodeForbidden)
	e.want(second(e.s.CreateInvite(ctx, asKey, o.ID, root.Email, registry.RoleAdmin, secret("back"))), registry.CodeForbidden)

	p, err := e.s.RequestSupport(ctx, asRoot, o.ID, n)
	e.ok(err)
	e.want(second(e.s.RequestSupport(ctx, asRoot, o.ID, n)), registry.CodeConflict)
	for _, as := range []registry.Actor{asRoot, asAdmin, asKey} {
		e.refused(second(e.s.DecideSupport(ctx, as, o.ID, p.ID, registry.DecisionApprove)))
	}
	e.want(second(e.s.DecideSupport(ctx, operator, o.ID, p.ID, registry.DecisionApprove)), registry.CodeForbidden) // nobody in an owner's stead
	other, asOther := e.user("other@example.com")
	theirs := e.org("other", other.ID)
	e.want(second(e.s.DecideSupport(ctx, asOther, theirs.ID, p.ID, registry.DecisionApprove)), registry.CodeNotFound)

	session, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("s"), User: root, Methods: "pwd"})
	e.ok(err)
	e.want(second(e.s.Grant(ctx, system, session.ID, o.ID)), registry.CodeForbidden)
	p, err = e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)
	e.ok(err)
	if p.State != registry.SupportApproved || !p.EndsAt.Equal(e.clock.Now().Add(4*time.Hour)) || p.DecidedBy != "owner@example.com" {
		e.Errorf("%+v", p)
	}
	e.want(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)), registry.CodeNotFound) // once
	g, err := e.s.Grant(ctx, system, session.ID, o.ID)
	e.ok(err)
	if g.Role != registry.RoleAdmin || !g.Until.Equal(p.EndsAt) {
		e.Errorf("%+v", g)
	}
	// What would outlast it is not given.
	e.want(second(e.s.CreateRunnerClaim(ctx, asRoot, o.ID, registry.NewRunnerClaim{}, secret("claim"))), registry.CodeForbidden)
	e.want(e.s.SetRole(ctx, asOwner, o.ID, root.ID, registry.RoleOwner), registry.CodeConflict)
	e.want(e.s.TransferOrg(ctx, asOwner, o.ID, root.ID), registry.CodeConflict)
	// An org's own sign-in is not asked of who has no account at the company; a second step is.
	c, err := e.connect(asOwner, o.ID, func(s *registry.ConnectionSpec) { s.Required = true })
	e.ok(err)
	e.ok(second(e.s.Grant(ctx, system, session.ID, o.ID)))
	e.ok(e.s.RequireSecondStep(ctx, operator, o.ID, "", true))
	e.want(second(e.s.Grant(ctx, system, session.ID, o.ID)), registry.CodeReauthenticationNeeded)
	e.ok(e.s.RequireSecondStep(ctx, operator, o.ID, "", false))
	e.ok(e.s.DeleteConnection(ctx, operator, o.ID, c.ID))

	// It ends to the moment, and its membership goes.
	e.clock.Add(4*time.Hour - time.Second)
	e.ok(e.s.FinishSupport(ctx, system))
	e.ok(second(e.s.Grant(ctx, system, session.ID, o.ID)))
	e.clock.Add(time.Second)
	e.want(second(e.s.Grant(ctx, system, session.ID, o.ID)), registry.CodeForbidden)
	e.ok(e.s.FinishSupport(ctx, system))
	e.want(second(e.s.Member(ctx, operator, o.ID, root.ID)), registry.CodeNotFound)

	// Ended before its time, refused, too old, and with the admin's rights.
	again := func() registry.Support {
		e.Helper()
		asRoot, asOwner = e.person(root, "", "192.0.2.1"), e.person(owner, "", "")
		p, err := e.s.RequestSupport(ctx, asRoot, o.ID, n)
		e.ok(err)
		return p
	}
	p = again()
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)))
	e.ok(e.s.EndSupport(ctx, asAdmin, o.ID, p.ID))
	e.want(e.s.EndSupport(ctx, asAdmin, o.ID, p.ID), registry.CodeNotFound)
	e.want(second(e.s.Member(ctx, operator, o.ID, root.ID)), registry.CodeNotFound)
	p = again()
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)))
	e.ok(second(e.s.RemoveMember(ctx, asAdmin, o.ID, root.ID, registry.MemberRemoval{})))
	e.want(e.s.EndSupport(ctx, asAdmin, o.ID, p.ID), registry.CodeNotFound)
	p = again()
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionDeny)))
	e.want(second(e.s.Member(ctx, operator, o.ID, root.ID)), registry.CodeNotFound)
	p = again()
	e.clock.Add(registry.SupportWait + time.Second)
	asOwner = e.person(owner, "", "")
	e.want(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)), registry.CodeNotFound)
	p = again()
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)))
	no := false
	e.ok(second(e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root2@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h"})))
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &no}))
	e.want(second(e.s.Member(ctx, operator, o.ID, root.ID)), registry.CodeNotFound)

	list, err := e.s.Supports(ctx, asAdmin, o.ID)
	e.ok(err)
	if len(list) != 6 {
		e.Errorf("%d on record", len(list))
	}
	log, err := e.s.Audit(ctx, asOwner, o.ID, registry.AuditList{Action: registry.ChangeSupportApproved})
	e.ok(err)
	if len(log.Items) != 4 || log.Items[0].Actor != "owner@example.com" || log.Items[0].Target != "root@example.com" {
		e.Errorf("%+v", log.Items)
	}
}

// transfer: an org changes hands in one step, by its owner alone.
func transfer(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	b, asB := e.member(o.ID, "b@example.com", registry.RoleMember)
	stranger, _ := e.user("stranger@example.com")
	e.want(e.s.TransferOrg(ctx, asB, o.ID, b.ID), registry.CodeForbidden)
	e.want(e.s.TransferOrg(ctx, operator, o.ID, b.ID), registry.CodeForbidden)
	e.want(e.s.TransferOrg(ctx, asA, o.ID, stranger.ID), registry.CodeNotFound)
	e.want(e.s.TransferOrg(ctx, asA, o.ID, a.ID), registry.CodeConflict)
	e.ok(e.s.TransferOrg(ctx, asA, o.ID, b.ID))
	for id, want := range map[registry.UserID]registry.Role{a.ID: registry.RoleAdmin, b.ID: registry.RoleOwner} {
		if m, err := e.s.Member(ctx, operator, o.ID, id); err != nil || m.Role != want {
			e.Errorf("%+v %v", m, err)
		}
	}
	e.want(e.s.TransferOrg(ctx, asA, o.ID, b.ID), registry.CodeForbidden) // it is not a's any more
	owners, err := e.s.Owners(ctx, system, o.ID)
	e.ok(err)
	if len(owners) != 1 || owners[0].UserID != b.ID {
		e.Errorf("%+v", owners)
	}
}
