package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// returns: when a platform admin changed how a member signs in, the member is kept out of the org
// until another owner, or something older than the change, says that it is them.
func returns(e env) {
	owner, _ := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	admin, _ := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	eve, asEve := e.member(o.ID, "eve@example.com", registry.RoleMember)
	free := e.org("free", "")
	root, _, _ := e.root("root@example.com")

	n := 0
	link := func(as registry.Actor, u registry.User, mailed bool) {
		e.Helper()
		n++
		s := secret("reset " + string(rune('a'+n)))
		l, err := e.s.CreateAccountLink(ctx, as, registry.LinkReset, u.ID, "", s)
		e.ok(err)
		if mailed {
			e.ok(e.s.QueueMail(ctx, system, registry.Mail{ID: registry.NewID(), To: l.Email, Sealed: []byte("x")}, l.ID))
		}
		e.ok(second(e.s.ResetPassword(ctx, registry.AsVisitor(""), s, "hash "+registry.PasswordHash(l.ID))))
	}
	waits := func(u registry.User) []registry.Approval {
		e.Helper()
		list, err := e.s.Returns(ctx, system, u.ID)
		e.ok(err)
		return list
	}
	in := func(u registry.User, want registry.Code) {
		e.Helper()
		now, err := e.s.User(ctx, system, u.ID)
		e.ok(err)
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(registry.NewID()), User: now, Methods: "pwd"})
		e.ok(err)
		_, err = e.s.Grant(ctx, system, s.ID, o.ID)
		e.want(err, want)
		_, err = e.s.Org(ctx, registry.AsSession(now, s, ""), o.ID)
		if (err == nil) != (want == "") {
			e.Fatalf("the org's management: %v", err)
		}
		list, err := e.s.MyOrgs(ctx, registry.AsSession(now, s, ""))
		e.ok(err)
		if (len(list) == 1) != (want == "") {
			e.Fatalf("%d orgs", len(list))
		}
		all, err := e.s.Orgs(ctx, registry.AsSession(now, s, ""), registry.OrgList{})
		e.ok(err)
		if (len(all.Items) == 1) != (want == "") {
			e.Fatalf("%d orgs in pages", len(all.Items))
		}
	}
	decide := func(as registry.Actor, p registry.Approval, d registry.Decision) error {
		_, _, err := e.s.DecideApproval(ctx, as, p.OrgID, p.ID, d, secret("d"))
		return err
	}

	// A link says so in the org's log when it is made; only its use holds.
	e.ok(second(e.s.CreateAccountLink(ctx, e.now(root), registry.LinkReset, eve.ID, "", secret("unused"))))
	in(eve, "")
	log, err := e.s.Audit(ctx, e.now(owner), o.ID, registry.AuditList{Action: registry.ChangeMemberPasswordLink})
	e.ok(err)
	if len(log.Items) != 1 || log.Items[0].Actor != root.Email || log.Items[0].Target != eve.Email {
		e.Errorf("%+v", log.Items)
	}

	// What an app was given ends as the session does.
	c, err := e.s.CreateClient(ctx, operator, registry.NewClient{Name: "app", OrgID: o.ID, RedirectURIs: []string{"https://app.example.com/"}}, secret("c"))
	e.ok(err)
	s, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("app"), User: eve, Methods: "pwd"})
	e.ok(err)
	e.ok(e.s.InsertCode(ctx, system, registry.NewCode{Hash: secret("code"), ClientID: string(c.ID), OrgID: o.ID, UserID: eve.ID, SessionID: s.ID, Grant: "g", Scope: "openid", ExpiresAt: e.clock.Now().Add(time.Minute)}))
	e.ok(second(e.s.RedeemCode(ctx, system, registry.CodeMatch{Hash: secret("code"), ClientID: string(c.ID)})))
	e.ok(second(e.s.GrantByID(ctx, system, "g")))
	e.ok(second(e.s.AddFactor(ctx, registry.AsSession(eve, s, ""), registry.Factor{ID: "phone", Kind: registry.FactorTOTP, Name: "Phone", Sealed: []byte("x")}, 1, nil)))
	e.ok(e.s.RemoveFactors(ctx, e.now(root), eve.ID, "")) // it ends no session
	e.want(second(e.s.GrantByID(ctx, system, "g")), registry.CodeForbidden)
	e.want(second(e.s.Grant(ctx, system, s.ID, o.ID)), registry.CodeForbidden)
	e.ok(decide(e.now(owner), waits(eve)[0], registry.DecisionApprove))
	e.ok(second(e.s.GrantByID(ctx, system, "g")))

	// By an admin's link: an owner answers, once; admins may refuse; nobody else.
	for _, as := range []registry.Actor{e.now(root), operator} {
		link(as, eve, false)
		in(eve, registry.CodeForbidden)
		list := waits(eve)
		if len(list) != 1 || list[0].AskedBy != as.Name() || !list[0].EffectiveAt.IsZero() {
			e.Fatalf("%+v", list)
		}
		for _, as := range []registry.Actor{e.now(root), e.now(admin), operator} {
			e.want(decide(as, list[0], registry.DecisionApprove), registry.CodeForbidden)
		}
		asEve = e.person(e.again(eve), asEve.Session, "")
		e.want(decide(asEve, list[0], registry.DecisionApprove), registry.CodeNotFound)
		e.want(decide(e.now(root), list[0], registry.DecisionDeny), registry.CodeForbidden)
		e.want(e.s.EndApproval(ctx, e.now(root), o.ID, list[0].ID), registry.CodeForbidden)
		e.clock.Add(registry.ApprovalLife + time.Hour) // it does not run out
		e.ok(e.s.FinishApprovals(ctx, system))
		in(eve, registry.CodeForbidden)
		e.ok(decide(e.now(owner), list[0], registry.DecisionApprove))
		in(eve, "")
	}
	link(e.now(root), eve, false)
	e.ok(decide(e.now(admin), waits(eve)[0], registry.DecisionDeny))
	in(eve, registry.CodeForbidden)
	link(e.now(root), eve, false) // nor does another link help
	in(eve, registry.CodeForbidden)

	// A mailed link to the address that the member had then shows who it is.
	link(system, eve, true)
	in(eve, "")
	link(e.now(root), eve, false)
	now, err := e.s.User(ctx, system, eve.ID)
	e.ok(err)
	asNow := e.now(now)
	e.ok(second(e.s.CreateAccountLink(ctx, asNow, registry.LinkEmail, eve.ID, "thief@example.com", secret("move"))))
	_, _, err = e.s.ConfirmEmail(ctx, asNow, secret("move"))
	e.ok(err)
	link(system, eve, true)
	in(eve, registry.CodeForbidden)
	e.ok(decide(e.now(owner), waits(eve)[0], registry.DecisionApprove))

	// A factor that is older than the change does; a newer one does not.
	factor := func(id registry.FactorID, as registry.Actor) {
		e.Helper()
		_, err := e.s.AddFactor(ctx, as, registry.Factor{ID: id, Kind: registry.FactorTOTP, Name: string(id), Sealed: []byte("x")}, 1, nil)
		e.ok(err)
	}
	review := func() {
		e.Helper()
		keep := map[string]bool{}
		items, err := e.s.RecoveryItems(ctx, e.now(eve))
		e.ok(err)
		for _, i := range items {
			keep[i.Key()] = true
		}
		e.ok(second(e.s.Review(ctx, e.now(eve), keep, nil)))
	}
	factor("old", e.now(eve))
	e.clock.Add(time.Second)
	link(e.now(root), eve, false)
	review()
	e.clock.Add(time.Second)
	factor("new", e.now(eve))
	e.ok(e.s.UseFactor(ctx, system, "new", 2, nil))
	in(eve, registry.CodeForbidden)
	link(e.now(root), eve, false) // the change that counts is the first
	review()
	e.ok(e.s.UseFactor(ctx, system, "new", 3, nil))
	in(eve, registry.CodeForbidden)
	e.ok(e.s.UseFactor(ctx, system, "old", 2, nil))
	in(eve, "")

	// A second step that an admin removes holds; the member's own does not.
	e.ok(e.s.RemoveFactors(ctx, e.now(eve), eve.ID, "new"))
	in(eve, "")
	e.ok(e.s.RemoveFactors(ctx, e.now(root), eve.ID, ""))
	in(eve, registry.CodeForbidden)
	// Who is removed and comes again starts anew.
	e.ok(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, eve.ID, registry.MemberRemoval{})))
	if list := waits(eve); len(list) != 0 {
		e.Errorf("%+v", list)
	}

	// An owner who is kept out is none to leave the org to.
	two, _ := e.member(o.ID, "two@example.com", registry.RoleOwner)
	link(e.now(root), two, false)
	e.want(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, owner.ID, registry.MemberRemoval{})), registry.CodeConflict)
	e.want(e.s.SetRole(ctx, e.now(owner), o.ID, owner.ID, registry.RoleMember), registry.CodeConflict)
	e.want(decide(e.now(two), waits(two)[0], registry.DecisionApprove), registry.CodeNotFound)
	e.ok(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, two.ID, registry.MemberRemoval{})))

	// The only owner returns after a while; nobody else answers but by refusing.
	link(e.now(root), owner, false)
	in(owner, registry.CodeForbidden)
	list := waits(owner)
	if len(list) != 1 || !list[0].EffectiveAt.Equal(e.clock.Now().Add(registry.BreakGlassWait)) {
		e.Fatalf("%+v", list)
	}
	_, err = e.s.CreateInvite(ctx, e.now(root), o.ID, "friend@example.com", registry.RoleOwner, secret("f"))
	e.refusedFor(err, registry.ErrOwnerApproves) // the org still has an owner
	e.clock.Add(registry.BreakGlassWait - time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, registry.CodeForbidden)
	e.clock.Add(time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, "")
	link(e.now(root), owner, false)
	e.ok(decide(e.now(admin), waits(owner)[0], registry.DecisionDeny))
	e.clock.Add(registry.BreakGlassWait)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, registry.CodeForbidden)

	// Where there is no owner, nobody could answer.
	kim, _ := e.member(free.ID, "kim@example.com", registry.RoleAdmin)
	link(e.now(root), kim, false)
	if list := waits(kim); len(list) != 0 {
		e.Errorf("%+v", list)
	}
}

