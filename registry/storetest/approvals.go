package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// root makes a platform admin with a key for the platform.
func (e env) root(email string) (u registry.User, as, asKey registry.Actor) {
	e.Helper()
	u, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: email, Name: email,
		PlatformAdmin: true, PasswordHash: "h"})
	e.ok(err)
	as = e.person(u, registry.SessionID(registry.NewID()), "192.0.2.1")
	k, err := e.s.CreateAPIKey(ctx, as, registry.NewAPIKey{Name: "k",
		Scopes: []registry.Scope{registry.ScopePlatform}}, secret(email+" key"))
	e.ok(err)
	return u, as, registry.AsKey(k, u, "")
}

func (e env) refusedFor(err error, want *registry.Error) {
	e.Helper()
	if err != want { //nolint:errorlint // the very one
		e.Fatalf("%v, want %v", err, want)
	}
}

func (e env) roleOf(org registry.OrgID, id registry.UserID, want registry.Role) {
	e.Helper()
	m, err := e.s.Member(ctx, operator, org, id)
	if want == "" {
		e.want(err, registry.CodeNotFound)
		return
	}
	e.ok(err)
	if m.Role != want {
		e.Fatalf("%s, want %s", m.Role, want)
	}
}

func (e env) state(org registry.OrgID, id registry.ApprovalID, want registry.ApprovalState) {
	e.Helper()
	list, err := e.s.Approvals(ctx, operator, org)
	e.ok(err)
	for _, p := range list {
		if p.ID == id {
			if p.State != want {
				e.Fatalf("%+v, want %s", p, want)
			}
			return
		}
	}
	e.Fatalf("%s is not listed", id)
}

