package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// left is somebody who worked in an org, and everything that could let them in again.
type left struct {
	registry.User
	as, root registry.Actor
	org      registry.Org
	session  registry.Session
	token    registry.Hash
	key      registry.Hash
	runner   registry.RunnerID
}

func (e env) left(email string) left {
	e.Helper()
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{
		Email: "root-" + email, Name: "Root", PlatformAdmin: true, PasswordHash: "hash",
	})
	e.ok(err)
	boss, _ := e.user("boss-" + email)
	l := left{root: e.person(root, "", ""), token: secret("token of " + email), key: secret("key of " + email)}
	l.org = e.org("org-"+strings.Split(email, "@")[0], boss.ID)
	l.User, l.as = e.member(l.org.ID, email, registry.RoleAdmin)
	e.verify(l.User)
	l.User = e.again(l.User)
	l.session, err = e.s.CreateSession(ctx, system, registry.NewSession{
		Token: l.token, User: l.User, Methods: registry.MethodPassword,
	})
	e.ok(err)
	l.as = registry.AsSession(l.User, l.session, "198.51.100.7")
	e.ok(second(e.s.CreateAPIKey(ctx, l.as, registry.NewAPIKey{
		Name: "script", Scopes: []registry.Scope{registry.ScopeOrgRead},
	}, l.key)))
	e.ok(second(e.s.CreateRunnerClaim(ctx, l.as, l.org.ID, registry.NewRunnerClaim{Name: "build"}, secret("claim "+email))))
	r, err := e.s.EnrollRunner(ctx, visitor, secret("claim "+email), "", secret("runner "+email))
	e.ok(err)
	l.runner = r.ID
	e.ok(second(e.s.CreateRunnerClaim(ctx, l.as, l.org.ID, registry.NewRunnerClaim{}, secret("open claim "+email))))
	e.ok(second(e.s.CreateInvite(ctx, l.as, l.org.ID, "friend-"+email, registry.RoleMember, secret("invite "+email))))
	e.ok(second(e.s.CreateAccountLink(ctx, system, registry.LinkReset, l.ID, "", secret("reset "+email))))
	return l
}

// out wants that nothing of before lets in.
func (e env) out(l left) {
	e.Helper()
	_, _, err := e.s.SessionByToken(ctx, system, l.token)
	e.want(err, registry.CodeNotFound)
	_, _, err = e.s.APIKeyByHash(ctx, system, l.key)
	e.want(err, registry.CodeNotFound)
	_, err = e.s.Grant(ctx, system, l.session.ID, l.org.ID)
	if err == nil {
		e.Error("the session still reaches the org")
	}
	e.want(second(e.s.EnrollRunner(ctx, visitor, secret("open claim "+l.Email), "x", secret("x"))), registry.CodeGone)
	e.want(second(e.s.ResetPassword(ctx, visitor, secret("reset "+l.Email), "new hash")), registry.CodeGone)
	_, err = e.s.Link(ctx, visitor, secret("invite "+l.Email))
	e.want(err, registry.CodeGone)
}

func (e env) runs(l left, want bool) {
	e.Helper()
	key := secret("runner " + l.Email)
	if _, err := e.s.RunnerGrant(ctx, system, l.runner, &key); (err == nil) != want {
		e.Errorf("its runner: %v", err)
	}
}

// disabledAccounts: nobody gets in as a disabled account, whatever they had, until it is enabled.
func disabledAccounts(e env) {
	l, other := e.left("eve@example.com"), e.left("mallory@example.com")
	disable := func(as registry.Actor, id registry.UserID, d registry.UserDisabling) error {
		return second(e.s.DisableUser(ctx, as, id, d))
	}
	e.refused(disable(l.as, l.ID, registry.UserDisabling{}))
	e.refused(second(e.s.EnableUser(ctx, l.as, l.ID)))
	e.want(disable(l.root, l.root.User, registry.UserDisabling{}), registry.CodeConflict)
	e.want(disable(l.root, "nobody", registry.UserDisabling{}), registry.CodeNotFound)
	e.want(disable(l.root, l.ID, registry.UserDisabling{Reason: strings.Repeat("x", 501)}), registry.CodeInvalid)
	root, long := l.root, e.clock.Now().Add(-registry.FreshFor-time.Second)
	stale := registry.AsSession(e.again(registry.User{ID: root.User}), registry.Session{AuthTime: long}, "")
	e.want(disable(stale, l.ID, registry.UserDisabling{}), registry.CodeReauthenticationNeeded)

	e.ok(disable(root, l.ID, registry.UserDisabling{Reason: " left "}))
	e.out(l)
	e.runs(l, true)
	u := e.again(l.User)
	if !u.Disabled() || u.DisabledReason != "left" || u.DisabledAt != e.clock.Now() {
		e.Errorf("%+v", u)
	}
	_, err := e.session(u, registry.MethodPassword)
	e.want(err, registry.CodeForbidden)
	e.want(second(e.s.CreateAccountLink(ctx, system, registry.LinkReset, l.ID, "", secret("again"))), registry.CodeConflict)
	e.want(second(e.s.CreateAccountLink(ctx, root, registry.LinkReset, l.ID, "", secret("again"))), registry.CodeConflict)
	m, err := e.s.Member(ctx, operator, l.org.ID, l.ID)
	e.ok(err)
	if !m.Disabled || m.Role != registry.RoleAdmin {
		e.Errorf("as a member: %+v", m)
	}
	head, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(disable(root, l.ID, registry.UserDisabling{Reason: "again", RevokeRunners: true}))
	if now, err := e.s.Head(ctx, system); err != nil || now != head || e.again(l.User).DisabledReason != "left" {
		e.Errorf("disabling twice changes something: %v", err)
	}
	yes, no := true, false
	for _, row := range []struct {
		disabled *bool
		want     bool
	}{{nil, true}, {&yes, true}, {&no, false}} {
		p, err := e.s.Users(ctx, operator, registry.UserList{Disabled: row.disabled})
		e.ok(err)
		if slices.ContainsFunc(p.Items, func(u registry.User) bool { return u.ID == l.ID }) != row.want {
			e.Errorf("list %v", row)
		}
	}

	e.ok(second(e.s.EnableUser(ctx, root, l.ID)))
	e.out(l)
	u = e.again(l.User)
	if u.Disabled() || u.DisabledReason != "" {
		e.Errorf("%+v", u)
	}
	_, err = e.session(u, registry.MethodPassword)
	e.ok(err)
	e.ok(second(e.s.EnableUser(ctx, root, l.ID)))

	e.ok(disable(root, other.ID, registry.UserDisabling{RevokeRunners: true}))
	e.runs(other, false)
}

