package storetest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/registry"
)

// reset gives an account another password by a link, which is mailed or handed over.
func (e env) reset(u registry.User, mailed bool) registry.User {
	e.Helper()
	s := secret(registry.NewID())
	l, err := e.s.CreateAccountLink(ctx, system, registry.LinkReset, u.ID, "", s)
	e.ok(err)
	if mailed {
		m := registry.Mail{ID: registry.NewID(), To: u.Email, Sealed: []byte("x")}
		e.ok(e.s.QueueMail(ctx, system, m, l.ID))
	}
	e.ok(second(e.s.ResetPassword(ctx, visitor, s, "new hash")))
	return e.again(u)
}

// again reads an account.
func (e env) again(u registry.User) registry.User {
	e.Helper()
	u, err := e.s.User(ctx, system, u.ID)
	e.ok(err)
	return u
}

func (e env) session(u registry.User, methods string) (registry.Session, error) {
	n := registry.NewSession{Token: secret(registry.NewID()), User: u, Methods: methods}
	return e.s.CreateSession(ctx, system, n)
}

func (e env) factor(as registry.Actor, kind registry.FactorKind, name string) registry.FactorID {
	e.Helper()
	f := registry.Factor{
		ID:     registry.FactorID(registry.NewID()),
		Kind:   kind,
		Name:   name,
		Sealed: []byte("x"),
	}
	codes := []registry.Hash{secret("recovery code of " + string(as.User))}
	e.ok(second(e.s.AddFactor(ctx, as, f, 100, codes)))
	return f.ID
}

