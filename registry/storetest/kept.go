package storetest

import (
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// kept is what the store does that is kept for people, with what the policy table calls it. what
// is there for the actor is made by the caller.
func (e env) kept(a registry.Actor, org registry.OrgID, user registry.UserID) map[string]struct {
	action registry.Action
	err    func() error
} {
	type call = struct {
		action registry.Action
		err    func() error
	}
	yes := true
	name := "x"
	none := registry.NewID()
	spec := registry.Connection{
		ID: registry.ConnectionID(registry.NewID()), OrgID: org, Kind: registry.ConnectionOIDC,
	}
	return map[string]call{
		"CreateUser": {registry.ActionUserCreate, func() error {
			n := registry.NewUser{Email: "new@example.com", Name: "New", PasswordHash: "h"}
			return second(e.s.CreateUser(ctx, a, n))
		}},
		"UpdateUser, another's role": {registry.ActionUserUpdate, func() error {
			return e.s.UpdateUser(ctx, a, user, registry.UserChange{PlatformAdmin: &yes})
		}},
		"RevokeSessions, another's": {registry.ActionUserUpdate, func() error {
			return e.s.RevokeSessions(ctx, a, user, "")
		}},
		"RemoveFactors, another's": {registry.ActionUserUpdate, func() error {
			return e.s.RemoveFactors(ctx, a, user, "")
		}},
		"RemoveIdentity, another's": {registry.ActionUserUpdate, func() error {
			return e.s.RemoveIdentity(ctx, a, user, registry.ConnectionID(none))
		}},
		"CreateAccountLink, reset": {registry.ActionUserUpdate, func() error {
			return second(e.s.CreateAccountLink(ctx, a, registry.LinkReset, user, "", secret("l")))
		}},
		"CreateOrg with an owner": {registry.ActionOwnerManage, func() error {
			return second(e.s.CreateOrg(ctx, a, registry.NewOrg{Slug: "owned", Owner: user}))
		}},
		"CreateInvite of an owner": {registry.ActionOwnerManage, func() error {
			return second(e.s.CreateInvite(ctx, a, org, "new@example.com", registry.RoleOwner,
				secret("i")))
		}},
		"SetRole to owner": {registry.ActionOwnerManage, func() error {
			return e.s.SetRole(ctx, a, org, user, registry.RoleOwner)
		}},
		"TransferOrg": {registry.ActionOrgTransfer, func() error {
			return e.s.TransferOrg(ctx, a, org, user)
		}},
		"RequestSupport": {registry.ActionSupportRequest, func() error {
			n := registry.NewSupport{Role: registry.RoleAdmin, Reason: "x", Hours: 1}
			return second(e.s.RequestSupport(ctx, a, org, n))
		}},
		"DecideSupport": {registry.ActionSupportDecide, func() error {
			return second(e.s.DecideSupport(ctx, a, org, registry.SupportID(none), registry.DecisionApprove))
		}},
		"DecideApproval": {registry.ActionApprovalDecide, func() error {
			return third(e.s.DecideApproval(ctx, a, org, registry.ApprovalID(none), registry.DecisionApprove, secret("a")))
		}},
		"DecideApproval, to refuse": {registry.ActionApprovalRefuse, func() error {
			return third(e.s.DecideApproval(ctx, a, org, registry.ApprovalID(none), registry.DecisionDeny, secret("a")))
		}},
		"BreakGlass": {registry.ActionOrgBreakGlass, func() error {
			return second(e.s.BreakGlass(ctx, a, org, "u@example.com"))
		}},
		"VerifyUser": {registry.ActionUserUpdate, func() error {
			return e.s.VerifyUser(ctx, a, user)
		}},
		"CreateClient": {registry.ActionClientManage, func() error {
			return second(e.s.CreateClient(ctx, a, registry.NewClient{Name: "x",
				RedirectURIs: []string{"https://x.example/"}}, secret("c")))
		}},
		"UpdateClient": {registry.ActionClientManage, func() error {
			return second(e.s.UpdateClient(ctx, a, registry.ClientID(none), registry.ClientChange{}))
		}},
		"SetClientSecret": {registry.ActionClientManage, func() error {
			return second(e.s.SetClientSecret(ctx, a, registry.ClientID(none), secret("c")))
		}},
		"CreateConnection": {registry.ActionSignInManage, func() error {
			return second(e.s.CreateConnection(ctx, a, spec))
		}},
		"AddDomain": {registry.ActionSignInManage, func() error {
			return second(e.s.AddDomain(ctx, a, org, "example.com", "t"))
		}},
		"RequireSecondStep": {registry.ActionSignInManage, func() error {
			return e.s.RequireSecondStep(ctx, a, org, "", true)
		}},
		"SetSessionLifetimes": {registry.ActionSignInManage, func() error {
			return e.s.SetSessionLifetimes(ctx, a, org, "", registry.Lifetimes{Idle: 600})
		}},
		"CreateAPIKey of the org": {registry.ActionKeyManage, func() error {
			n := registry.NewAPIKey{Name: "x", OrgID: org, Role: registry.RoleMember,
				Scopes: everything}
			return second(e.s.CreateAPIKey(ctx, a, n, secret(registry.NewID())))
		}},
		"CreateAPIKey": {registry.ActionCredentialMake, func() error {
			return second(e.s.CreateAPIKey(ctx, a,
				registry.NewAPIKey{Name: "x", Scopes: everything}, secret(registry.NewID())))
		}},
		"DecideDevice": {registry.ActionCredentialMake, func() error {
			return e.s.DecideDevice(ctx, a, "BCDFGHJK", registry.DecisionApprove)
		}},
		"RevokeAPIKey of the org": {registry.ActionKeyManage, func() error {
			return e.s.RevokeAPIKey(ctx, a, org, registry.APIKeyID(none))
		}},
		"ShowInstanceToken": {registry.ActionInstanceEnv, func() error {
			return e.s.ShowInstanceToken(ctx, a, org)
		}},
		"RotateKeys": {registry.ActionSigningKeyRotate, func() error {
			return e.s.RotateKeys(ctx, a, nil, registry.KeyRotation{Verify: time.Hour})
		}},
		"APIKeys": {registry.ActionAccountManage, func() error {
			return second(e.s.APIKeys(ctx, a, ""))
		}},
		"UpdateUser": {registry.ActionAccountManage, func() error {
			return e.s.UpdateUser(ctx, a, a.User, registry.UserChange{Name: &name})
		}},
		"SetRecoveryCodes": {registry.ActionAccountManage, func() error {
			return e.s.SetRecoveryCodes(ctx, a, nil)
		}},
		"SetPassword": {registry.ActionAccountManage, func() error {
			return e.s.SetPassword(ctx, a, "hash")
		}},
		"AcceptInvite": {registry.ActionAccountManage, func() error {
			return second(e.s.AcceptInvite(ctx, a, secret("none")))
		}},
	}
}

// keptForPeople: what is kept for people is refused to every key, and to people asks for a new
// sign-in; and a key refused changes nothing.
func keptForPeople(e env) {
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{
		Email: "root@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h",
	})
	e.ok(err)
	o := e.org("acme", root.ID)
	u, _ := e.member(o.ID, "u@example.com", registry.RoleMember)
	asRoot := e.person(root, "", "")
	_, personal := e.key(asRoot, registry.NewAPIKey{Scopes: registry.Scopes()})
	all := registry.Scopes()
	_, service := e.key(asRoot, registry.NewAPIKey{
		OrgID: o.ID, Role: registry.RoleAdmin, Scopes: all[:len(all)-1],
	})
	head, err := e.s.Head(ctx, system)
	e.ok(err)
	covered := map[registry.Action]bool{registry.ActionPlatformBackup: true} // sqlite's own test
	for who, a := range map[string]registry.Actor{"personal": personal, "service": service} {
		for name, c := range e.kept(a, o.ID, u.ID) {
			covered[c.action] = true
			err := c.err()
			code := registry.ErrorCode(err)
			// The org's own key may not create an org at all.
			if code != registry.CodePersonNeeded && (a.Kind() != "service" || code != registry.CodeForbidden) {
				e.Errorf("%s by a %s key: %v (%q)", name, who, err, code)
			}
		}
	}
	if now, err := e.s.Head(ctx, system); err != nil || now != head {
		e.Errorf("a key that was refused changed something: %d -> %d %v", head, now, err)
	}
	// A key may still invite, and change roles, below owner.
	e.ok(second(e.s.CreateInvite(ctx, personal, o.ID, "i@example.com", registry.RoleAdmin,
		secret("i1"))))
	e.ok(e.s.SetRole(ctx, personal, o.ID, u.ID, registry.RoleAdmin))
	e.want(e.s.SetRole(ctx, personal, o.ID, root.ID, registry.RoleMember), registry.CodePersonNeeded)
	e.want(second(e.s.RemoveMember(ctx, personal, o.ID, root.ID, registry.MemberRemoval{})), registry.CodePersonNeeded)
	e.ok(second(e.s.CreateOrg(ctx, personal, registry.NewOrg{Slug: "nobodys"})))

	rows := map[registry.Action]registry.PolicyRow{}
	for _, row := range registry.Policy() {
		rows[row.Action] = row
		if row.Scope == "" && !covered[row.Action] {
			e.Errorf("%s is kept for people, and nothing here tries it by a key", row.Action)
		}
	}
	long := registry.Session{AuthTime: e.clock.Now()}
	e.clock.Add(registry.FreshFor + time.Second)
	for name := range e.kept(asRoot, o.ID, u.ID) {
		// What passes may end all sessions.
		c := e.kept(registry.AsSession(e.again(root), long, ""), o.ID, u.ID)[name]
		again := registry.ErrorCode(c.err()) == registry.CodeReauthenticationNeeded
		if again != rows[c.action].Fresh {
			e.Errorf("%s by a person of long ago: asked to sign in again: %v", name, again)
		}
	}
	for name, c := range e.kept(registry.AsUser(root, "", ""), o.ID, u.ID) {
		if rows[c.action].Fresh && registry.ErrorCode(c.err()) != registry.CodeReauthenticationNeeded {
			e.Errorf("%s by somebody of whom no sign-in is known: passes", name)
		}
	}
	// An owner may leave at any time.
	e.ok(e.s.SetRole(ctx, e.ownerOf(o.ID), o.ID, u.ID, registry.RoleOwner))
	asRoot = registry.AsSession(e.again(root), long, "")
	e.ok(second(e.s.RemoveMember(ctx, asRoot, o.ID, root.ID, registry.MemberRemoval{})))
}

