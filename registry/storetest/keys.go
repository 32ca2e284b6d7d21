package storetest

import (
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func (e env) key(a registry.Actor, n registry.NewAPIKey) (registry.APIKey, registry.Actor) {
	e.Helper()
	if n.Name == "" {
		n.Name = "test"
	}
	h := secret(registry.NewID())
	_, err := e.s.CreateAPIKey(ctx, a, n, h)
	e.ok(err)
	k, u, err := e.s.APIKeyByHash(ctx, system, h)
	e.ok(err)
	return k, registry.AsKey(k, u, "")
}

var everything = []registry.Scope{registry.ScopeOrgWrite, registry.ScopeMemberWrite, registry.ScopeInstanceWrite, registry.ScopeAuditRead}

// apiKeys: who makes which keys, and how they end.
func apiKeys(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o := e.org("acme", a.ID)
	_, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	make := func(a registry.Actor, n registry.NewAPIKey) error {
		n.Name = "test"
		return second(e.s.CreateAPIKey(ctx, a, n, secret(registry.NewID())))
	}
	read := []registry.Scope{registry.ScopeOrgRead}
	e.want(make(asA, registry.NewAPIKey{}), registry.CodeInvalid) // no scope
	e.want(make(asA, registry.NewAPIKey{Scopes: []registry.Scope{"all"}}), registry.CodeInvalid)
	e.want(make(asA, registry.NewAPIKey{Scopes: read, Life: registry.KeyLifeMax + 1}), registry.CodeInvalid)
	e.want(make(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}}), registry.CodeForbidden)
	e.want(make(asB, registry.NewAPIKey{Scopes: read, OrgID: o.ID}), registry.CodeNotFound)
	e.want(make(asB, registry.NewAPIKey{Scopes: read, OrgID: o.ID, Role: registry.RoleMember}), registry.CodeNotFound)
	e.want(make(asMember, registry.NewAPIKey{Scopes: read, OrgID: o.ID, Role: registry.RoleMember}), registry.CodeForbidden)
	e.want(make(asA, registry.NewAPIKey{Scopes: read, OrgID: o.ID, Role: registry.RoleOwner}), registry.CodeInvalid)
	e.want(make(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}, OrgID: o.ID, Role: registry.RoleAdmin}), registry.CodeInvalid)
	e.want(make(operator, registry.NewAPIKey{Scopes: read}), registry.CodeForbidden) // the operator is no person

	k, asKey := e.key(asA, registry.NewAPIKey{Scopes: everything})
	if k.Kind != registry.APIKeyPersonal || k.UserID != a.ID || !k.ExpiresAt.After(e.clock.Now()) {
		e.Fatalf("%+v", k)
	}
	_, asService := e.key(asAdmin, registry.NewAPIKey{Scopes: everything, OrgID: o.ID, Role: registry.RoleAdmin})
	for _, as := range []registry.Actor{asKey, asService} { // a key makes no key, and manages no way in
		e.want(make(as, registry.NewAPIKey{Scopes: read}), registry.CodePersonNeeded)
		e.want(make(as, registry.NewAPIKey{Scopes: read, OrgID: o.ID, Role: registry.RoleMember}), registry.CodePersonNeeded)
		e.want(second(e.s.APIKeys(ctx, as, o.ID)), registry.CodeForbidden)
		e.want(e.s.RevokeAPIKey(ctx, as, "", k.ID), registry.CodePersonNeeded)
		e.want(second(e.s.Sessions(ctx, as, a.ID)), registry.CodePersonNeeded)
		e.want(e.s.RevokeSessions(ctx, as, a.ID, ""), registry.CodePersonNeeded)
		e.want(e.s.SetPassword(ctx, as, "hash"), registry.CodePersonNeeded)
		name := "x"
		e.want(e.s.UpdateUser(ctx, as, a.ID, registry.UserChange{Name: &name}), registry.CodePersonNeeded)
	}
	if list, err := e.s.APIKeys(ctx, asB, ""); err != nil || len(list) != 0 {
		e.Fatalf("another's keys: %v %v", list, err)
	}
	e.want(e.s.RevokeAPIKey(ctx, asB, "", k.ID), registry.CodeNotFound)
	e.want(e.s.RevokeAPIKey(ctx, asA, o.ID, k.ID), registry.CodeNotFound) // not one of the org's
	e.ok(e.s.RevokeAPIKey(ctx, asA, "", k.ID))
	e.want(e.s.RevokeAPIKey(ctx, asA, "", k.ID), registry.CodeNotFound)

	h := secret("short")
	_, err := e.s.CreateAPIKey(ctx, asA, registry.NewAPIKey{Name: "short", Scopes: read, Life: time.Hour}, h)
	e.ok(err)
	e.clock.Add(time.Hour)
	_, _, err = e.s.APIKeyByHash(ctx, system, h)
	e.want(err, registry.CodeNotFound)
	asA = e.person(a, asA.Session, "")
	for i := range registry.KeysMax {
		_, err := e.s.CreateAPIKey(ctx, asA, registry.NewAPIKey{Name: fmt.Sprint(i), Scopes: read}, secret(fmt.Sprint(i)))
		e.ok(err)
	}
	e.want(make(asA, registry.NewAPIKey{Scopes: read}), registry.CodeConflict)
}