// thiefLeavesNothing: whatever somebody left open on an account ends with another password.
func thiefLeavesNothing(e env) {
	const cli registry.ClientID = "cli"
	for name, recover := range map[string]func(registry.User, registry.Actor){
		"mailed": func(u registry.User, _ registry.Actor) { e.reset(u, true) },
		"handed": func(u registry.User, _ registry.Actor) { e.reset(u, false) },
		"changed": func(_ registry.User, as registry.Actor) {
			e.ok(e.s.SetPassword(ctx, as, "new hash"))
		},
	} {
		u, err := e.s.CreateUser(ctx, operator, registry.NewUser{
			Email: name + "@example.com", Name: name, PlatformAdmin: true, PasswordHash: "hash",
		})
		e.ok(err)
		e.verify(u)
		u = e.again(u)
		mine, theirs := e.org("mine-"+name, u.ID), e.org("theirs-"+name, "")
		_, asOwner := e.member(theirs.ID, "owner-"+name+"@example.com", registry.RoleOwner)
		thief, err := e.session(u, registry.MethodPassword)
		e.ok(err)
		asThief := registry.AsSession(u, thief, "203.0.113.1")
		own, err := e.session(u, registry.MethodPassword)
		e.ok(err)

		link := func(kind registry.LinkKind, by registry.Actor, email string) registry.Hash {
			e.Helper()
			s := secret(registry.NewID())
			e.ok(second(e.s.CreateAccountLink(ctx, by, kind, u.ID, email, s)))
			return s
		}
		open := []registry.Hash{
			link(registry.LinkEmail, asThief, "thief-"+name+"@example.org"),
			link(registry.LinkVerify, asThief, ""), link(registry.LinkStop, asThief, ""),
			link(registry.LinkReset, system, ""), link(registry.LinkReset, operator, ""),
		}
		claim := secret("claim " + name)
		e.ok(
			second(
				e.s.CreateRunnerClaim(
					ctx,
					asThief,
					mine.ID,
					registry.NewRunnerClaim{Name: "r"},
					claim,
				),
			),
		)
		ask := registry.NewSupport{Role: registry.RoleAdmin, Reason: "help", Hours: 1}
		p, err := e.s.RequestSupport(ctx, asThief, theirs.ID, ask)
		e.ok(err)
		asKey := registry.Actor{}
		if name != "changed" {
			_, asKey = e.key(
				asThief,
				registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}},
			)
		}
		// An app that the thief is signed in to, one that is under way, and a device.
		app, err := e.s.CreateClient(ctx, operator, registry.NewClient{
			Name: "app", RedirectURIs: []string{"https://app.example.com/"},
		}, secret("s"))
		e.ok(err)
		token := "refresh " + name
		e.signIn(u, thief.ID, app, "openid offline_access", token)
		codes := map[registry.Hash]registry.OrgID{
			secret("code " + name):     "",
			secret("org code " + name): mine.ID,
		}
		for code, org := range codes {
			e.ok(e.s.InsertCode(ctx, system, registry.NewCode{
				Hash:        code,
				ClientID:    string(app.ID),
				OrgID:       org,
				UserID:      u.ID,
				SessionID:   thief.ID,
				RedirectURI: "r",
				Challenge:   "ch",
				ExpiresAt:   e.clock.Now().Add(registry.DeviceLife),
			}))
		}
		device := secret("device " + name)
		userCode := strings.ToUpper(name)
		e.ok(
			e.s.CreateDeviceRequest(
				ctx,
				system,
				registry.DeviceRequest{Code: device, UserCode: userCode, ClientID: cli},
			),
		)
		e.ok(e.s.DecideDevice(ctx, asThief, userCode, registry.DecisionApprove))
		before := e.again(u).DeviceEpoch

		recover(u, registry.AsUser(u, own.ID, ""))

		for _, s := range open {
			e.want(second(e.s.Link(ctx, visitor, s)), registry.CodeGone)
		}
		e.want(third(e.s.ConfirmEmail(ctx, registry.AsUser(u, own.ID, ""), open[0])), registry.CodeGone)
		e.want(second(e.s.EnrollRunner(ctx, visitor, claim, "r", secret("k"))), registry.CodeGone)
		e.want(second(e.s.DecideSupport(ctx, asOwner, theirs.ID, p.ID, registry.DecisionApprove)), registry.CodeNotFound)
		e.want(second(e.s.GrantByRefresh(ctx, system, secret(token))), registry.CodeGone)
		for code := range codes {
			m := registry.CodeMatch{
				Hash:        code,
				ClientID:    string(app.ID),
				RedirectURI: "r",
				Challenge:   "ch",
			}
			e.want(second(e.s.RedeemCode(ctx, system, m)), registry.CodeNotFound)
		}
		g := registry.Grant{ID: registry.GrantID(registry.NewID()), ClientID: cli, Scope: "openid"}
		e.want(second(e.s.RedeemDevice(ctx, system, device, g, secret("d"))), registry.CodeGone)
		e.want(third(e.s.SessionByID(ctx, system, thief.ID)), registry.CodeNotFound)
		// A request of theirs that was under way changes nothing.
		late := registry.Factor{
			ID:     "late",
			Kind:   registry.FactorPasskey,
			Name:   "late",
			Sealed: []byte("x"),
		}
		e.want(second(e.s.AddFactor(ctx, asThief, late, 1, nil)), registry.CodeUnauthenticated)
		if now := e.again(u); now.DeviceEpoch == before {
			e.Errorf("%s: browsers are known as before", name)
		}
		if list, err := e.s.APIKeys(
			ctx,
			registry.AsUser(u, "", ""),
			"",
		); err != nil ||
			len(list) > 0 {
			e.Errorf("%s: %+v (%v) with %v", name, list, err, asKey)
		}
	}

	// "Sign out everywhere" stops a change of address, too, and leaves the links that recover.
	x, asX := e.user("x@example.com")
	e.ok(
		second(
			e.s.CreateAccountLink(
				ctx,
				asX,
				registry.LinkEmail,
				x.ID,
				"y@example.com",
				secret("x email"),
			),
		),
	)
	e.ok(
		second(e.s.CreateAccountLink(ctx, system, registry.LinkReset, x.ID, "", secret("x reset"))),
	)
	e.ok(e.s.RevokeSessions(ctx, asX, x.ID, asX.Session))
	asX = e.person(e.again(x), asX.Session, "")
	e.want(third(e.s.ConfirmEmail(ctx, asX, secret("x email"))), registry.CodeGone)
	e.ok(second(e.s.Link(ctx, visitor, secret("x reset"))))

	// Support access that was given ends with a reset, and with nobody's own change of password.
	root, err := e.s.CreateUser(
		ctx,
		operator,
		registry.NewUser{
			Email:         "root@example.com",
			Name:          "Root",
			PlatformAdmin: true,
			PasswordHash:  "hash",
		},
	)
	e.ok(err)
	o := e.org("acme", "")
	_, asOwner := e.member(o.ID, "owner@example.com", registry.RoleOwner)
	p, err := e.s.RequestSupport(
		ctx,
		e.now(root),
		o.ID,
		registry.NewSupport{Role: registry.RoleAdmin, Reason: "help", Hours: 1},
	)
	e.ok(err)
	e.ok(second(e.s.DecideSupport(ctx, asOwner, o.ID, p.ID, registry.DecisionApprove)))
	e.ok(e.s.SetPassword(ctx, e.now(root), "new hash"))
	e.ok(second(e.s.Member(ctx, asOwner, o.ID, root.ID)))
	e.reset(root, false)
	e.want(second(e.s.Member(ctx, asOwner, o.ID, root.ID)), registry.CodeNotFound)
}

