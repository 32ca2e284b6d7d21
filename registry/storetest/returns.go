package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// returns: when a platform admin changed how a member signs in, the member is kept out of the org
// until another owner, or something older than the change, says that it is them.
func returns(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	eve, asEve := e.member(o.ID, "eve@example.com", registry.RoleMember)
	free := e.org("free", "")
	root, asRoot, _ := e.root("root@example.com")

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
	decide := func(as registry.Actor, p registry.Approval, approve bool) error {
		_, _, err := e.s.DecideApproval(ctx, as, p.OrgID, p.ID, approve, secret("d"))
		return err
	}

	// A link says so in the org's log when it is made; only its use holds.
	e.ok(second(e.s.CreateAccountLink(ctx, asRoot, registry.LinkReset, eve.ID, "", secret("unused"))))
	in(eve, "")
	log, err := e.s.Audit(ctx, asOwner, o.ID, registry.AuditList{Action: registry.PasswordLinkMade})
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
	e.ok(e.s.RemoveFactors(ctx, asRoot, eve.ID, "")) // it ends no session
	e.want(second(e.s.GrantByID(ctx, system, "g")), registry.Forbidden)
	e.want(second(e.s.Grant(ctx, system, s.ID, o.ID)), registry.Forbidden)
	e.ok(decide(asOwner, waits(eve)[0], true))
	e.ok(second(e.s.GrantByID(ctx, system, "g")))

	// By an admin's link: an owner answers, once; admins may refuse; nobody else.
	for _, as := range []registry.Actor{asRoot, operator} {
		link(as, eve, false)
		in(eve, registry.Forbidden)
		list := waits(eve)
		if len(list) != 1 || list[0].AskedBy != as.Name() || !list[0].EffectiveAt.IsZero() {
			e.Fatalf("%+v", list)
		}
		for _, as := range []registry.Actor{asRoot, asAdmin, operator} {
			e.want(decide(as, list[0], true), registry.Forbidden)
		}
		e.want(decide(asEve, list[0], true), registry.NotFound)
		e.want(decide(asRoot, list[0], false), registry.Forbidden)
		e.want(e.s.EndApproval(ctx, asRoot, o.ID, list[0].ID), registry.Forbidden)
		e.clock.Add(registry.ApprovalLife + time.Hour) // it does not run out
		e.ok(e.s.FinishApprovals(ctx, system))
		in(eve, registry.Forbidden)
		e.ok(decide(asOwner, list[0], true))
		in(eve, "")
	}
	link(asRoot, eve, false)
	e.ok(decide(asAdmin, waits(eve)[0], false))
	in(eve, registry.Forbidden)
	link(asRoot, eve, false) // nor does another link help
	in(eve, registry.Forbidden)

	// A mailed link to the address that the member had then shows who it is.
	link(system, eve, true)
	in(eve, "")
	link(asRoot, eve, false)
	now, err := e.s.User(ctx, system, eve.ID)
	e.ok(err)
	asNow := registry.AsUser(now, registry.SessionID(registry.NewID()), "")
	e.ok(second(e.s.CreateAccountLink(ctx, asNow, registry.LinkEmail, eve.ID, "thief@example.com", secret("move"))))
	_, _, err = e.s.ConfirmEmail(ctx, asNow, secret("move"))
	e.ok(err)
	link(system, eve, true)
	in(eve, registry.Forbidden)
	e.ok(decide(asOwner, waits(eve)[0], true))

	// A factor that is older than the change does; a newer one does not.
	factor := func(id registry.FactorID, as registry.Actor) {
		e.Helper()
		_, err := e.s.AddFactor(ctx, as, registry.Factor{ID: id, Kind: registry.FactorTOTP, Name: string(id), Sealed: []byte("x")}, 1, nil)
		e.ok(err)
	}
	factor("old", asNow)
	e.clock.Add(time.Second)
	link(asRoot, eve, false)
	e.clock.Add(time.Second)
	factor("new", asNow)
	e.ok(e.s.UseFactor(ctx, system, "new", 2, nil))
	in(eve, registry.Forbidden)
	link(asRoot, eve, false) // the change that counts is the first
	e.ok(e.s.UseFactor(ctx, system, "new", 3, nil))
	in(eve, registry.Forbidden)
	e.ok(e.s.UseFactor(ctx, system, "old", 2, nil))
	in(eve, "")

	// A second step that an admin removes holds; the member's own does not.
	e.ok(e.s.RemoveFactors(ctx, asNow, eve.ID, "new"))
	in(eve, "")
	e.ok(e.s.RemoveFactors(ctx, asRoot, eve.ID, ""))
	in(eve, registry.Forbidden)
	// Who is removed and comes again starts anew.
	e.ok(second(e.s.RemoveMember(ctx, asOwner, o.ID, eve.ID, false)))
	if list := waits(eve); len(list) != 0 {
		e.Errorf("%+v", list)
	}

	// An owner who is kept out is none to leave the org to.
	two, asTwo := e.member(o.ID, "two@example.com", registry.RoleOwner)
	link(asRoot, two, false)
	e.want(second(e.s.RemoveMember(ctx, asOwner, o.ID, owner.ID, false)), registry.Conflict)
	e.want(e.s.SetRole(ctx, asOwner, o.ID, owner.ID, registry.RoleMember), registry.Conflict)
	e.want(decide(asTwo, waits(two)[0], true), registry.NotFound)
	e.ok(second(e.s.RemoveMember(ctx, asOwner, o.ID, two.ID, false)))

	// The only owner returns after a while; nobody else answers but by refusing.
	link(asRoot, owner, false)
	in(owner, registry.Forbidden)
	list := waits(owner)
	if len(list) != 1 || !list[0].EffectiveAt.Equal(e.clock.Now().Add(registry.BreakGlassWait)) {
		e.Fatalf("%+v", list)
	}
	_, err = e.s.CreateInvite(ctx, asRoot, o.ID, "friend@example.com", registry.RoleOwner, secret("f"))
	e.refusedFor(err, registry.ErrOwnerApproves) // the org still has an owner
	e.clock.Add(registry.BreakGlassWait - time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, registry.Forbidden)
	e.clock.Add(time.Second)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, "")
	link(asRoot, owner, false)
	e.ok(decide(asAdmin, waits(owner)[0], false))
	e.clock.Add(registry.BreakGlassWait)
	e.ok(e.s.FinishApprovals(ctx, system))
	in(owner, registry.Forbidden)

	// Where there is no owner, nobody could answer.
	kim, _ := e.member(free.ID, "kim@example.com", registry.RoleAdmin)
	link(asRoot, kim, false)
	if list := waits(kim); len(list) != 0 {
		e.Errorf("%+v", list)
	}
}

