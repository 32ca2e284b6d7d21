package storetest

import (
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func setup(e env) {
	n := registry.NewUser{Email: "Ada@Example.com", Name: "Ada", PasswordHash: "hash"}
	visitor := registry.AsVisitor("127.0.0.1")
	for _, link := range []string{"of another node", "new"} {
		e.ok(second(e.s.CreateSetupLink(ctx, system, secret(link))))
		e.ok(second(e.s.Link(ctx, visitor, secret("of another node"))))
	}
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("new"), registry.NewUser{Email: "no", Name: "x"})), registry.CodeInvalid)
	u, err := e.s.RedeemSetup(ctx, visitor, secret("new"), n)
	e.ok(err)
	if !u.PlatformAdmin || u.Email != "ada@example.com" {
		e.Fatalf("%+v", u)
	}
	for _, link := range []string{"of another node", "new"} {
		e.want(second(e.s.RedeemSetup(ctx, visitor, secret(link), n)), registry.CodeGone)
		e.want(second(e.s.Link(ctx, visitor, secret(link))), registry.CodeGone)
	}
	_, err = e.s.CreateSetupLink(ctx, system, secret("late"))
	e.ok(err)
	n.Email = "eve@example.com"
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("late"), n)), registry.CodeGone)
}

func invites(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o := e.org("acme", a.ID)
	admin, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	e.want(second(e.s.CreateInvite(ctx, asAdmin, o.ID, "x@example.com", registry.RoleOwner, secret("x"))), registry.CodeForbidden)
	_, err := e.s.CreateInvite(ctx, asAdmin, o.ID, "b@example.com", registry.RoleMember, secret("b"))
	e.ok(err)
	e.want(second(e.s.AcceptInvite(ctx, asAdmin, secret("b"))), registry.CodeForbidden) // another account
	// An account that exists cannot be made again through a link.
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("b"), "Eve", "evil")
	e.want(err, registry.CodeConflict)
	// The inviter lost the right meanwhile.
	e.ok(e.s.SetRole(ctx, asA, o.ID, admin.ID, registry.RoleMember))
	e.want(second(e.s.AcceptInvite(ctx, asB, secret("b"))), registry.CodeGone)
	e.ok(e.s.SetRole(ctx, asA, o.ID, admin.ID, registry.RoleAdmin))
	e.ok(second(e.s.AcceptInvite(ctx, asB, secret("b"))))
	e.want(second(e.s.AcceptInvite(ctx, asB, secret("b"))), registry.CodeGone)
	_, err = e.s.CreateInvite(ctx, asA, o.ID, "no@example.com", registry.RoleMember, secret("no"))
	e.ok(err)
	e.ok(e.s.DeclineInvite(ctx, visitor, secret("no")))
	e.want(e.s.DeclineInvite(ctx, visitor, secret("no")), registry.CodeGone)
	e.want(e.s.DeclineInvite(ctx, visitor, secret("b")), registry.CodeGone) // accepted
	if list, err := e.s.AuditAfter(ctx, asA, o.ID, registry.AuditList{}, 0, 100); err != nil || list[len(list)-1].Detail != "declined" || list[0].Seq >= list[1].Seq {
		e.Errorf("%+v %v", list, err)
	}
	e.want(second(e.s.AuditAfter(ctx, asB, o.ID, registry.AuditList{}, 0, 100)), registry.CodeForbidden)
	e.want(second(e.s.AuditAfter(ctx, asA, "", registry.AuditList{}, 0, 100)), registry.CodeForbidden)
	if list, err := e.s.AuditAfter(ctx, operator, "", registry.AuditList{}, 2, 1); err != nil || len(list) != 1 || list[0].Seq != 3 {
		e.Errorf("%+v %v", list, err)
	}
	_, err = e.s.CreateInvite(ctx, asA, o.ID, "c@example.com", registry.RoleMember, secret("c"))
	e.ok(err)
	e.clock.Add(registry.InviteLinkLife + time.Second)
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("c"), "C", "hash")
	e.want(err, registry.CodeGone)
}

func sessions(e env) {
	u, asU := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t"), User: u, Address: "127.0.0.1", UserAgent: "test"})
	e.ok(err)
	got, _, err := e.s.SessionByToken(ctx, system, secret("t"))
	e.ok(err)
	if got.ID != v.ID {
		e.Fatal("another session")
	}
	e.want(e.s.RevokeSession(ctx, asB, v.ID), registry.CodeNotFound)
	e.ok(e.s.RevokeSession(ctx, asU, v.ID))
	_, _, err = e.s.SessionByToken(ctx, system, secret("t"))
	e.want(err, registry.CodeNotFound)

	_, err = e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("idle"), User: u})
	e.ok(err)
	e.clock.Add(registry.SessionIdle + time.Second)
	_, _, err = e.s.SessionByToken(ctx, system, secret("idle"))
	e.want(err, registry.CodeNotFound)

	keep, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("keep"), User: u})
	e.ok(err)
	_, err = e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("other"), User: u})
	e.ok(err)
	e.ok(e.s.SetPassword(ctx, e.person(u, keep.ID, ""), "new hash"))
	_, _, err = e.s.SessionByToken(ctx, system, secret("keep"))
	e.ok(err)
	_, _, err = e.s.SessionByToken(ctx, system, secret("other"))
	e.want(err, registry.CodeNotFound)
	// A password that was changed while it was being checked starts no session.
	if _, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("late"), User: u}); err == nil {
		e.Fatal("a session of an old password")
	}
}