// approvals: what platform admins ask for about who gets into an org waits for its owner.
func approvals(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	mia, asMia := e.member(o.ID, "mia@example.com", registry.RoleMember)
	root, asRoot, asKey := e.root("root@example.com")

	decide := func(as registry.Actor, p registry.Approval, d registry.Decision) error {
		_, _, err := e.s.DecideApproval(ctx, as, o.ID, p.ID, d, secret(string(p.ID)))
		return err
	}
	invite := registry.NewApproval{Kind: registry.ApprovalInvite, Email: " Friend@example.com",
		Role: registry.RoleMember}
	role := registry.NewApproval{Kind: registry.ApprovalRole, User: mia.ID,
		Role: registry.RoleOwner}

	// Nobody from outside does it at once: not in person, by a key, or on the machine.
	for _, as := range []registry.Actor{asRoot, asKey, operator} {
		for _, r := range []registry.Role{registry.RoleMember, registry.RoleAdmin, registry.RoleOwner} {
			_, err := e.s.CreateInvite(ctx, as, o.ID, "friend@example.com", r, secret("x"))
			if r == registry.RoleOwner && as.Key() != "" {
				e.want(err, registry.CodePersonNeeded)
				e.want(e.s.SetRole(ctx, as, o.ID, mia.ID, r), registry.CodePersonNeeded)
				continue
			}
			e.refusedFor(err, registry.ErrOwnerApproves)
			if r != registry.RoleMember {
				e.refusedFor(e.s.SetRole(ctx, as, o.ID, mia.ID, r), registry.ErrOwnerApproves)
			}
		}
		e.refusedFor(e.s.SetRole(ctx, as, o.ID, asAdmin.User, registry.RoleMember), registry.ErrOwnerApproves)
		e.refused(second(e.s.RemoveMember(ctx, as, o.ID, owner.ID, registry.MemberRemoval{})))
	}
	// Who may not do it does not ask for it either.
	for _, as := range []registry.Actor{asMia, registry.AsVisitor("")} {
		e.want(second(e.s.RequestApproval(ctx, as, o.ID, invite)), map[bool]registry.Code{true: registry.CodeForbidden, false: registry.CodeNotFound}[as.IsUser()])
	}
	for _, bad := range []registry.NewApproval{{Kind: "return", Email: "x@example.com", Role: registry.RoleMember}, {Kind: registry.ApprovalInvite, Email: "x", Role: registry.RoleMember}, {Kind: registry.ApprovalInvite, Email: "x@example.com", Role: "runner"}, {Kind: registry.ApprovalRole, User: mia.ID, Role: "king"}} {
		e.want(second(e.s.RequestApproval(ctx, asRoot, o.ID, bad)), registry.CodeInvalid)
	}
	e.want(second(e.s.RequestApproval(ctx, asRoot, o.ID, registry.NewApproval{Kind: registry.ApprovalInvite, Email: root.Email, Role: registry.RoleMember})), registry.CodeForbidden)

	// An invitation: the owner's own, once.
	p, err := e.s.RequestApproval(ctx, asRoot, o.ID, invite)
	e.ok(err)
	if p.Email != "friend@example.com" || p.AskedByID != root.ID || !p.ExpiresAt.Equal(e.clock.Now().Add(registry.ApprovalLife)) {
		e.Errorf("%+v", p)
	}
	e.want(second(e.s.RequestApproval(ctx, asKey, o.ID, invite)), registry.CodeConflict)
	other, asOther := e.user("other@example.com")
	theirs := e.org("other", other.ID)
	_, _, err = e.s.DecideApproval(ctx, asOther, theirs.ID, p.ID, registry.DecisionApprove, secret("o"))
	e.want(err, registry.CodeNotFound)
	for _, as := range []registry.Actor{asRoot, asAdmin, asMia, asKey, operator} {
		e.refused(decide(as, p, registry.DecisionApprove))
		e.refused(decide(as, p, registry.DecisionDeny))
	}
	_, l, err := e.s.DecideApproval(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove, secret("friend"))
	e.ok(err)
	if l.CreatedBy != owner.ID || l.Email != "friend@example.com" || l.Role != registry.RoleMember {
		e.Errorf("%+v", l)
	}
	e.want(decide(asOwner, p, registry.DecisionApprove), registry.CodeNotFound)
	e.want(decide(asOwner, p, registry.DecisionDeny), registry.CodeNotFound)
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("friend"), "F", "hash")
	e.ok(err)

	// A role, exactly as asked for.
	p, err = e.s.RequestApproval(ctx, asRoot, o.ID, role)
	e.ok(err)
	e.ok(e.s.SetRole(ctx, asOwner, o.ID, mia.ID, registry.RoleAdmin))
	e.want(decide(asOwner, p, registry.DecisionApprove), registry.CodeConflict)
	e.roleOf(o.ID, mia.ID, registry.RoleAdmin)
	e.ok(decide(asOwner, p, registry.DecisionDeny))
	e.state(o.ID, p.ID, registry.ApprovalRefused)
	p, err = e.s.RequestApproval(ctx, operator, o.ID, role)
	e.ok(err)
	e.ok(decide(asOwner, p, registry.DecisionApprove))
	e.roleOf(o.ID, mia.ID, registry.RoleOwner)

	// Nobody answers for themselves: whom it is about, or who asked and became an owner since.
	role = registry.NewApproval{Kind: registry.ApprovalRole, User: mia.ID, Role: registry.RoleMember}
	p, err = e.s.RequestApproval(ctx, asRoot, o.ID, role)
	e.ok(err)
	e.want(decide(asMia, p, registry.DecisionApprove), registry.CodeForbidden)
	_, err = e.s.CreateInvite(ctx, asOwner, o.ID, root.Email, registry.RoleOwner, secret("root"))
	e.ok(err)
	e.ok(second(e.s.AcceptInvite(ctx, asRoot, secret("root"))))
	e.want(decide(asRoot, p, registry.DecisionApprove), registry.CodeForbidden)
	e.ok(second(e.s.RemoveMember(ctx, asOwner, o.ID, root.ID, registry.MemberRemoval{})))
	e.state(o.ID, p.ID, registry.ApprovalWaiting)

	// It ends with the right to ask, when it is taken back, with the member, and with time.
	root2, _, _ := e.root("root2@example.com")
	no := false
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &no}))
	e.state(o.ID, p.ID, registry.ApprovalEnded)
	e.want(decide(e.now(owner), p, registry.DecisionApprove), registry.CodeNotFound)
	again := func() registry.Approval {
		e.Helper()
		p, err := e.s.RequestApproval(ctx, e.now(root2), o.ID, role)
		e.ok(err)
		return p
	}
	p = again()
	e.want(e.s.EndApproval(ctx, e.now(owner), o.ID, p.ID), registry.CodeForbidden)
	e.ok(e.s.EndApproval(ctx, e.now(root2), o.ID, p.ID))
	e.want(e.s.EndApproval(ctx, e.now(root2), o.ID, p.ID), registry.CodeNotFound)
	p = again()
	e.clock.Add(registry.ApprovalLife)
	e.want(decide(e.now(owner), p, registry.DecisionApprove), registry.CodeNotFound)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.state(o.ID, p.ID, registry.ApprovalEnded)
	p = again()
	e.ok(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, mia.ID, registry.MemberRemoval{})))
	e.state(o.ID, p.ID, registry.ApprovalEnded)
	e.want(e.s.FinishApprovals(ctx, operator), registry.CodeForbidden)

	// No flood.
	for i := range registry.ApprovalsMax {
		invite.Email = fmt.Sprintf("u%d@example.com", i)
		e.ok(second(e.s.RequestApproval(ctx, e.now(root2), o.ID, invite)))
	}
	invite.Email = "last@example.com"
	e.want(second(e.s.RequestApproval(ctx, e.now(root2), o.ID, invite)), registry.CodeConflict)

	log, err := e.s.Audit(ctx, e.now(owner), o.ID, registry.AuditList{Action: registry.ChangeApprovalApproved})
	e.ok(err)
	if len(log.Items) != 2 || log.Items[1].Target != "friend@example.com" || log.Items[1].Actor != owner.Email {
		e.Errorf("%+v", log.Items)
	}

	// Without an owner nothing waits.
	free := e.org("free", "")
	_, err = e.s.CreateInvite(ctx, e.now(root2), free.ID, "first@example.com", registry.RoleOwner, secret("first"))
	e.ok(err)
	// A platform admin's role in the org counts for what it is.
	_, err = e.s.CreateInvite(ctx, e.now(owner), o.ID, "root2@example.com", registry.RoleAdmin, secret("r2"))
	e.ok(err)
	e.verify(root2)
	e.ok(second(e.s.AcceptInvite(ctx, e.now(root2), secret("r2"))))
	e.ok(second(e.s.CreateInvite(ctx, e.now(root2), o.ID, "new@example.com", registry.RoleAdmin, secret("new"))))
	_, err = e.s.CreateInvite(ctx, e.now(root2), o.ID, "new2@example.com", registry.RoleOwner, secret("new2"))
	e.refusedFor(err, registry.ErrOwnerApproves)
	e.refusedFor(e.s.SetRole(ctx, e.now(root2), o.ID, root2.ID, registry.RoleOwner), registry.ErrOwnerApproves)
}

