package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func (e env) spec(org registry.OrgID) registry.ConnectionSpec {
	s := registry.ConnectionSpec{Name: "Okta", Issuer: "https://login.example.com", ClientID: "pizzeria"}
	if org != "" {
		s.DefaultRole = registry.RoleMember
	}
	return s
}

func (e env) connect(a registry.Actor, org registry.OrgID, change func(*registry.ConnectionSpec)) (registry.Connection, error) {
	s := e.spec(org)
	if change != nil {
		change(&s)
	}
	return e.s.CreateConnection(ctx, a, registry.Connection{ID: registry.ConnectionID(registry.NewID()), OrgID: org, Kind: registry.ConnectionOIDC, ConnectionSpec: s, Sealed: []byte("sealed")})
}

// link links an account to a connection, at whose provider its ID is its subject.
func (e env) link(u registry.User, c registry.Connection) {
	e.Helper()
	e.ok(third(e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c.ID, Subject: string(u.ID), Account: u.ID})))
}

// ownDomain makes example.com an org's.
func (e env) ownDomain(a registry.Actor, org registry.OrgID) {
	e.Helper()
	e.ok(second(e.s.AddDomain(ctx, a, org, "example.com", "t")))
	e.ok(second(e.s.VerifyDomain(ctx, operator, org, "example.com", "")))
}