func codes(e env) {
	u, _ := e.user("a@example.com")
	o := e.org("acme", u.ID)
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t"), User: u})
	e.ok(err)
	insert := func(code string) registry.CodeMatch {
		e.ok(e.s.InsertCode(ctx, system, registry.NewCode{Hash: secret(code), ClientID: "c", OrgID: o.ID, UserID: u.ID, SessionID: v.ID, RedirectURI: "r", Challenge: "ch", Nonce: "n", ExpiresAt: e.clock.Now().Add(time.Minute)}))
		return registry.CodeMatch{Hash: secret(code), ClientID: "c", RedirectURI: "r", Challenge: "ch"}
	}
	m := insert("one")
	for _, change := range []func(*registry.CodeMatch){
		func(m *registry.CodeMatch) { m.ClientID = "x" }, func(m *registry.CodeMatch) { m.RedirectURI = "x" },
		func(m *registry.CodeMatch) { m.Challenge = "x" }, func(m *registry.CodeMatch) { m.Hash = secret("x") },
	} {
		bad := m
		change(&bad)
		e.want(second(e.s.RedeemCode(ctx, system, bad)), registry.CodeGone)
	}
	g, err := e.s.RedeemCode(ctx, system, m)
	e.ok(err)
	if g.Role != registry.RoleOwner || g.Nonce != "n" || g.Session.ID != v.ID {
		e.Fatalf("%+v", g)
	}
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.CodeGone)
	e.ok(second(e.s.Grant(ctx, system, v.ID, o.ID)))
	old := insert("old")
	e.clock.Add(time.Minute + time.Second)
	e.want(second(e.s.RedeemCode(ctx, system, old)), registry.CodeGone)
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.CodeGone)         // used a minute ago: theft
	e.want(second(e.s.Grant(ctx, system, v.ID, o.ID)), registry.CodeNotFound) // so the session is over
	var wg sync.WaitGroup
	v, err = e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t2"), User: u})
	e.ok(err)
	m = insert("race")
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			if _, err := e.s.RedeemCode(ctx, system, m); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		e.Fatalf("one code was redeemed %d times", won)
	}
}

// sessionLists: one's own, by last use, and the end of all but one.
func sessionLists(e env) {
	a, asA := e.user("a@example.com")
	b, asB := e.user("b@example.com")
	open := func(u registry.User, token string) registry.SessionID {
		e.clock.Add(time.Minute)
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(token), User: u, Address: "192.0.2.1", UserAgent: "browser"})
		e.ok(err)
		return s.ID
	}
	first, second, third := open(a, "1"), open(a, "2"), open(b, "3")
	list, err := e.s.Sessions(ctx, asA, a.ID)
	e.ok(err)
	if len(list) != 2 || list[0].ID != second || list[1].ID != first {
		e.Fatalf("%+v", list)
	}
	e.want(e.s.RevokeSession(ctx, asA, third), registry.CodeNotFound)
	e.ok(e.s.RevokeSessions(ctx, asA, a.ID, first))
	if list, err = e.s.Sessions(ctx, operator, a.ID); err != nil || len(list) != 1 || list[0].ID != first {
		e.Fatalf("%+v %v", list, err)
	}
	e.ok(e.s.RevokeSessions(ctx, operator, a.ID, ""))
	if list, err = e.s.Sessions(ctx, asB, b.ID); err != nil || len(list) != 1 {
		e.Fatalf("another's sessions: %+v %v", list, err)
	}
}

// users: who may change what of an account, and the last platform admin.
func users(e env) {
	a, asA := e.user("a@example.com")
	b, asB := e.user("b@example.com")
	name, yes, no := "Ann", true, false
	e.ok(e.s.UpdateUser(ctx, asA, a.ID, registry.UserChange{Name: &name}))
	e.want(e.s.UpdateUser(ctx, asB, a.ID, registry.UserChange{Name: &name}), registry.CodeNotFound)
	e.want(e.s.UpdateUser(ctx, asA, a.ID, registry.UserChange{PlatformAdmin: &yes}), registry.CodeForbidden)
	e.ok(e.s.UpdateUser(ctx, operator, a.ID, registry.UserChange{PlatformAdmin: &yes}))
	e.want(e.s.UpdateUser(ctx, operator, a.ID, registry.UserChange{PlatformAdmin: &no}), registry.CodeConflict)
	e.ok(e.s.UpdateUser(ctx, operator, b.ID, registry.UserChange{PlatformAdmin: &yes}))
	e.ok(e.s.UpdateUser(ctx, operator, a.ID, registry.UserChange{PlatformAdmin: &no}))
	p, err := e.s.Users(ctx, operator, registry.UserList{PlatformAdmins: true})
	e.ok(err)
	if len(p.Items) != 1 || p.Items[0].ID != b.ID {
		e.Fatalf("platform admins: %+v", p)
	}
	o := e.org("acme", a.ID)
	orgs, err := e.s.UserOrgs(ctx, asA, a.ID)
	e.ok(err)
	if len(orgs) != 1 || orgs[0].ID != o.ID || orgs[0].Role != registry.RoleOwner {
		e.Fatalf("%+v", orgs)
	}
}