// lastOnes: an org keeps an owner who can act, and the platform an admin, unless somebody insists.
func lastOnes(e env) {
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root@example.com", Name: "R", PlatformAdmin: true, PasswordHash: "hash"})
	e.ok(err)
	ada, asAda := e.user("ada@example.com")
	acme := e.org("acme", ada.ID)
	bob, _ := e.member(acme.ID, "bob@example.com", registry.RoleMember)
	mia, _ := e.member(acme.ID, "mia@example.com", registry.RoleMember)
	disable := func(id registry.UserID, even bool) error {
		return second(e.s.DisableUser(ctx, operator, id, registry.UserDisabling{LastOwner: even}))
	}
	remove := func(id registry.UserID) error {
		return second(e.s.DeleteUser(ctx, operator, id, registry.UserDeletion{}))
	}
	for _, err := range []error{disable(ada.ID, false), remove(ada.ID)} {
		e.want(err, registry.CodeConflict)
		if !strings.Contains(err.Error(), "acme") {
			e.Errorf("it does not name the org: %v", err)
		}
	}
	e.want(disable(root.ID, true), registry.CodeConflict)
	e.want(remove(root.ID), registry.CodeConflict)
	if e.again(ada).Disabled() || e.again(root).Disabled() {
		e.Fatal("what was refused happened")
	}

	e.ok(e.s.SetRole(ctx, asAda, acme.ID, bob.ID, registry.RoleAdmin))
	e.verify(bob)
	e.ok(e.s.SetRole(ctx, asAda, acme.ID, bob.ID, registry.RoleOwner))
	e.ok(disable(ada.ID, false))
	asBob := e.now(bob)
	e.want(e.s.SetRole(ctx, asBob, acme.ID, bob.ID, registry.RoleMember), registry.CodeConflict)
	e.want(second(e.s.RemoveMember(ctx, asBob, acme.ID, bob.ID, registry.MemberRemoval{})), registry.CodeConflict)
	e.want(disable(bob.ID, false), registry.CodeConflict)
	e.ok(disable(bob.ID, true))
	// The org still has owners: nobody from outside takes their place.
	if err := e.s.SetRole(ctx, operator, acme.ID, mia.ID, registry.RoleOwner); !errors.Is(err, registry.ErrOwnerApproves) {
		e.Errorf("from outside: %v", err)
	}
	e.want(remove(bob.ID), registry.CodeConflict)

	second, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: "second@example.com", Name: "S", PlatformAdmin: true, PasswordHash: "hash"})
	e.ok(err)
	e.ok(disable(root.ID, false))
	e.want(disable(second.ID, false), registry.CodeConflict)
	e.want(remove(second.ID), registry.CodeConflict)
	no := false
	e.want(e.s.UpdateUser(ctx, operator, second.ID, registry.UserChange{PlatformAdmin: &no}), registry.CodeConflict)

	// An org that is being deleted keeps nobody.
	e.ok(e.s.DeleteOrg(ctx, operator, acme.ID, 0, registry.OrgDeletion{Confirm: "acme"}))
	e.ok(remove(ada.ID))
}