// connections: whose they are, what they may say, and that with one its sessions end.
func connections(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	_, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	b, asB := e.user("b@example.com")
	other := e.org("other", b.ID)
	for name, change := range map[string]func(*registry.ConnectionSpec){
		"name": func(s *registry.ConnectionSpec) { s.Name = "" }, "issuer": func(s *registry.ConnectionSpec) { s.Issuer = "login.example.com" },
		"http": func(s *registry.ConnectionSpec) { s.Issuer = "http://login.example.com" }, "http to the machine itself": func(s *registry.ConnectionSpec) { s.Issuer = "http://localhost:5556" },
		"query": func(s *registry.ConnectionSpec) { s.Issuer += "?x" }, "fragment": func(s *registry.ConnectionSpec) { s.Issuer += "#x" }, "user": func(s *registry.ConnectionSpec) { s.Issuer = "https://a@login.example.com" },
		"client": func(s *registry.ConnectionSpec) { s.ClientID = "" }, "scope": func(s *registry.ConnectionSpec) { s.Scopes = []string{"a b"} },
		"owner": func(s *registry.ConnectionSpec) {
			s.RolesClaim, s.Roles = "groups", []registry.RoleMapping{{Value: "x", Role: registry.RoleOwner}}
		},
		"default owner": func(s *registry.ConnectionSpec) { s.DefaultRole = registry.RoleOwner },
		"nobody":        func(s *registry.ConnectionSpec) { s.DefaultRole = "" },
		"claim alone":   func(s *registry.ConnectionSpec) { s.RolesClaim = "groups" },
		"no claim": func(s *registry.ConnectionSpec) {
			s.Roles = []registry.RoleMapping{{Value: "x", Role: registry.RoleAdmin}}
		},
		"strange claim": func(s *registry.ConnectionSpec) {
			s.RolesClaim, s.Roles = "a b", []registry.RoleMapping{{Value: "x", Role: registry.RoleAdmin}}
		},
		"value of nothing": func(s *registry.ConnectionSpec) {
			s.RolesClaim, s.Roles = "groups", []registry.RoleMapping{{Role: registry.RoleAdmin}}
		},
	} {
		if _, err := e.connect(asA, o.ID, change); registry.ErrorCode(err) != registry.CodeInvalid {
			e.Errorf("%s: %v", name, err)
		}
	}
	e.want(second(e.connect(operator, "", func(s *registry.ConnectionSpec) { s.Required = true })), registry.CodeInvalid)
	e.want(second(e.connect(operator, "", func(s *registry.ConnectionSpec) { s.TrustEmail = true })), registry.CodeInvalid) // it would speak for every domain
	e.want(second(e.connect(asAdmin, o.ID, nil)), registry.CodeForbidden)
	e.want(second(e.connect(asA, "", nil)), registry.CodeForbidden)
	root, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h"})
	e.ok(err)
	k, err := e.s.CreateAPIKey(ctx, e.person(root, "", ""), registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopePlatform}}, secret("k"))
	e.ok(err)
	asKey := registry.AsKey(k, root, "") // it could make itself anybody
	e.want(second(e.connect(asKey, "", nil)), registry.CodePersonNeeded)
	e.want(second(e.connect(asKey, o.ID, nil)), registry.CodePersonNeeded)
	e.want(e.s.RequireSecondStep(ctx, asKey, o.ID, "", false), registry.CodePersonNeeded)
	e.want(second(e.s.AddDomain(ctx, asKey, o.ID, "example.com", "t")), registry.CodePersonNeeded)
	e.want(second(e.s.VerifyDomain(ctx, asKey, o.ID, "example.com", "")), registry.CodePersonNeeded)
	c, err := e.connect(asA, o.ID, nil)
	e.ok(err)
	all, err := e.connect(operator, "", nil)
	e.ok(err)
	list, err := e.s.Connections(ctx, asAdmin, o.ID)
	e.ok(err)
	if len(list) != 1 || list[0].ID != c.ID || !list[0].SignUp || string(list[0].Sealed) != "sealed" || list[0].CreatedBy != "a@example.com" {
		e.Errorf("%+v", list)
	}
	e.want(second(e.s.Connections(ctx, asA, "")), registry.CodeForbidden)
	e.want(second(e.s.Connection(ctx, asA, c.ID)), registry.CodeForbidden)
	for _, id := range []registry.ConnectionID{c.ID, all.ID} { // another org's, and everybody's
		e.want(e.s.DeleteConnection(ctx, asB, other.ID, id), registry.CodeNotFound)
		e.want(second(e.s.UpdateConnection(ctx, asB, other.ID, id, registry.ConnectionChange{Spec: e.spec(other.ID)})), registry.CodeNotFound)
	}
	e.want(e.s.DeleteConnection(ctx, operator, "", c.ID), registry.CodeNotFound)

	// Another issuer would make its subjects somebody's accounts here.
	for _, change := range []func(*registry.ConnectionSpec){
		func(s *registry.ConnectionSpec) { s.Issuer = "https://evil.example.com" }, func(s *registry.ConnectionSpec) { s.ClientID = "other" },
	} {
		s := e.spec(o.ID)
		change(&s)
		e.want(second(e.s.UpdateConnection(ctx, asA, o.ID, c.ID, registry.ConnectionChange{Spec: s})), registry.CodeInvalid)
	}
	s := e.spec(o.ID)
	s.Name, s.TrustEmail = "Entra", true
	c, err = e.s.UpdateConnection(ctx, asA, o.ID, c.ID, registry.ConnectionChange{Spec: s})
	e.ok(err)
	if c.Name != "Entra" || !c.TrustEmail || string(c.Sealed) != "sealed" {
		e.Errorf("%+v", c)
	}

	e.want(second(e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("s"), User: a, Connection: c.ID})), registry.CodeGone) // not linked
	e.ownDomain(asA, o.ID)
	e.link(a, c)
	session, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("s"), User: a, Connection: c.ID})
	e.ok(err)
	if session.SignIn().Via != o.ID {
		e.Errorf("%+v", session)
	}
	e.ok(e.s.DeleteConnection(ctx, asA, o.ID, c.ID))
	e.want(third(e.s.SessionByID(ctx, system, session.ID)), registry.CodeNotFound)
	e.want(second(e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("late"), User: a, Connection: c.ID})), registry.CodeNotFound)
	for range registry.ConnectionsMax {
		e.ok(second(e.connect(asA, o.ID, nil)))
	}
	e.want(second(e.connect(asA, o.ID, nil)), registry.CodeConflict)
}