// refusedKeys: the audit log has what a key was refused that is kept for people, once an hour.
func refusedKeys(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	k, asKey := e.key(asA, registry.NewAPIKey{Scopes: everything})
	_, other := e.key(asA, registry.NewAPIKey{
		Scopes: everything, OrgID: o.ID, Role: registry.RoleAdmin,
	})
	refused := func() (out []registry.AuditEntry) {
		e.Helper()
		p, err := e.s.PlatformAudit(ctx, operator,
			registry.AuditList{Action: registry.ChangeAPIKeyRefused})
		e.ok(err)
		slices.Reverse(p.Items)
		return p.Items
	}
	for range 5 {
		e.want(e.s.SetRole(ctx, asKey, o.ID, a.ID, registry.RoleAdmin), registry.CodePersonNeeded)
		e.want(e.s.SetPassword(ctx, asKey, "h"), registry.CodePersonNeeded)
		e.want(second(e.s.Authorize(ctx, other, o.ID, registry.ActionKeyManage)), registry.CodePersonNeeded)
		e.want(e.s.UpdateOrg(ctx, other, "", 0, "x"), registry.CodeNotFound)
	}
	got := refused()
	if len(got) != 2 || got[0].OrgID != o.ID || got[0].Target != string(k.ID) ||
		got[0].Detail != string(registry.ActionOwnerManage) || got[0].Actor != asKey.Name() ||
		got[1].Detail != string(registry.ActionKeyManage) || got[1].OrgID != o.ID {
		e.Fatalf("%+v", got)
	}
	e.clock.Add(time.Hour)
	e.want(e.s.SetPassword(ctx, asKey, "h"), registry.CodePersonNeeded)
	if got = refused(); len(got) != 3 {
		e.Errorf("after an hour: %+v", got)
	}
	_, err := e.s.VerifyAudit(ctx, system, nil)
	e.ok(err)
}