// dormantAccounts: who does not sign in for long is listed, and can be disabled.
func dormantAccounts(e env) {
	const day = 24 * time.Hour
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root@example.com", Name: "R", PlatformAdmin: true, PasswordHash: "hash"})
	e.ok(err)
	ada, _ := e.user("ada@example.com")
	never, _ := e.user("never@example.com")
	owner, _ := e.user("owner@example.com")
	e.org("acme", owner.ID)
	e.clock.Add(80 * day)
	_, err = e.session(ada, registry.MethodPassword)
	e.ok(err)
	if at := e.again(ada).LastSignInAt; !at.Equal(e.clock.Now()) {
		e.Errorf("last sign-in %s", at)
	}
	e.clock.Add(20 * day)
	recent, _ := e.user("recent@example.com")
	dormant := func(days int) (out []string) {
		e.Helper()
		p, err := e.s.Users(ctx, operator, registry.UserList{DormantDays: days})
		e.ok(err)
		for _, u := range p.Items {
			out = append(out, strings.TrimSuffix(u.Email, "@example.com"))
		}
		return out
	}
	for days, want := range map[int][]string{
		19: {"ada", "never", "owner", "root"}, 90: {"never", "owner", "root"}, 101: nil,
		0: {"ada", "never", "owner", "recent", "root"},
	} {
		if got := dormant(days); !slices.Equal(got, want) {
			e.Errorf("dormant for %d days: %q", days, got)
		}
	}
	since := e.clock.Now().Add(-90 * day)
	e.refused(second(e.s.DisableDormant(ctx, e.person(root, "", ""), since)))
	n, err := e.s.DisableDormant(ctx, system, since)
	e.ok(err)
	for u, want := range map[registry.UserID]bool{never.ID: true, ada.ID: false, recent.ID: false, root.ID: false, owner.ID: false} {
		if got := e.again(registry.User{ID: u}).Disabled(); got != want {
			e.Errorf("%s: disabled %v", u, got)
		}
	}
	if n != 1 || e.again(never).DisabledReason != registry.ReasonDormant {
		e.Errorf("%d accounts, %+v", n, e.again(never))
	}
	// Who was enabled again has as long as everybody, and has not signed in.
	e.ok(second(e.s.EnableUser(ctx, operator, never.ID)))
	if n, err := e.s.DisableDormant(ctx, system, since); err != nil || n != 0 {
		e.Errorf("%d %v", n, err)
	}
	if at := e.again(never).LastSignInAt; !at.IsZero() {
		e.Errorf("nobody signed in, and it says at %s", at)
	}
	if got := dormant(90); !slices.Contains(got, "never") {
		e.Errorf("of those who did not sign in, it is missing: %q", got)
	}
	e.clock.Add(91 * day)
	n, err = e.s.DisableDormant(ctx, system, e.clock.Now().Add(-90*day))
	if e.ok(err); n == 0 || !e.again(never).Disabled() {
		e.Errorf("%d accounts, %+v", n, e.again(never))
	}
}

// deletedAccounts: an account goes with everything that it could do; others' things stay.
func deletedAccounts(e env) {
	l := e.left("eve@example.com")
	_, asOther := e.user("other@example.com")
	remove := func(as registry.Actor) error { return second(e.s.DeleteUser(ctx, as, l.ID, registry.UserDeletion{})) }
	e.want(remove(asOther), registry.CodeNotFound)
	e.ok(remove(l.as))
	e.out(l)
	e.runs(l, true)
	if _, err := e.s.User(ctx, system, l.ID); registry.ErrorCode(err) != registry.CodeNotFound {
		e.Error(err)
	}
	if _, err := e.s.Member(ctx, operator, l.org.ID, l.ID); registry.ErrorCode(err) != registry.CodeNotFound {
		e.Error(err)
	}
	e.want(remove(operator), registry.CodeNotFound)
	list, err := e.s.Runners(ctx, operator, l.org.ID, registry.RunnerList{})
	e.ok(err)
	if len(list.Items) != 1 || list.Items[0].EnrolledByName != "deleted account" || !list.Items[0].Gone {
		e.Errorf("its runner: %+v", list.Items)
	}
	report, err := e.s.VerifyAudit(ctx, system, nil)
	e.ok(err)
	if report.Erased == 0 {
		e.Error("nothing is erased from the audit log")
	}
	// The address is free, and what it gets is another account.
	again, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: l.Email, Name: "Eve", PasswordHash: "hash"})
	e.ok(err)
	if again.ID == l.ID {
		e.Error("the same account")
	}
	orgs, err := e.s.UserOrgs(ctx, operator, again.ID)
	e.ok(err)
	if len(orgs) != 0 {
		e.Errorf("it has orgs: %v", orgs)
	}

	m := e.left("mallory@example.com")
	old := m.as
	e.clock.Add(registry.FreshFor + time.Second)
	e.want(second(e.s.DeleteUser(ctx, old, m.ID, registry.UserDeletion{RevokeRunners: true})), registry.CodeReauthenticationNeeded)
	e.ok(second(e.s.DeleteUser(ctx, e.now(m.User), m.ID, registry.UserDeletion{RevokeRunners: true})))
	e.runs(m, false)
}