// review: until the person has said what stays, the account does nothing else, and nothing but the
// new password lets anybody in.
func review(e env) {
	u, asU := e.user("ada@example.com")
	e.verify(u)
	o := e.org("acme", u.ID)
	_, asOther := e.user("other@example.com")
	google, err := e.connect(operator, "", nil)
	e.ok(err)
	e.link(u, google)
	phone := e.factor(asU, registry.FactorTOTP, "phone")
	theirs := e.factor(asU, registry.FactorPasskey, "their passkey")
	service, _ := e.key(
		asU,
		registry.NewAPIKey{
			OrgID:  o.ID,
			Role:   registry.RoleAdmin,
			Scopes: []registry.Scope{registry.ScopeOrgRead},
		},
	)
	runner, _ := e.runner(asU, o.ID, "build-1")
	_, asElse := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	invite, err := e.s.CreateInvite(
		ctx,
		asU,
		o.ID,
		"friend@example.com",
		registry.RoleOwner,
		secret("friend"),
	)
	e.ok(err)
	e.ok(
		second(
			e.s.CreateInvite(
				ctx,
				asElse,
				o.ID,
				"else@example.com",
				registry.RoleMember,
				secret("else"),
			),
		),
	)

	e.want(second(e.s.Review(ctx, asU, nil, nil)), registry.CodeConflict) // there is nothing to review
	u = e.reset(u, true)
	if u.RecoveredAt.IsZero() {
		e.Fatal("nothing is to be reviewed")
	}

	// A passkey or a linked account may be the thief's.
	e.want(
		second(e.session(u, registry.WithMethod(registry.MethodPasskey, "user"))),
		registry.CodeForbidden,
	)
	e.want(
		third(
			e.s.SignInExternal(
				ctx,
				system,
				registry.ExternalSignIn{Connection: google.ID, Subject: string(u.ID)},
			),
		),
		registry.CodeForbidden,
	)
	v, err := e.session(u, registry.WithMethod(registry.MethodPassword, registry.MethodCode))
	e.ok(err)
	asU = registry.AsSession(u, v, "192.0.2.1")

	// Nothing else is done by it, nor in its name.
	e.want(second(e.s.Grant(ctx, system, v.ID, o.ID)), registry.CodeReauthenticationNeeded)
	e.want(second(e.s.Authorize(ctx, asU, o.ID, registry.ActionOrgRead)), registry.CodeForbidden)
	e.want(
		second(
			e.s.CreateAPIKey(
				ctx,
				asU,
				registry.NewAPIKey{Name: "k", Scopes: registry.Scopes()[:1]},
				secret("k"),
			),
		),
		registry.CodeForbidden,
	)
	e.want(e.s.RemoveFactors(ctx, asU, u.ID, phone), registry.CodeForbidden)
	e.want(e.s.SetPassword(ctx, asU, "hash"), registry.CodeForbidden)
	e.want(e.s.UpdateOrg(ctx, asU, o.ID, 0, "Mine"), registry.CodeForbidden)
	e.want(
		third(e.s.AcceptInviteAsNew(ctx, visitor, secret("friend"), "Friend", "hash")),
		registry.CodeGone,
	)
	code := registry.NewCode{
		Hash:        secret("c"),
		ClientID:    "app",
		UserID:      u.ID,
		SessionID:   v.ID,
		RedirectURI: "r",
		Challenge:   "ch",
		Grant:       "g",
		ExpiresAt:   e.clock.Now().Add(registry.DeviceLife),
	}
	e.ok(e.s.InsertCode(ctx, system, code))
	e.want(
		second(
			e.s.RedeemCode(
				ctx,
				system,
				registry.CodeMatch{
					Hash:        code.Hash,
					ClientID:    "app",
					RedirectURI: "r",
					Challenge:   "ch",
				},
			),
		),
		registry.CodeNotFound,
	)

	items, err := e.s.RecoveryItems(ctx, asU)
	e.ok(err)
	var got []string
	for _, i := range items {
		got = append(got, string(i.Kind)+" "+i.Name+" "+i.Org)
	}
	slices.Sort(got)
	want := []string{
		"identity Okta ",
		"invite friend@example.com acme",
		"key test acme",
		"passkey their passkey ",
		"runner build-1 acme",
		"totp phone ",
	}
	if !slices.Equal(got, want) {
		e.Errorf("%q, want %q", got, want)
	}
	for _, as := range []registry.Actor{visitor, system, operator} {
		e.want(second(e.s.RecoveryItems(ctx, as)), registry.CodeUnauthenticated)
		e.want(second(e.s.Review(ctx, as, nil, nil)), registry.CodeUnauthenticated)
	}
	if list, err := e.s.RecoveryItems(ctx, asOther); err != nil || len(list) > 0 {
		e.Errorf("%+v %v", list, err)
	}

	// Each is named, or nothing happens.
	keep := map[string]bool{
		"totp/" + string(phone):         true,
		"passkey/" + string(theirs):     false,
		"identity/" + string(google.ID): false,
		"key/" + string(service.ID):     false,
		"runner/" + string(runner.ID):   false,
		"invite/" + invite.ID:           false,
	}
	for key := range keep {
		less := map[string]bool{}
		for k, v := range keep {
			if k != key {
				less[k] = v
			}
		}
		e.want(second(e.s.Review(ctx, asU, less, nil)), registry.CodeInvalid)
	}
	factors, err := e.s.Review(ctx, asU, keep, []registry.Hash{secret("new code")})
	e.ok(err)
	if !factors {
		e.Error("the phone is gone")
	}
	e.want(second(e.s.Review(ctx, asU, keep, nil)), registry.CodeConflict) // twice
	if u = e.again(u); !u.RecoveredAt.IsZero() {
		e.Errorf("%+v", u)
	}
	asU = registry.AsSession(u, v, "192.0.2.1")
	list, err := e.s.Factors(ctx, asU, u.ID)
	e.ok(err)
	if len(list) != 1 || list[0].ID != phone {
		e.Errorf("%+v", list)
	}
	e.want(
		second(e.s.UseRecoveryCode(ctx, system, u.ID, secret("recovery code of "+string(u.ID)))),
		registry.CodeNotFound,
	)
	e.ok(second(e.s.UseRecoveryCode(ctx, system, u.ID, secret("new code"))))
	if list, err := e.s.Identities(ctx, asU, u.ID); err != nil || len(list) > 0 {
		e.Errorf("%+v %v", list, err)
	}
	if list, err := e.s.APIKeys(ctx, asU, o.ID); err != nil || len(list) > 0 {
		e.Errorf("%+v %v", list, err)
	}
	if p, err := e.s.Runners(
		ctx,
		asU,
		o.ID,
		registry.RunnerList{},
	); err != nil ||
		len(p.Items) > 0 {
		e.Errorf("%+v %v", p, err)
	}
	if list, err := e.s.Invites(
		ctx,
		asU,
		o.ID,
	); err != nil || len(list) != 1 ||
		list[0].Email != "else@example.com" {
		e.Errorf("%+v %v", list, err)
	}
	e.ok(second(e.s.Grant(ctx, system, v.ID, o.ID)))
	e.ok(second(e.session(u, registry.WithMethod(registry.MethodPasskey, "user"))))

	// All that happened is in the log.
	entries, err := e.s.AuditAfter(ctx, operator, "", registry.AuditList{}, 0, 1000)
	e.ok(err)
	var actions []registry.ChangeKind
	for _, a := range entries {
		actions = append(actions, a.Action)
	}
	for _, a := range []registry.ChangeKind{registry.ChangeUserVerified, registry.ChangeUserRecovered, registry.ChangeUserReviewed, registry.ChangeIdentityRemoved, registry.ChangeAPIKeyRevoked, registry.ChangeRunnerRevoked, registry.ChangeInviteRevoked} {
		if !slices.Contains(actions, a) {
			e.Errorf("%s is not in the log", a)
		}
	}

	// Keys and invitations of an org are for somebody who is an admin there still.
	e.key(
		asU,
		registry.NewAPIKey{
			OrgID:  o.ID,
			Role:   registry.RoleMember,
			Scopes: []registry.Scope{registry.ScopeOrgRead},
		},
	)
	_, asSecond := e.member(o.ID, "second@example.com", registry.RoleOwner)
	e.ok(e.s.SetRole(ctx, asSecond, o.ID, u.ID, registry.RoleMember))
	items, err = e.s.RecoveryItems(ctx, registry.AsUser(u, "", ""))
	e.ok(err)
	if len(items) != 1 || items[0].Kind != registry.RecoveryTOTP {
		e.Errorf("%+v", items)
	}

	// With nothing left there is nothing to review.
	plain, _ := e.user("plain@example.com")
	if plain = e.reset(plain, true); !plain.RecoveredAt.IsZero() {
		e.Errorf("%+v", plain)
	}
	e.ok(second(e.session(plain, registry.MethodPassword)))
}