// keyUse: a key says when and from where it was last used, and an older use changes nothing.
func keyUse(e env) {
	_, asA := e.user("a@example.com")
	k, _ := e.key(asA, registry.NewAPIKey{Scopes: everything})
	at := e.clock.Now()
	for _, u := range []registry.KeyUse{
		{At: at, Address: "192.0.2.7"}, {At: at.Add(-time.Hour), Address: "192.0.2.8"},
	} {
		e.ok(e.s.TouchAPIKeys(ctx, system, map[registry.APIKeyID]registry.KeyUse{k.ID: u}))
	}
	list, err := e.s.APIKeys(ctx, asA, "")
	e.ok(err)
	if len(list) != 1 || !list[0].LastUsedAt.Equal(at) || list[0].LastUsedAddress != "192.0.2.7" {
		e.Errorf("%+v", list)
	}
}

// runnersOfKeys: a key lets runners in within its scopes and its role, each by a claim that works
// once and ends with the key. No such runner outlives the key's end.
func runnersOfKeys(e env) {
	a, asA := e.user("a@example.com")
	o, other := e.org("acme", a.ID), e.org("globex", a.ID)
	claim := func(as registry.Actor, org registry.OrgID, n registry.NewRunnerClaim) (registry.Hash,
		error) {
		h := secret(registry.NewID())
		return h, second(e.s.CreateRunnerClaim(ctx, as, org, n, h))
	}
	may := []registry.Scope{registry.ScopeRunnerWrite}
	_, narrow := e.key(asA, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopeRunnerRead}})
	e.want(second(claim(narrow, o.ID, registry.NewRunnerClaim{})), registry.CodeForbidden)
	for _, n := range []registry.NewAPIKey{
		{Scopes: may, OrgID: o.ID, Life: 10 * 24 * time.Hour},
		{Scopes: may, OrgID: o.ID, Life: 10 * 24 * time.Hour, Role: registry.RoleMember},
	} {
		k, as := e.key(asA, n)
		e.want(second(claim(as, other.ID, registry.NewRunnerClaim{})), registry.CodeNotFound)
		e.want(second(claim(as, o.ID, registry.NewRunnerClaim{Life: 11 * 24 * time.Hour})),
			registry.CodeInvalid)
		h, err := claim(as, o.ID, registry.NewRunnerClaim{Name: "build"})
		e.ok(err)
		r, err := e.s.EnrollRunner(ctx, visitor, h, "", secret(registry.NewID()))
		e.ok(err)
		if r.EnrolledBy != k.UserID || r.EnrolledByName != as.Name() ||
			!r.ExpiresAt.Equal(k.ExpiresAt) {
			e.Errorf("%+v", r)
		}
		e.want(second(e.s.EnrollRunner(ctx, visitor, h, "", secret("again"))), registry.CodeGone)
		h, err = claim(as, o.ID, registry.NewRunnerClaim{Name: "late"})
		e.ok(err)
		in := o.ID
		if n.Role == "" {
			in = ""
		}
		e.ok(e.s.RevokeAPIKey(ctx, asA, in, k.ID))
		e.want(second(e.s.EnrollRunner(ctx, visitor, h, "", secret("late"))), registry.CodeGone)
	}
	// No platform admin's key either leads into an org of which they are no member.
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{
		Email: "root@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h",
	})
	e.ok(err)
	_, platform := e.key(e.person(root, "", ""),
		registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}})
	e.want(second(claim(platform, o.ID, registry.NewRunnerClaim{})), registry.CodeForbidden)
}