// approvalRace: of many answers at once one counts, and it is done once.
func approvalRace(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	_, asB := e.member(o.ID, "b@example.com", registry.RoleOwner)
	mia, _ := e.member(o.ID, "mia@example.com", registry.RoleMember)
	_, asRoot, _ := e.root("root@example.com")
	for round := range 20 {
		role := []registry.Role{registry.RoleAdmin, registry.RoleMember}[round%2]
		p, err := e.s.RequestApproval(ctx, asRoot, o.ID, registry.NewApproval{Kind: registry.ApprovalRole, User: mia.ID, Role: role})
		e.ok(err)
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() {
				switch as := []registry.Actor{asA, asB}[i%2]; i {
				case 0, 1, 2:
					_, _, errs[i] = e.s.DecideApproval(ctx, as, o.ID, p.ID, registry.DecisionApprove, secret("r"))
				case 3, 4:
					_, _, errs[i] = e.s.DecideApproval(ctx, as, o.ID, p.ID, registry.DecisionDeny, secret("r"))
				default:
					errs[i] = e.s.EndApproval(ctx, asRoot, o.ID, p.ID)
				}
			})
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			if err == nil && won >= 0 {
				e.Fatalf("%d and %d both counted", won, i)
			}
			if err == nil {
				won = i
				continue
			}
			e.want(err, registry.CodeNotFound)
		}
		m, err := e.s.Member(ctx, operator, o.ID, mia.ID)
		e.ok(err)
		if won < 0 || (m.Role == role) != (won <= 2) {
			e.Fatalf("%d counted, and the role is %s", won, m.Role)
		}
		if m.Role != role { // for the next round
			e.ok(e.s.SetRole(ctx, asA, o.ID, mia.ID, role))
		}
	}
}