// domains: one counts for the org that showed it, and for one org alone.
func domains(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	b, asB := e.user("b@example.com")
	other := e.org("other", b.ID)
	for _, bad := range []string{"", "example", "a@example.com", "*.example.com", "exa mple.com", ".example.com", "example..com", "ex/ample.com"} {
		e.want(second(e.s.AddDomain(ctx, asA, o.ID, bad, "t")), registry.CodeInvalid)
	}
	d, err := e.s.AddDomain(ctx, asA, o.ID, " Example.COM. ", "t1")
	e.ok(err)
	if d.Domain != "example.com" || d.Record != "_pizzeria.example.com" || d.Value != "pizzeria-domain=t1" || !d.VerifiedAt.IsZero() {
		e.Errorf("%+v", d)
	}
	again, err := e.s.AddDomain(ctx, asA, o.ID, "example.com", "t2")
	e.ok(err)
	if again.Value != d.Value {
		e.Error("the record of a domain changed")
	}
	e.ok(second(e.s.AddDomain(ctx, asB, other.ID, "example.com", "t3"))) // anybody may say so
	c, err := e.connect(asA, o.ID, nil)
	e.ok(err)
	e.ok(second(e.connect(asB, other.ID, nil)))
	if list, err := e.s.ConnectionsOfDomain(ctx, system, "example.com"); err != nil || len(list) != 0 {
		e.Errorf("a domain counts before it is verified: %v %v", list, err)
	}
	e.want(second(e.s.VerifyDomain(ctx, asA, o.ID, "example.com", d.Value)), registry.CodeForbidden)
	e.want(second(e.s.VerifyDomain(ctx, system, o.ID, "example.com", "pizzeria-domain=t3")), registry.CodeVersionConflict)
	e.want(second(e.s.VerifyDomain(ctx, system, o.ID, "example.org", "")), registry.CodeNotFound)
	d, err = e.s.VerifyDomain(ctx, system, o.ID, "example.com", d.Value)
	e.ok(err)
	if d.VerifiedBy != "dns" || d.VerifiedAt.IsZero() {
		e.Errorf("%+v", d)
	}
	e.want(second(e.s.VerifyDomain(ctx, operator, other.ID, "example.com", "")), registry.CodeConflict)
	list, err := e.s.ConnectionsOfDomain(ctx, system, "example.com")
	e.ok(err)
	if len(list) != 1 || list[0].ID != c.ID {
		e.Errorf("%+v", list)
	}
	e.want(e.s.RemoveDomain(ctx, asB, other.ID, "example.org"), registry.CodeNotFound)
	e.ok(e.s.RemoveDomain(ctx, asA, o.ID, "example.com"))
	d, err = e.s.VerifyDomain(ctx, operator, other.ID, "example.com", "")
	e.ok(err)
	if d.VerifiedBy != "operator" {
		e.Errorf("%+v", d)
	}
}