// reviewOnce: of twenty reviews at once one counts.
func reviewOnce(e env) {
	u, asU := e.user("ada@example.com")
	e.verify(u)
	phone := e.factor(asU, registry.FactorTOTP, "phone")
	u = e.reset(u, false)
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 20 {
		wg.Go(func() {
			keep := map[string]bool{"totp/" + string(phone): true}
			if second(
				e.s.Review(
					ctx,
					registry.AsUser(u, "", ""),
					keep,
					[]registry.Hash{secret(registry.NewID())},
				),
			) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		e.Errorf("%d reviews", won.Load())
	}
}

// preHijack: an account that somebody made for another's address. Its recovery leaves them nothing.
func preHijack(e env) {
	_, asEvil := e.user("evil@example.org")
	globex, acme := e.org("globex", asEvil.User), e.org("acme", "")
	_, asOwner := e.member(acme.ID, "owner@acme.test", registry.RoleOwner)
	e.ok(
		second(
			e.s.CreateInvite(
				ctx,
				asEvil,
				globex.ID,
				"ceo@acme.test",
				registry.RoleMember,
				secret("evil"),
			),
		),
	)
	ceo, _, err := e.s.AcceptInviteAsNew(ctx, visitor, secret("evil"), "CEO", "theirs")
	e.ok(err)
	if ceo.MadeByOrg != globex.ID {
		e.Errorf("%+v", ceo)
	}
	asCEO := e.person(ceo, "", "")
	e.key(asCEO, registry.NewAPIKey{Scopes: registry.Scopes()[:13]})
	e.factor(asCEO, registry.FactorPasskey, "theirs")
	google, err := e.connect(operator, "", nil)
	e.ok(err)
	e.link(ceo, google)
	e.clock.Add(registry.SessionIdle)

	invite := func(role registry.Role, token string) {
		e.Helper()
		e.ok(second(e.s.CreateInvite(ctx, e.ownerOf(acme.ID), acme.ID, ceo.Email, role, secret(token))))
	}
	invite(registry.RoleOwner, "acme")
	_, _, err = e.s.AcceptInviteAsNew(ctx, visitor, secret("acme"), "CEO", "mine")
	e.want(err, registry.CodeConflict)
	if err == nil || !strings.Contains(err.Error(), "nobody has verified") ||
		strings.Contains(err.Error(), "globex") {
		e.Errorf("%v", err)
	}
	ceo = e.reset(ceo, false)
	if ceo.EmailVerified || !ceo.RecoveredAt.IsZero() {
		e.Errorf("%+v", ceo) // nothing is left to be reviewed
	}
	asCEO = registry.AsUser(ceo, "", "")
	for what, n := range map[string]func() (int, error){
		"keys":       func() (int, error) { l, err := e.s.APIKeys(ctx, asCEO, ""); return len(l), err },
		"factors":    func() (int, error) { l, err := e.s.Factors(ctx, asCEO, ceo.ID); return len(l), err },
		"identities": func() (int, error) { l, err := e.s.Identities(ctx, asCEO, ceo.ID); return len(l), err },
	} {
		if got, err := n(); err != nil || got != 0 {
			e.Errorf("%d %s are left: %v", got, what, err)
		}
	}
	e.want(
		second(
			e.s.UseRecoveryCode(ctx, system, ceo.ID, secret("recovery code of "+string(ceo.ID))),
		),
		registry.CodeNotFound,
	)

	// The role waits, and both sides see why.
	l, err := e.s.AcceptInvite(ctx, asCEO, secret("acme"))
	e.ok(err)
	if l.Role != registry.RoleMember || l.WantedRole != registry.RoleOwner {
		e.Errorf("%+v", l)
	}
	m, err := e.s.Member(ctx, asOwner, acme.ID, ceo.ID)
	e.ok(err)
	if m.Role != registry.RoleMember || m.WantedRole != registry.RoleOwner ||
		m.MadeBy != "globex" ||
		!m.AccountSince.Equal(ceo.CreatedAt) {
		e.Errorf("%+v", m)
	}
	if m, err = e.s.Member(
		ctx,
		asCEO,
		acme.ID,
		ceo.ID,
	); err != nil || m.WantedRole != registry.RoleOwner || m.MadeBy != "" ||
		!m.AccountSince.IsZero() {
		e.Errorf("%+v %v", m, err) // a member is not told where others' accounts come from
	}
	if v, err := e.s.Org(
		ctx,
		asCEO,
		acme.ID,
	); err != nil || v.Role != registry.RoleMember ||
		v.WantedRole != registry.RoleOwner {
		e.Errorf("%+v %v", v, err)
	}
	e.want(e.s.SetRole(ctx, asOwner, acme.ID, ceo.ID, registry.RoleAdmin), registry.CodeConflict)
	e.want(e.s.TransferOrg(ctx, e.ownerOf(acme.ID), acme.ID, ceo.ID), registry.CodeConflict)
	e.want(
		second(e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "initech", Owner: ceo.ID})),
		registry.CodeConflict,
	)
	yes := true
	e.want(e.s.UpdateUser(ctx, operator, ceo.ID, registry.UserChange{PlatformAdmin: &yes}), registry.CodeConflict)

	// A platform admin says whose it is, in person.
	root, err := e.s.CreateUser(
		ctx,
		operator,
		registry.NewUser{
			Email:         "root@example.com",
			Name:          "Root",
			PlatformAdmin: true,
			PasswordHash:  "hash",
		},
	)
	e.ok(err)
	asRoot := e.now(root)
	_, asKey := e.key(asRoot, registry.NewAPIKey{Scopes: []registry.Scope{registry.ScopePlatform}})
	for _, as := range []registry.Actor{asCEO, asOwner, asEvil, asKey, visitor} {
		e.refused(e.s.VerifyUser(ctx, as, ceo.ID))
	}
	e.want(e.s.VerifyUser(ctx, asRoot, "01890000-0000-7000-8000-000000000000"), registry.CodeNotFound)
	e.ok(e.s.VerifyUser(ctx, asRoot, ceo.ID))
	e.ok(e.s.VerifyUser(ctx, asRoot, ceo.ID)) // twice
	m, err = e.s.Member(ctx, asOwner, acme.ID, ceo.ID)
	e.ok(err)
	if m.Role != registry.RoleOwner || m.WantedRole != "" || m.MadeBy != "" {
		e.Errorf("%+v", m)
	}
	e.ok(e.s.UpdateUser(ctx, operator, ceo.ID, registry.UserChange{PlatformAdmin: &yes}))

	// Of a verified account a reset leaves what the person may want to keep.
	kept := e.factor(asCEO, registry.FactorPasskey, "mine")
	ceo = e.reset(ceo, true)
	if list, err := e.s.Factors(
		ctx,
		system,
		ceo.ID,
	); err == nil && (len(list) != 1 || list[0].ID != kept) ||
		ceo.RecoveredAt.IsZero() {
		e.Errorf("%+v %+v", list, ceo)
	}
}