// breakGlass: the operator gives an org whose owners are gone a new one, after a while in which
// an owner can refuse.
func breakGlass(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	_, asMia := e.member(o.ID, "mia@example.com", registry.RoleMember)
	you, asYou := e.user("you@example.com")
	_, asRoot, asKey := e.root("root@example.com")

	for _, as := range []registry.Actor{asRoot, asKey, asOwner, asAdmin, system} {
		e.want(second(e.s.BreakGlass(ctx, as, o.ID, you.Email)), registry.Forbidden)
	}
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, "nobody@example.com")), registry.NotFound)
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, owner.Email)), registry.Conflict)
	ask := func() registry.Approval {
		e.Helper()
		p, err := e.s.BreakGlass(ctx, operator, o.ID, you.Email)
		e.ok(err)
		return p
	}
	p := ask()
	e.want(second(e.s.BreakGlass(ctx, operator, o.ID, you.Email)), registry.Conflict)
	// Every member sees it, and of members' affairs nothing else.
	e.ok(second(e.s.RequestApproval(ctx, asRoot, o.ID, registry.NewApproval{Kind: registry.ApprovalInvite, Email: "x@example.com", Role: registry.RoleMember})))
	for as, want := range map[registry.Actor]int{asMia: 1, asAdmin: 2} {
		list, err := e.s.Approvals(ctx, as, o.ID)
		e.ok(err)
		if len(list) != want || list[want-1].ID != p.ID {
			e.Errorf("%+v", list)
		}
	}
	e.want(second(e.s.Approvals(ctx, asYou, o.ID)), registry.NotFound)
	for _, as := range []registry.Actor{asAdmin, asMia, asRoot, operator} {
		_, _, err := e.s.DecideApproval(ctx, as, o.ID, p.ID, false, secret("d"))
		e.want(err, registry.Forbidden)
	}
	_, _, err := e.s.DecideApproval(ctx, asOwner, o.ID, p.ID, false, secret("d"))
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
	e.ok(second(e.s.RemoveMember(ctx, asOwner, o.ID, you.ID, false)))

	p = ask()
	e.ok(e.s.EndApproval(ctx, operator, o.ID, p.ID))
	e.clock.Add(registry.BreakGlassWait)
	e.ok(e.s.FinishApprovals(ctx, system))
	e.roleOf(o.ID, you.ID, "")
	// A member becomes one, and somebody who is here for support.
	for _, prepare := range []func(){
		func() {
			e.ok(second(e.s.CreateInvite(ctx, asOwner, o.ID, you.Email, registry.RoleMember, secret("i"))))
			e.ok(second(e.s.AcceptInvite(ctx, asYou, secret("i"))))
		},
		func() {
			yes := true
			e.ok(e.s.UpdateUser(ctx, operator, you.ID, nil, &yes))
			u, err := e.s.User(ctx, system, you.ID)
			e.ok(err)
			s, err := e.s.RequestSupport(ctx, registry.AsUser(u, "", ""), o.ID, registry.NewSupport{Role: registry.RoleAdmin, Reason: "x", Hours: registry.SupportHoursMax})
			e.ok(err)
			e.clock.Add(time.Second) // it ends after the owner is made
			e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, s.ID, true)))
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
		e.ok(second(e.s.RemoveMember(ctx, asOwner, o.ID, you.ID, false)))
	}
	// An owner need not wait.
	p = ask()
	_, _, err = e.s.DecideApproval(ctx, asOwner, o.ID, p.ID, true, secret("d"))
	e.ok(err)
	e.roleOf(o.ID, you.ID, registry.RoleOwner)
}