// externalSignIn: who is whom, by what both sides know, and no further than the org's own domains.
func externalSignIn(e env) {
	owner, asOwner := e.user("owner@elsewhere.example")
	o := e.org("acme", owner.ID)
	e.ownDomain(asOwner, o.ID)
	all, err := e.connect(operator, "", nil)
	e.ok(err)
	own, err := e.connect(asOwner, o.ID, func(s *registry.ConnectionSpec) {
		s.DefaultRole, s.RolesClaim, s.Roles = "", "groups", []registry.RoleMapping{{Value: "dev", Role: registry.RoleMember}, {Value: "ops", Role: registry.RoleAdmin}}
	})
	e.ok(err)
	come := func(c registry.Connection, subject, email string, verified bool, values ...string) (registry.User, error) {
		u, _, err := e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c.ID, Subject: subject, Email: email, EmailVerified: verified, Name: "Eve", Values: values})
		return u, err
	}
	u, asU := e.user("eve@example.com")
	e.want(third(e.s.SignInExternal(ctx, asU, registry.ExternalSignIn{Connection: all.ID})), registry.CodeForbidden)
	e.want(second(come(registry.Connection{ID: "x"}, "s", "eve@example.com", true)), registry.CodeNotFound)

	// An address that one of the two does not know to be theirs finds nobody.
	e.want(second(come(all, "s1", "eve@example.com", false)), registry.CodeForbidden)
	e.want(second(come(all, "s1", "eve@example.com", true)), registry.CodeForbidden) // the account's is not verified
	e.want(second(come(all, "s1", "", true)), registry.CodeForbidden)
	e.want(second(come(all, "s1", "not an address", true)), registry.CodeForbidden)
	e.verify(u)
	for _, other := range []string{" eve@example.com", "eve@example.com\t", "eve@example.com\u2000", "\u00a0eve@example.com", "ev\u0435@example.com"} {
		e.want(second(come(all, "s1", other, true)), registry.CodeForbidden) // to the provider it may be somebody else's
	}
	got, err := come(all, "s1", "EVE@example.com", true)
	e.ok(err)
	if got.ID != u.ID {
		e.Fatalf("%+v", got)
	}
	// From now on the subject is who they are, whatever their address; nobody else there takes their place.
	got, err = come(all, "s1", "other@example.org", false)
	e.ok(err)
	if got.ID != u.ID {
		e.Errorf("%+v", got)
	}
	e.want(second(come(all, "s2", "eve@example.com", true)), registry.CodeConflict)

	// Who has no account gets one where the connection says so, or somebody invited the address.
	e.want(second(come(all, "new", "new@example.org", true)), registry.CodeForbidden)
	e.ok(second(e.s.CreateInvite(ctx, asOwner, o.ID, "new@example.org", registry.RoleMember, secret("i"))))
	got, err = come(all, "new", "new@example.org", true)
	e.ok(err)
	if !got.EmailVerified || got.Email != "new@example.org" || got.PasswordHash != "" {
		e.Errorf("%+v", got)
	}
	e.want(second(e.s.Member(ctx, operator, o.ID, got.ID)), registry.CodeNotFound) // an invitation is accepted, not presumed
	s := e.spec("")
	s.SignUp = true
	e.ok(second(e.s.UpdateConnection(ctx, operator, "", all.ID, registry.ConnectionChange{Spec: s})))
	e.ok(second(come(all, "free", "free@example.org", true)))

	// An org's provider speaks for its domains, and gives the roles of its mapping.
	e.want(second(come(own, "x1", "kim@example.org", true, "dev")), registry.CodeForbidden)
	e.want(second(come(own, "x1", "kim@sub.example.com", true, "dev")), registry.CodeForbidden)
	e.want(second(come(own, "x1", "kim@example.com", true)), registry.CodeForbidden) // no role
	if _, err := e.s.UserByEmail(ctx, system, "kim@example.com"); registry.ErrorCode(err) != registry.CodeNotFound {
		e.Errorf("who was refused has an account: %v", err)
	}
	kim, err := come(own, "x1", "kim@example.com", true, "dev", "noise")
	e.ok(err)
	role := func(id registry.UserID, want registry.Role) {
		e.Helper()
		if m, err := e.s.Member(ctx, operator, o.ID, id); err != nil || m.Role != want {
			e.Errorf("%+v %v", m, err)
		}
	}
	role(kim.ID, registry.RoleMember)
	e.ok(second(come(own, "x1", "kim@example.com", true, "dev", "ops")))
	role(kim.ID, registry.RoleAdmin)
	e.ok(second(come(own, "x1", "kim@example.com", true, "dev")))
	role(kim.ID, registry.RoleMember)
	e.ok(e.s.SetRole(ctx, e.ownerOf(o.ID), o.ID, kim.ID, registry.RoleOwner))
	e.ok(second(come(own, "x1", "kim@example.com", true, "dev")))
	role(kim.ID, registry.RoleOwner)

	// It reaches no account of another domain, not even one that is linked, and no platform admin.
	link := func(c registry.Connection, subject string, account registry.UserID) error {
		return third(e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c.ID, Subject: subject, Account: account, Values: []string{"dev"}}))
	}
	e.want(link(own, "x2", owner.ID), registry.CodeForbidden)
	e.want(link(own, "x1", u.ID), registry.CodeConflict) // kim's
	e.ok(link(own, "x3", u.ID))
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, u.ID, registry.UserChange{PlatformAdmin: &yes}))
	e.want(second(come(own, "x3", "eve@example.com", true, "dev")), registry.CodeForbidden)
	no := false
	e.ok(second(e.s.CreateUser(ctx, operator, registry.NewUser{Email: "root@example.com", Name: "Root", PlatformAdmin: true, PasswordHash: "h"})))
	e.ok(e.s.UpdateUser(ctx, operator, u.ID, registry.UserChange{PlatformAdmin: &no}))
	e.ok(second(come(own, "x3", "eve@example.com", true, "dev")))
	e.ok(e.s.RemoveDomain(ctx, asOwner, o.ID, "example.com"))
	e.want(second(come(own, "x3", "eve@example.com", true, "dev")), registry.CodeForbidden)

	// Links are the person's to see and end; what they let in ends with them.
	list, err := e.s.Identities(ctx, asU, u.ID)
	e.ok(err)
	if len(list) != 2 {
		e.Errorf("%+v", list)
	}
	session, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("s"), User: u, Connection: all.ID})
	e.ok(err)
	keep, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("k"), User: u, Methods: registry.MethodPassword})
	e.ok(err)
	e.ok(e.s.RemoveIdentity(ctx, asU, u.ID, all.ID))
	e.want(e.s.RemoveIdentity(ctx, asU, u.ID, all.ID), registry.CodeNotFound)
	e.want(third(e.s.SessionByID(ctx, system, session.ID)), registry.CodeNotFound)
	e.ok(third(e.s.SessionByID(ctx, system, keep.ID)))

	// Nobody shuts themselves out; a platform admin who unlinks somebody knows what they do.
	alone, err := come(all, "alone", "alone@example.org", true)
	e.ok(err)
	e.want(e.s.RemoveIdentity(ctx, e.person(alone, "", ""), alone.ID, all.ID), registry.CodeConflict)
	e.ok(second(e.s.AddFactor(ctx, e.person(alone, "", ""), registry.Factor{ID: registry.FactorID(registry.NewID()), Kind: registry.FactorPasskey, Name: "k", Sealed: []byte("x")}, 1, nil)))
	e.ok(e.s.RemoveIdentity(ctx, e.person(alone, "", ""), alone.ID, all.ID))

	// Twenty at once are one account.
	var wg sync.WaitGroup
	ids := make([]registry.UserID, 20)
	for i := range ids {
		wg.Go(func() {
			u, _, err := e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: all.ID, Subject: "race", Email: "race@example.org", EmailVerified: true})
			if err == nil {
				ids[i] = u.ID
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			e.Fatalf("%v", ids)
		}
	}
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.want(second(come(own, "x1", "kim@example.com", true, "dev")), registry.CodeForbidden)
}