// breakGlass: the operator gives an org whose owners are gone a new one, after a while in which
// an owner can refuse.
func breakGlass(e env) {
	owner, _ := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	admin, _ := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	mia, _ := e.member(o.ID, "mia@example.com", registry.RoleMember)
	you, _ := e.user("you@example.com")
	root, _, asKey := e.root("root@example.com")

	for _, as := range []registry.Actor{e.now(root), asKey, e.now(owner), e.now(admin), system} {
		e.refused(second(e.s.BreakGlass(ctx, as, o.ID, you.Email)))
	}
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, "nobody@example.com")), registry.CodeNotFound)
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, owner.Email)), registry.CodeConflict)
	elsewhere, _ := e.member(e.org("elsewhere", "").ID, "made@example.com", registry.RoleMember)
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, elsewhere.Email)), registry.CodeConflict)
	ask := func() registry.Approval {
		e.Helper()
		p, err := e.s.BreakGlass(ctx, operator, o.ID, you.Email)
		e.ok(err)
		return p
	}
	p := ask()
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, you.Email)), registry.CodeConflict)
	// Every member sees it, and of members' affairs nothing else.
	e.ok(second(e.s.RequestApproval(ctx, e.now(root), o.ID, registry.NewApproval{Kind: registry.ApprovalInvite, Email: "x@example.com", Role: registry.RoleMember})))
	for as, want := range map[registry.Actor]int{e.now(mia): 1, e.now(admin): 2} {
		list, err := e.s.Approvals(ctx, as, o.ID)
		e.ok(err)
		if len(list) != want || list[want-1].ID != p.ID {
			e.Errorf("%+v", list)
		}
	}
	e.want(second(e.s.Approvals(ctx, e.now(you), o.ID)), registry.CodeNotFound)
	for _, as := range []registry.Actor{e.now(admin), e.now(mia), e.now(root), operator} {
		_, _, err := e.s.DecideApproval(ctx, as, o.ID, p.ID, registry.DecisionDeny, secret("d"))
		e.want(err, registry.CodeForbidden)
	}
	_, _, err := e.s.DecideApproval(ctx, e.now(owner), o.ID, p.ID, registry.DecisionDeny, secret("d"))
	e.ok(err)
	e.clock.Add(registry.BreakGlassWait)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.roleOf(o.ID, you.ID, "")

	p = ask()
	e.clock.Add(registry.BreakGlassWait - time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.roleOf(o.ID, you.ID, "")
	e.clock.Add(time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.roleOf(o.ID, you.ID, registry.RoleOwner)
	e.state(o.ID, p.ID, registry.ApprovalDone)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.ok(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, you.ID, registry.MemberRemoval{})))

	p = ask()
	e.ok(e.s.EndApproval(ctx, operator, o.ID, p.ID))
	e.clock.Add(registry.BreakGlassWait)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.roleOf(o.ID, you.ID, "")
	// A member becomes one, and somebody who is here for support.
	for _, prepare := range []func(){
		func() {
			e.ok(second(e.s.CreateInvite(ctx, e.now(owner), o.ID, you.Email, registry.RoleMember, secret("i"))))
			e.ok(second(e.s.AcceptInvite(ctx, e.now(you), secret("i"))))
		},
		func() {
			yes := true
			e.ok(e.s.UpdateUser(ctx, operator, you.ID, registry.UserChange{PlatformAdmin: &yes}))
			u, err := e.s.User(ctx, system, you.ID)
			e.ok(err)
			s, err := e.s.RequestSupport(ctx, e.now(u), o.ID, registry.NewSupport{Role: registry.RoleAdmin, Reason: "x", Hours: registry.SupportHoursMax})
			e.ok(err)
			e.clock.Add(time.Second) // it ends after the owner is made
			e.ok(second(e.s.DecideSupport(ctx, e.now(owner), o.ID, s.ID, registry.DecisionApprove)))
		},
	} {
		p = ask()
		prepare()
		e.clock.Add(registry.BreakGlassWait - time.Second)
		e.ok(e.s.FinishApprovals(ctx, system))
		e.clock.Add(time.Second)
		e.ok(e.s.FinishApprovals(ctx, system))
		e.roleOf(o.ID, you.ID, registry.RoleOwner)
		e.clock.Add(registry.SupportHoursMax * time.Hour)
		e.ok(e.s.FinishSupport(ctx, system))
		e.roleOf(o.ID, you.ID, registry.RoleOwner)
		e.ok(second(e.s.RemoveMember(ctx, e.now(owner), o.ID, you.ID, registry.MemberRemoval{})))
	}
	// An owner need not wait.
	p = ask()
	_, _, err = e.s.DecideApproval(ctx, e.now(owner), o.ID, p.ID, registry.DecisionApprove, secret("d"))
	e.ok(err)
	e.roleOf(o.ID, you.ID, registry.RoleOwner)
}