// unverifiedRoles: what gives a role by an address asks whether anybody verified it.
func unverifiedRoles(e env) {
	o := e.org("acme", "")
	_, asOwner := e.member(o.ID, "owner@example.com", registry.RoleOwner)
	role := func(u registry.User) (role, waiting registry.Role) {
		e.Helper()
		m, err := e.s.Member(ctx, asOwner, o.ID, u.ID)
		e.ok(err)
		return m.Role, m.WantedRole
	}
	is := func(u registry.User, want, wantWaiting registry.Role) {
		e.Helper()
		if got, waiting := role(u); got != want || waiting != wantWaiting {
			e.Errorf(
				"%s is %s and waits to be %q, want %s and %q",
				u.Email,
				got,
				waiting,
				want,
				wantWaiting,
			)
		}
	}
	join := func(u registry.User, role registry.Role, mailed bool) {
		e.Helper()
		s := secret(registry.NewID())
		l, err := e.s.CreateInvite(ctx, e.ownerOf(o.ID), o.ID, u.Email, role, s)
		e.ok(err)
		if mailed {
			e.ok(
				e.s.QueueMail(
					ctx,
					system,
					registry.Mail{ID: registry.NewID(), To: u.Email, Sealed: []byte("x")},
					l.ID,
				),
			)
		}
		e.ok(second(e.s.AcceptInvite(ctx, registry.AsUser(u, "", ""), s)))
	}
	made, _ := e.member(o.ID, "made@example.com", registry.RoleAdmin) // by the invitation itself
	is(made, registry.RoleAdmin, "")
	joined, _ := e.member(o.ID, "joined@example.com", registry.RoleMember)
	older := map[string]registry.User{}
	for _, name := range []string{"member", "mailed", "waits", "moves", "lowered", "clicks"} {
		older[name], _ = e.user(name + "@example.org")
	}
	e.clock.Add(registry.DeviceLife)
	e.ok(
		e.s.SetRole(ctx, asOwner, o.ID, joined.ID, registry.RoleAdmin),
	) // account and membership are one
	join(older["member"], registry.RoleMember, false)
	is(older["member"], registry.RoleMember, "")
	e.want(
		e.s.SetRole(ctx, asOwner, o.ID, older["member"].ID, registry.RoleAdmin),
		registry.CodeConflict,
	)
	join(older["mailed"], registry.RoleAdmin, true) // who followed the link has account and mailbox
	is(older["mailed"], registry.RoleAdmin, "")
	for _, name := range []string{"waits", "moves", "lowered", "clicks"} {
		join(older[name], registry.RoleAdmin, false)
		is(older[name], registry.RoleMember, registry.RoleAdmin)
	}

	// Another address is verified, and is not the one that was invited.
	asMoves := registry.AsUser(older["moves"], "", "")
	e.ok(
		second(
			e.s.CreateAccountLink(
				ctx,
				asMoves,
				registry.LinkEmail,
				older["moves"].ID,
				"moved@example.org",
				secret("move"),
			),
		),
	)
	e.ok(third(e.s.ConfirmEmail(ctx, asMoves, secret("move"))))
	is(older["moves"], registry.RoleMember, "")
	e.ok(
		e.s.SetRole(ctx, asOwner, o.ID, older["lowered"].ID, registry.RoleMember),
	) // an owner thinks better of it
	e.verify(older["lowered"])
	is(older["lowered"], registry.RoleMember, "")
	e.verify(older["clicks"]) // a link that was mailed, followed by whoever has the account
	is(older["clicks"], registry.RoleAdmin, "")
	is(older["waits"], registry.RoleMember, registry.RoleAdmin)

	// A company's provider gives roles by its mapping, to addresses that it verified.
	e.ownDomain(asOwner, o.ID)
	c, err := e.connect(asOwner, o.ID, func(s *registry.ConnectionSpec) {
		s.RolesClaim, s.Roles, s.DefaultRole = "groups", []registry.RoleMapping{
			{Value: "ops", Role: registry.RoleAdmin},
		}, registry.RoleMember
	})
	e.ok(err)
	eve, _ := e.user("eve@example.com")
	kim, _ := e.user("kim@example.com")
	e.clock.Add(registry.DeviceLife)
	come := func(u registry.User, verified bool, values ...string) {
		e.Helper()
		e.ok(third(e.s.SignInExternal(ctx, system, registry.ExternalSignIn{
			Connection:    c.ID,
			Subject:       string(u.ID),
			Account:       u.ID,
			Email:         u.Email,
			EmailVerified: verified,
			Values:        values,
		})))
	}
	come(eve, false, "ops")
	is(eve, registry.RoleMember, registry.RoleAdmin)
	come(eve, false, "ops")
	is(eve, registry.RoleMember, registry.RoleAdmin)
	come(eve, false)
	is(eve, registry.RoleMember, "")
	come(eve, false, "ops")
	come(eve, true, "ops")
	is(eve, registry.RoleAdmin, "")
	come(kim, true, "ops")
	is(kim, registry.RoleAdmin, "")
	if !e.again(kim).EmailVerified {
		e.Error("the provider's word does not count")
	}
}