// verify makes an account's address verified.
func (e env) verify(u registry.User) {
	e.Helper()
	s := secret(fmt.Sprintf("verify %s", u.ID))
	e.ok(second(e.s.CreateAccountLink(ctx, e.person(u, "", ""), registry.LinkVerify, u.ID, "", s)))
	e.ok(third(e.s.ConfirmEmail(ctx, registry.AsUser(u, "", ""), s)))
}

// signInRules: an org that asks for its own connection, or a second step, is closed to other sign-ins, at the gateway and in management.
func signInRules(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	m, _ := e.member(o.ID, "m@example.com", registry.RoleMember)
	c, err := e.connect(asOwner, o.ID, nil)
	e.ok(err)
	theirs, err := e.connect(operator, "", nil)
	e.ok(err)
	e.ownDomain(asOwner, o.ID)
	e.link(m, c)
	e.link(m, theirs)
	enter := func(u registry.User, methods string, by registry.ConnectionID) (registry.Lack, registry.Lack) {
		e.Helper()
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(registry.NewID()), User: u, Methods: methods, Connection: by})
		e.ok(err)
		_, gate := e.s.Grant(ctx, system, s.ID, o.ID)
		_, manage := e.s.Org(ctx, registry.AsSession(u, s, ""), o.ID)
		_, authorize := e.s.Authorize(ctx, registry.AsSession(u, s, ""), o.ID, registry.ActionOrgRead)
		if registry.LackOf(manage) != registry.LackOf(authorize) {
			e.Errorf("%v, %v", manage, authorize)
		}
		return registry.LackOf(gate), registry.LackOf(manage)
	}
	check := func(what string, u registry.User, methods string, by registry.ConnectionID, want registry.Lack) {
		e.Helper()
		if gate, manage := enter(u, methods, by); gate != want || manage != want {
			e.Errorf("%s: lacks %q at the gateway and %q in management, want %q", what, gate, manage, want)
		}
	}
	check("without rules", m, "pwd", "", "")
	s := e.spec(o.ID)
	s.Required = true
	e.ok(second(e.s.UpdateConnection(ctx, asOwner, o.ID, c.ID, registry.ConnectionChange{Spec: s})))
	check("a password", m, "pwd otp mfa", "", registry.LackSSO)
	check("everybody's provider", m, "", theirs.ID, registry.LackSSO)
	check("the org's", m, "", c.ID, "")
	check("an owner's password", owner, "pwd", "", "")
	e.ok(e.s.RequireSecondStep(ctx, operator, o.ID, "", true))
	check("the org's provider answers for its own second step", m, "", c.ID, "")
	check("an owner's password", owner, "pwd", "", registry.LackSecond)
	check("an owner's second step", owner, "pwd otp mfa", "", "")
	e.ok(e.s.DeleteConnection(ctx, operator, o.ID, c.ID))
	check("a password", m, "pwd", "", registry.LackSecond)
	check("a passkey", m, "pop user mfa", "", "")
	e.ok(e.s.RequireSecondStep(ctx, operator, o.ID, "", false))
	check("a password", m, "pwd", "", "")
	changes, err := e.s.Changes(ctx, system, 0, 1000)
	e.ok(err)
	rules := 0
	for _, c := range changes {
		if c.Kind == registry.ChangeOrgSignIn {
			rules++
		}
	}
	if rules != 4 {
		e.Errorf("%d changes of the rules in the feed, want 4", rules)
	}
}

