package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	minutes = registry.Seconds(60)
	hours   = 60 * minutes
	days    = 24 * hours
)

// sessionLifetimes: sessions are judged by what the installation says now, those that there are
// included; a longer lifetime brings none back.
func sessionLifetimes(e env) {
	u, _ := e.user("a@example.com")
	begun := e.clock.Now()
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t"), User: u})
	e.ok(err)
	if !v.ExpiresAt.Equal(begun.Add(registry.SessionAbsolute)) || !v.IdleExpiresAt.Equal(begun.Add(registry.SessionIdle)) {
		e.Errorf("%+v", v)
	}
	alive := func(want registry.Code) registry.Session {
		e.Helper()
		s, _, err := e.s.SessionByID(ctx, system, v.ID)
		e.want(err, want)
		list, err := e.s.Sessions(ctx, operator, u.ID)
		e.ok(err)
		if (len(list) == 1) != (want == "") {
			e.Errorf("%d sessions are listed", len(list))
		}
		return s
	}
	e.clock.Add(2 * time.Hour)
	alive("")
	e.s.SetLifetimes(registry.Lifetimes{Idle: 1 * hours, Absolute: 3 * days})
	alive(registry.CodeNotFound)
	e.s.SetLifetimes(registry.Lifetimes{Idle: 3 * hours, Absolute: 3 * days})
	if s := alive(""); !s.ExpiresAt.Equal(begun.Add(3*24*time.Hour)) || !s.IdleExpiresAt.Equal(begun.Add(3*time.Hour)) {
		e.Errorf("%+v", s)
	}
	e.s.SetLifetimes(registry.Lifetimes{Idle: 1 * hours, Absolute: 1 * hours})
	e.ok(e.s.TouchSessions(ctx, system, map[registry.SessionID]time.Time{v.ID: e.clock.Now()}))
	alive(registry.CodeNotFound)
	e.s.SetLifetimes(registry.Lifetimes{Idle: 30 * days, Absolute: 30 * days})
	e.clock.Add(7*24*time.Hour - 2*time.Hour - time.Second)
	alive("")
	e.clock.Add(time.Second)
	alive(registry.CodeNotFound) // that it began under
	next, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("n"), User: u})
	e.ok(err)
	if !next.ExpiresAt.Equal(e.clock.Now().Add(30 * 24 * time.Hour)) {
		e.Errorf("%+v", next)
	}
}