// outsiders: whoever is not, for good, in an org that has an owner gives nobody a way into it.
// Support access is no exception, and what it asked for ends with it.
func outsiders(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	root, asRoot, asKey := e.root("root@example.com")
	d, err := e.s.AddDomain(ctx, asOwner, o.ID, "example.com", "token")
	e.ok(err)
	c, err := e.connect(asOwner, o.ID, nil)
	e.ok(err)
	ways := map[string]func(registry.Actor) error{
		"a key": func(as registry.Actor) error {
			return second(e.s.CreateAPIKey(ctx, as, registry.NewAPIKey{Name: "k", OrgID: o.ID, Role: registry.RoleMember, Scopes: []registry.Scope{registry.ScopeMemberWrite}}, secret("key "+registry.NewID())))
		},
		"a runner": func(as registry.Actor) error {
			return second(e.s.CreateRunnerClaim(ctx, as, o.ID, registry.NewRunnerClaim{}, secret("claim "+registry.NewID())))
		},
		"a provider": func(as registry.Actor) error {
			return second(e.connect(as, o.ID, nil))
		},
		"a provider's roles": func(as registry.Actor) error {
			spec := c.ConnectionSpec
			spec.DefaultRole = registry.RoleAdmin
			return second(e.s.UpdateConnection(ctx, as, o.ID, c.ID, registry.ConnectionChange{Spec: spec}))
		},
		"a domain": func(as registry.Actor) error {
			return second(e.s.AddDomain(ctx, as, o.ID, "example.net", "token"))
		},
		"an invitation": func(as registry.Actor) error {
			return second(e.s.CreateInvite(ctx, as, o.ID, "friend@example.com", registry.RoleMember, secret("i")))
		},
	}
	try := func(who string, as registry.Actor) {
		e.Helper()
		for what, way := range ways {
			switch registry.ErrorCode(way(as)) {
			case registry.CodeForbidden, registry.CodePersonNeeded:
			default:
				e.Errorf("%s gave %s", who, what)
			}
		}
	}
	try("a platform admin", asRoot)
	try("a platform admin's key", asKey)
	try("the operator", operator)

	s, err := e.s.RequestSupport(ctx, asRoot, o.ID, registry.NewSupport{Role: registry.RoleAdmin, Reason: "x", Hours: 1})
	e.ok(err)
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, s.ID, registry.DecisionApprove)))
	try("support", asRoot)
	p, err := e.s.RequestApproval(ctx, asRoot, o.ID, registry.NewApproval{Kind: registry.ApprovalInvite, Email: "friend@example.com", Role: registry.RoleMember})
	e.ok(err)
	e.clock.Add(time.Hour)
	e.ok(e.s.FinishSupport(ctx, system))
	e.state(o.ID, p.ID, registry.ApprovalEnded)

	asOwner, asRoot = e.person(owner, "", ""), e.person(root, asRoot.Session, "")
	for what, way := range ways {
		if err := way(asOwner); err != nil {
			e.Errorf("the owner and %s: %v", what, err)
		}
	}

	// What lets nobody in can still be done for people who are shut out.
	e.ok(e.s.RequireSecondStep(ctx, asRoot, o.ID, "", true))
	e.ok(e.s.RequireSecondStep(ctx, asRoot, o.ID, "", false))
	e.ok(e.s.DeleteConnection(ctx, asRoot, o.ID, c.ID))
	e.ok(e.s.RemoveDomain(ctx, asRoot, o.ID, d.Domain))

	// A provider of the platform, or of an org whose domain an admin vouched for, does not find
	// members of other orgs by their address; one whose domain is in the DNS does.
	eve, _ := e.member(o.ID, "eve@corp.example", registry.RoleMember)
	e.ok(second(e.s.CreateAccountLink(ctx, e.now(eve), registry.LinkVerify, eve.ID, "", secret("v"))))
	_, _, err = e.s.ConfirmEmail(ctx, e.now(eve), secret("v"))
	e.ok(err)
	all, err := e.connect(operator, "", nil)
	e.ok(err)
	evil, asEvil := e.user("evil@example.com")
	trap := e.org("trap", evil.ID)
	e.ok(second(e.s.AddDomain(ctx, asEvil, trap.ID, "corp.example", "token")))
	d, err = e.s.VerifyDomain(ctx, asRoot, trap.ID, "corp.example", "")
	e.ok(err)
	own, err := e.connect(asEvil, trap.ID, nil)
	e.ok(err)
	by := func(c registry.ConnectionID) error {
		_, _, err := e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c, Subject: "s", Email: eve.Email, EmailVerified: true, Name: "Eve"})
		return err
	}
	e.want(by(all.ID), registry.CodeForbidden)
	e.want(by(own.ID), registry.CodeForbidden)
	e.ok(e.s.RemoveDomain(ctx, asEvil, trap.ID, d.Domain))
	d, err = e.s.AddDomain(ctx, asEvil, trap.ID, "corp.example", "token")
	e.ok(err)
	e.ok(second(e.s.VerifyDomain(ctx, system, trap.ID, d.Domain, d.Value)))
	e.ok(by(own.ID))
}