// domainChecks: a record that stays missing ends what the domain is good for, a DNS that fails does
// not; sessions that came by a domain end with it, and no others.
func domainChecks(e env) {
	owner, asOwner := e.user("owner@elsewhere.example")
	o := e.org("acme", owner.ID)
	other := e.org("other", "")
	verify := func(org registry.OrgID, domain string) registry.Domain {
		e.Helper()
		d, err := e.s.AddDomain(ctx, e.ownerOf(org), org, domain, "t")
		e.ok(err)
		d, err = e.s.VerifyDomain(ctx, system, org, domain, d.Value)
		e.ok(err)
		return d
	}
	verify(o.ID, "example.com")
	verify(o.ID, "example.net")
	verify(other.ID, "example.org")
	e.ok(second(e.s.AddDomain(ctx, asOwner, o.ID, "vouched.example", "t")))
	e.ok(second(e.s.VerifyDomain(ctx, operator, o.ID, "vouched.example", "")))
	own, err := e.connect(asOwner, o.ID, nil)
	e.ok(err)
	all, err := e.connect(operator, "", func(s *registry.ConnectionSpec) { s.SignUp = true })
	e.ok(err)
	theirs, err := e.connect(operator, other.ID, nil)
	e.ok(err)
	tokens := 0
	come := func(c registry.Connection, email string) (registry.SessionID, error) {
		e.Helper()
		u, _, err := e.s.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c.ID, Subject: email, Email: email, EmailVerified: true, Name: "Eve"})
		if err != nil {
			return "", err
		}
		tokens++
		v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(fmt.Sprint("domain", tokens)), User: u, Connection: c.ID})
		return v.ID, err
	}
	lives := func(want bool, ids ...registry.SessionID) {
		e.Helper()
		for _, id := range ids {
			if _, _, err := e.s.SessionByID(ctx, system, id); (err == nil) != want {
				e.Errorf("session %s: %v", id, err)
			}
		}
	}
	must := func(c registry.Connection, email string) registry.SessionID {
		e.Helper()
		id, err := come(c, email)
		e.ok(err)
		return id
	}
	com, net, org := must(own, "a@example.com"), must(own, "a@example.net"), must(theirs, "a@example.org")
	operators := must(all, "b@example.com") // by the operator's provider: the domain is nothing to it

	// By removal, at once.
	e.ok(e.s.RemoveDomain(ctx, asOwner, o.ID, "example.com"))
	lives(false, com)
	lives(true, net, org, operators)
	e.want(second(come(own, "a@example.com")), registry.CodeForbidden)
	// Also one whose second step is still to come.
	u, err := e.s.UserByEmail(ctx, system, "a@example.com")
	e.ok(err)
	e.want(second(e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("half"), User: u, Connection: own.ID})), registry.CodeForbidden)

	// By looks at the record.
	due := func(want int) (list []registry.Domain) {
		e.Helper()
		list, err := e.s.ClaimDomainChecks(ctx, system, 10)
		e.ok(err)
		if len(list) != want {
			e.Fatalf("%d domains are due, want %d: %+v", len(list), want, list)
		}
		return list
	}
	report := func(d registry.Domain, l registry.Look, missed int) registry.Domain {
		e.Helper()
		d, err := e.s.ReportDomainCheck(ctx, system, d, l)
		e.ok(err)
		if d.Missed != missed {
			e.Errorf("%s: %d misses, want %d", d.Domain, d.Missed, missed)
		}
		return d
	}
	e.want(second(e.s.ClaimDomainChecks(ctx, operator, 10)), registry.CodeForbidden)
	e.want(second(e.s.ReportDomainCheck(ctx, operator, registry.Domain{}, registry.LookFound)), registry.CodeForbidden)
	due(0)
	e.clock.Add(8 * 24 * time.Hour)
	list := due(2) // not the vouched one
	due(0)         // they are leased
	for _, d := range list {
		if d.OrgID == other.ID {
			report(d, registry.LookFound, 0)
		}
	}
	e.clock.Add(2 * time.Hour)
	var d registry.Domain
	look := func(l registry.Look, missed int) { // the other org's record is there
		e.Helper()
		list, err := e.s.ClaimDomainChecks(ctx, system, 10)
		e.ok(err)
		looked := false
		for _, v := range list {
			if v.OrgID == other.ID {
				report(v, registry.LookFound, 0)
				continue
			}
			d, looked = report(v, l, missed), true
		}
		if !looked {
			e.Fatal("example.net is not due") // here, since whoever had it never reported
		}
	}
	for range 10 { // a DNS that fails
		look(registry.LookFailed, 0)
		e.clock.Add(7 * time.Hour)
	}
	const day = 24 * time.Hour
	look(registry.LookMissing, 1)
	lives(true, must(own, "a@example.net"))
	e.clock.Add(4 * day)
	look(registry.LookFound, 0) // it is back: what was missed counts no more
	e.clock.Add(8 * day)
	look(registry.LookMissing, 1)
	e.clock.Add(4 * day)
	look(registry.LookMissing, 2)
	stale := d
	e.clock.Add(4 * day)
	net, org = must(own, "a@example.net"), must(theirs, "a@example.org")
	lives(true, net)
	look(registry.LookMissing, 3)
	if !d.VerifiedAt.IsZero() || d.VerifiedBy != "" {
		e.Errorf("it counts still: %+v", d)
	}
	lives(false, net)
	lives(true, org)
	e.want(second(come(own, "a@example.net")), registry.CodeForbidden)
	e.want(second(e.s.ReportDomainCheck(ctx, system, stale, registry.LookMissing)), registry.CodeNotFound)
	d, err = e.s.VerifyDomain(ctx, system, o.ID, "example.net", d.Value)
	e.ok(err)
	if d.Missed != 0 {
		e.Errorf("verified anew: %+v", d)
	}
	lives(true, must(own, "a@example.net"))
}