// keysReach: a key reaches its scopes, its org and its role, and what its owner may now.
func keysReach(e env) {
	a, asA := e.user("a@example.com")
	o, other := e.org("acme", a.ID), e.org("other", a.ID)
	b, _ := e.member(o.ID, "b@example.com", registry.RoleAdmin)

	_, read := e.key(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeOrgRead}})
	e.ok(second(e.s.Org(ctx, read, o.ID)))
	e.want(e.s.UpdateOrg(ctx, read, o.ID, 0, "x"), registry.CodeForbidden)
	e.want(second(e.s.Members(ctx, read, o.ID, registry.List{})), registry.CodeForbidden)
	e.want(second(e.s.RemoveMember(ctx, read, o.ID, a.ID, registry.MemberRemoval{})), registry.CodeForbidden) // not even to leave
	_, members := e.key(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeMemberWrite}})
	e.ok(second(e.s.Members(ctx, members, o.ID, registry.List{}))) // writing includes reading
	e.want(second(e.s.Org(ctx, members, o.ID)), registry.CodeForbidden)
	e.want(second(e.s.Orgs(ctx, members, registry.OrgList{})), registry.CodeForbidden)

	_, one := e.key(asA, registry.NewAPIKey{Scopes: everything, OrgID: o.ID})
	e.ok(e.s.UpdateOrg(ctx, one, o.ID, 0, "One"))
	e.want(e.s.UpdateOrg(ctx, one, other.ID, 0, "x"), registry.CodeNotFound)
	_, service := e.key(asA, registry.NewAPIKey{Scopes: everything, OrgID: o.ID, Role: registry.RoleMember})
	e.ok(second(e.s.Org(ctx, service, o.ID)))
	e.want(e.s.UpdateOrg(ctx, service, o.ID, 0, "x"), registry.CodeForbidden) // a member
	e.want(second(e.s.Org(ctx, service, other.ID)), registry.CodeNotFound)
	for _, as := range []registry.Actor{one, service} {
		for _, l := range []registry.OrgList{{}, {Mine: true}, {List: registry.List{Sort: "-slug"}}} {
			if p, err := e.s.Orgs(ctx, as, l); err != nil || len(p.Items) != 1 || p.Items[0].ID != o.ID {
				e.Fatalf("orgs of a key: %+v %v", p, err)
			}
		}
	}

	// A platform admin's key is one only with the scope.
	yes, no := true, false
	e.verify(b)
	e.ok(e.s.UpdateUser(ctx, operator, b.ID, registry.UserChange{PlatformAdmin: &yes}))
	root, err := e.s.User(ctx, operator, b.ID)
	e.ok(err)
	asRoot := e.person(root, "", "")
	_, plain := e.key(asRoot, registry.NewAPIKey{Scopes: everything})
	e.want(second(e.s.Org(ctx, plain, other.ID)), registry.CodeNotFound)
	e.want(second(e.s.Users(ctx, plain, registry.UserList{})), registry.CodeForbidden)
	k, platform := e.key(asRoot, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}})
	e.ok(second(e.s.Users(ctx, platform, registry.UserList{})))
	e.ok(e.s.SuspendOrg(ctx, platform, other.ID, 0, ""))
	e.want(second(e.s.CreateAPIKey(ctx, platform, registry.NewAPIKey{Name: "x", Scopes: everything}, secret("x"))), registry.CodePersonNeeded)
	e.ok(e.s.UpdateUser(ctx, operator, a.ID, registry.UserChange{PlatformAdmin: &yes}))
	e.ok(e.s.UpdateUser(ctx, operator, b.ID, registry.UserChange{PlatformAdmin: &no}))
	b, err = e.s.User(ctx, operator, b.ID)
	e.ok(err)
	e.want(second(e.s.Users(ctx, registry.AsKey(k, b, ""), registry.UserList{})), registry.CodeForbidden) // no admin any more

	// An invitation by an org's key holds as long as the key.
	sk, inviting := e.key(asA, registry.NewAPIKey{Scopes: everything, OrgID: o.ID, Role: registry.RoleAdmin})
	for _, email := range []string{"one@example.com", "two@example.com"} {
		e.ok(second(e.s.CreateInvite(ctx, inviting, o.ID, email, registry.RoleMember, secret(email))))
	}
	e.want(second(e.s.CreateInvite(ctx, inviting, o.ID, "x@example.com", registry.RoleOwner, secret("x"))), registry.CodePersonNeeded)
	accept := func(email string) error {
		_, _, err := e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret(email), "New", "hash")
		return err
	}
	e.ok(accept("one@example.com"))
	e.ok(e.s.RevokeAPIKey(ctx, asA, o.ID, sk.ID))
	e.want(accept("two@example.com"), registry.CodeGone)
}