// orgLifetimes: an org may ask for shorter sessions. That ends nothing elsewhere.
func orgLifetimes(e env) {
	owner, asOwner := e.user("owner@example.com")
	o, other := e.org("acme", owner.ID), e.org("other", owner.ID)
	m, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	set := func(a registry.Actor, l registry.Lifetimes) error {
		return e.s.SetSessionLifetimes(ctx, a, o.ID, "", l)
	}
	e.refused(set(asMember, registry.Lifetimes{Idle: 15 * minutes}))
	for _, l := range []registry.Lifetimes{
		{Idle: 13 * hours}, {Absolute: 8 * days}, {Idle: 4 * minutes}, {Absolute: 4 * minutes}, {Idle: -1}, {Absolute: -1},
		{Idle: 2 * hours, Absolute: 1 * hours},
	} {
		e.want(set(asOwner, l), registry.CodeInvalid)
	}
	signIn := func(u registry.User) registry.Session {
		e.Helper()
		s, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(registry.NewID()), User: u, Methods: "pwd"})
		e.ok(err)
		return s
	}
	check := func(u registry.User, id registry.SessionID, at registry.OrgID, want registry.Lack) (g registry.Grant) {
		e.Helper()
		s, _, err := e.s.SessionByID(ctx, system, id)
		e.ok(err)
		g, gate := e.s.Grant(ctx, system, id, at)
		_, page := e.s.Org(ctx, registry.AsSession(u, s, ""), at)
		_, may := e.s.Authorize(ctx, registry.AsSession(u, s, ""), at, registry.ActionOrgRead)
		for _, err := range []error{gate, page, may} {
			if registry.LackOf(err) != want || want == "" && err != nil {
				e.Errorf("%v, want %q", err, want)
			}
		}
		return g
	}
	mine, theirs := signIn(owner), signIn(m)
	check(owner, mine.ID, o.ID, "")
	version := check(m, theirs.ID, o.ID, "").Org.SignInVersion
	e.clock.Add(20 * time.Minute)
	e.ok(set(asOwner, registry.Lifetimes{Idle: 15 * minutes, Absolute: 8 * hours}))
	e.ok(set(asOwner, registry.Lifetimes{Idle: 15 * minutes, Absolute: 8 * hours})) // nothing changes
	log, err := e.s.Audit(ctx, asOwner, o.ID, registry.AuditList{List: registry.List{Limit: 10}, Action: registry.ChangeOrgSignIn})
	e.ok(err)
	if len(log.Items) != 1 || log.Items[0].Target != "session lifetimes" ||
		log.Items[0].Detail != "8 hours, or 15 minutes without use; before: as the installation says" {
		e.Errorf("%+v", log.Items)
	}
	check(owner, mine.ID, o.ID, registry.LackRecent) // owners, too
	check(m, theirs.ID, o.ID, registry.LackRecent)
	check(owner, mine.ID, other.ID, "")
	theirs = signIn(m)
	if g := check(m, theirs.ID, o.ID, ""); g.Org.SignInVersion != version+1 || !g.Session.ExpiresAt.Equal(e.clock.Now().Add(8*time.Hour)) {
		e.Errorf("%+v", g)
	}
	// Use keeps it alive, up to its end.
	began := e.clock.Now()
	for e.clock.Now().Sub(began) < 8*time.Hour-14*time.Minute {
		e.clock.Add(14 * time.Minute)
		check(m, theirs.ID, o.ID, "")
		e.ok(e.s.TouchSessions(ctx, system, map[registry.SessionID]time.Time{mine.ID: e.clock.Now()}))
	}
	e.clock.Add(began.Add(8*time.Hour).Sub(e.clock.Now()) - time.Microsecond)
	check(m, theirs.ID, o.ID, "")
	e.clock.Add(time.Microsecond)
	check(m, theirs.ID, o.ID, registry.LackRecent)
	check(owner, mine.ID, other.ID, "")
	check(owner, mine.ID, o.ID, registry.LackRecent) // in use, and not here

	// A page that goes on by itself uses nothing.
	theirs = signIn(m)
	e.clock.Add(14 * time.Minute)
	e.ok(second(e.s.Org(ctx, registry.AsSession(m, theirs, "").Watching(), o.ID)))
	e.clock.Add(time.Minute)
	check(m, theirs.ID, o.ID, registry.LackRecent)
	e.ok(e.s.UsedSession(ctx, system, theirs.ID, o.ID, e.clock.Now().Add(-time.Minute)))
	check(m, theirs.ID, o.ID, "")

	// What apps have ends with the lifetime, not with the idle browser.
	theirs = signIn(m)
	app, err := e.s.CreateClient(ctx, operator, registry.NewClient{Name: "App", OrgID: o.ID, RedirectURIs: []string{"https://app.example/"}}, secret("app"))
	e.ok(err)
	e.signIn(m, theirs.ID, app, "openid offline_access", "r0")
	refresh := func(from, to string) error {
		return second(e.s.Refresh(ctx, system, registry.RefreshMatch{Token: secret(from), Next: secret(to), ClientID: app.ID}))
	}
	e.clock.Add(8*time.Hour - time.Microsecond)
	e.ok(refresh("r0", "r1"))
	g, err := e.s.GrantByRefresh(ctx, system, secret("r1"))
	e.ok(err)
	if !g.Session.ExpiresAt.Equal(theirs.CreatedAt.Add(8 * time.Hour)) {
		e.Errorf("%+v", g)
	}
	e.clock.Add(time.Microsecond)
	e.want(refresh("r1", "r2"), registry.CodeReauthenticationNeeded)
	e.want(second(e.s.GrantByID(ctx, system, g.ID)), registry.CodeReauthenticationNeeded)

	// Keys are no sessions.
	key, err := e.s.CreateAPIKey(ctx, e.now(owner), registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopeOrgRead}}, secret("key"))
	e.ok(err)
	e.clock.Add(9 * time.Hour)
	e.ok(second(e.s.Org(ctx, registry.AsKey(key, owner, ""), o.ID)))

	// The installation gets shorter: that wins.
	theirs = signIn(m)
	e.s.SetLifetimes(registry.Lifetimes{Idle: 10 * minutes, Absolute: 1 * hours})
	if g := check(m, theirs.ID, o.ID, ""); !g.Session.ExpiresAt.Equal(e.clock.Now().Add(time.Hour)) {
		e.Errorf("%+v", g)
	}
	e.want(set(e.now(owner), registry.Lifetimes{Idle: 15 * minutes, Absolute: 2 * hours}), registry.CodeInvalid)
	e.clock.Add(12 * time.Minute)
	e.want(second(e.s.Grant(ctx, system, theirs.ID, o.ID)), registry.CodeNotFound)
	e.ok(set(operator, registry.Lifetimes{}))
}

// invitesUnderRules: what an org asks of a sign-in says nothing of the invitations that its people
// made.
func invitesUnderRules(e env) {
	owner, asOwner := e.user("owner@example.com")
	o := e.org("acme", owner.ID)
	for i, rule := range []func() error{
		func() error { return e.s.RequireSecondStep(ctx, operator, o.ID, "", true) },
		func() error {
			return e.s.SetSessionLifetimes(ctx, operator, o.ID, "", registry.Lifetimes{Idle: 15 * minutes})
		},
	} {
		email := string(rune('a'+i)) + "@example.com"
		e.ok(second(e.s.CreateInvite(ctx, asOwner, o.ID, email, registry.RoleMember, secret(email))))
		e.ok(rule())
		e.ok(third(e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret(email), email, "hash")))
		e.ok(e.s.RequireSecondStep(ctx, operator, o.ID, "", false))
	}
}
