package storetest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// clients: who registers apps, and with what.
func clients(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	uris := []string{"https://app.example.com/back?x=1", "http://127.0.0.1:3000/back"}
	n := registry.NewClient{Name: "Grafana", RedirectURIs: uris, LogoutURIs: []string{"https://app.example.com/"}}
	e.want(second(e.s.CreateClient(ctx, asA, n, secret("s"))), registry.CodeForbidden)
	for _, bad := range []string{"", "app.example.com", "http://app.example.com/", "https://app.example.com/#f", "https://u@app.example.com/", "javascript:alert(1)", "https://*.example.com/", "https:app", "http://localhost.example.com/"} {
		e.want(second(e.s.CreateClient(ctx, operator, registry.NewClient{Name: "x", RedirectURIs: []string{bad}}, secret("s"))), registry.CodeInvalid)
		e.want(second(e.s.CreateClient(ctx, operator, registry.NewClient{Name: "x", RedirectURIs: uris, LogoutURIs: []string{bad}}, secret("s"))), registry.CodeInvalid)
	}
	e.want(second(e.s.CreateClient(ctx, operator, registry.NewClient{Name: "x"}, secret("s"))), registry.CodeInvalid)
	e.want(second(e.s.CreateClient(ctx, operator, registry.NewClient{Name: "x", RedirectURIs: uris, OrgID: "01890000-0000-7000-8000-000000000000"}, secret("s"))), registry.CodeNotFound)
	c, err := e.s.CreateClient(ctx, operator, n, secret("s"))
	e.ok(err)
	n.Public, n.OrgID, n.Name = true, o.ID, "an app"
	p, err := e.s.CreateClient(ctx, operator, n, secret("s"))
	e.ok(err)
	got, err := e.s.Client(ctx, system, c.ID)
	e.ok(err)
	if got.Secret != secret("s") || got.Public || len(got.RedirectURIs) != 2 || got.RedirectURIs[0] != uris[0] || len(got.LogoutURIs) != 1 {
		e.Errorf("%+v", got)
	}
	list, err := e.s.Clients(ctx, operator)
	e.ok(err)
	if len(list) != 2 || list[0].ID != p.ID || !list[0].Public || list[0].OrgID != o.ID || list[0].Secret != (registry.Hash{}) {
		e.Errorf("%+v", list)
	}
	e.want(second(e.s.Clients(ctx, asA)), registry.CodeForbidden)
	e.want(second(e.s.Client(ctx, asA, c.ID)), registry.CodeForbidden)
	e.want(second(e.s.SetClientSecret(ctx, asA, c.ID, secret("s2"))), registry.CodeForbidden)
	e.want(second(e.s.SetClientSecret(ctx, operator, p.ID, secret("s2"))), registry.CodeConflict)
	e.ok(second(e.s.SetClientSecret(ctx, operator, c.ID, secret("s2"))))
	if got, err = e.s.Client(ctx, system, c.ID); err != nil || got.Secret != secret("s2") {
		e.Errorf("%+v %v", got, err)
	}
	e.changedClient(c)
	e.want(second(e.s.UpdateClient(ctx, asA, c.ID, registry.ClientChange{})), registry.CodeForbidden)
	e.want(e.s.DeleteClient(ctx, asA, c.ID), registry.CodeForbidden)
	e.ok(e.s.DeleteClient(ctx, operator, c.ID))
	e.want(e.s.DeleteClient(ctx, operator, c.ID), registry.CodeNotFound)
}

// changedClient changes an app: what is left out stays, and codes for an address that is gone end.
func (e env) changedClient(c registry.Client) {
	e.Helper()
	u, _ := e.user("u@example.com")
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("session"), User: u})
	e.ok(err)
	redeem := func(code, uri string) error {
		return second(e.s.RedeemCode(ctx, system, registry.CodeMatch{Hash: secret(code), ClientID: string(c.ID), RedirectURI: uri, Challenge: "ch"}))
	}
	for code, uri := range map[string]string{"to one that stays": c.RedirectURIs[1], "to one that goes": c.RedirectURIs[0]} {
		e.ok(e.s.InsertCode(ctx, system, registry.NewCode{
			Hash: secret(code), ClientID: string(c.ID), UserID: u.ID, SessionID: v.ID, RedirectURI: uri, Challenge: "ch",
			Grant: registry.GrantID(registry.NewID()), ExpiresAt: e.clock.Now().Add(time.Minute),
		}))
	}
	uris, none, name := []string{c.RedirectURIs[1], "https://app.example.com/new"}, []string{}, "Renamed"
	e.ok(second(e.s.UpdateClient(ctx, operator, c.ID, registry.ClientChange{RedirectURIs: &uris})))
	e.ok(second(e.s.UpdateClient(ctx, operator, c.ID, registry.ClientChange{Name: &name, LogoutURIs: &none})))
	got, err := e.s.Client(ctx, system, c.ID)
	e.ok(err)
	if got.Name != name || !slices.Equal(got.RedirectURIs, uris) || len(got.LogoutURIs) != 0 || got.Public || got.CreatedAt != c.CreatedAt {
		e.Errorf("%+v", got)
	}
	e.ok(redeem("to one that stays", uris[0]))
	e.want(redeem("to one that goes", c.RedirectURIs[0]), registry.CodeGone)
	bad := []string{"http://evil.example/"}
	for _, n := range []registry.ClientChange{{RedirectURIs: &bad}, {LogoutURIs: &bad}, {RedirectURIs: &none}, {Name: new(string)}} {
		e.want(second(e.s.UpdateClient(ctx, operator, c.ID, n)), registry.CodeInvalid)
	}
	e.want(second(e.s.UpdateClient(ctx, operator, "x", registry.ClientChange{})), registry.CodeNotFound)
	log, err := e.s.PlatformAudit(ctx, operator, registry.AuditList{Action: registry.ChangeClientChanged})
	e.ok(err)
	if log.Items[0].Target != name || log.Items[1].Target != c.Name || !strings.Contains(log.Items[1].Detail, "/new") {
		e.Errorf("%+v", log.Items[:2])
	}
}

// signIn signs somebody in to an app and returns what it is given.
func (e env) signIn(u registry.User, sid registry.SessionID, c registry.Client, scope, token string) registry.Grant {
	e.Helper()
	code := secret(registry.NewID())
	e.ok(e.s.InsertCode(ctx, system, registry.NewCode{
		Hash: code, ClientID: string(c.ID), OrgID: c.OrgID, UserID: u.ID, SessionID: sid, RedirectURI: "r", Challenge: "ch",
		Grant: registry.GrantID(registry.NewID()), Scope: scope, ExpiresAt: e.clock.Now().Add(time.Minute),
	}))
	g, err := e.s.RedeemCode(ctx, system, registry.CodeMatch{Hash: code, ClientID: string(c.ID), RedirectURI: "r", Challenge: "ch", Refresh: secret(token)})
	e.ok(err)
	return g
}

// grants: refresh tokens are used once; what is used twice, or signed out, ends.
func grants(e env) {
	u, _ := e.user("a@example.com")
	o := e.org("acme", u.ID)
	_, _ = e.member(o.ID, "b@example.com", registry.RoleOwner)
	session := func() registry.SessionID {
		e.Helper()
		v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret(registry.NewID()), User: u})
		e.ok(err)
		return v.ID
	}
	app := func(org registry.OrgID) registry.Client {
		e.Helper()
		c, err := e.s.CreateClient(ctx, operator, registry.NewClient{Name: "app", OrgID: org, RedirectURIs: []string{"https://app.example.com/"}}, secret("s"))
		e.ok(err)
		return c
	}
	c, other, bound := app(""), app(""), app(o.ID)
	sid := session()
	refresh := func(c registry.Client, token, next string) error {
		return second(e.s.Refresh(ctx, system, registry.RefreshMatch{Token: secret(token), Next: secret(next), ClientID: c.ID}))
	}
	g := e.signIn(u, sid, c, "openid offline_access", "1")
	if g.User.ID != u.ID || g.Scope != "openid offline_access" || g.Org.ID != "" {
		e.Errorf("%+v", g)
	}
	e.want(refresh(other, "1", "2"), registry.CodeGone) // and the token is as good as before
	e.ok(second(e.s.GrantByRefresh(ctx, system, secret("1"))))
	e.ok(refresh(c, "1", "2"))
	e.ok(refresh(c, "1", "2")) // the answer was lost
	e.ok(refresh(c, "2", "3"))
	e.want(second(e.s.GrantByRefresh(ctx, system, secret("2"))), registry.CodeGone)
	e.want(refresh(c, "1", "2"), registry.CodeGone) // what it gave is used: somebody else has it
	e.want(refresh(c, "3", "4"), registry.CodeGone) // so nobody has it any more
	e.want(second(e.s.GrantByID(ctx, system, g.ID)), registry.CodeGone)

	e.signIn(u, sid, c, "openid offline_access", "a")
	e.ok(refresh(c, "a", "b"))
	e.clock.Add(registry.RefreshGrace + time.Second)
	e.want(refresh(c, "a", "b"), registry.CodeGone) // late
	e.want(refresh(c, "b", "c"), registry.CodeGone)

	e.signIn(u, sid, c, "openid", "none")
	e.want(refresh(c, "none", "x"), registry.CodeGone) // there is none without the scope

	// Twenty at once are one.
	e.signIn(u, sid, c, "openid offline_access", "race")
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 20 {
		wg.Go(func() {
			if refresh(c, "race", "race 2") == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 20 || refresh(c, "race 2", "race 3") != nil {
		e.Errorf("%d of 20 got the one successor", won.Load())
	}

	// An idle browser does not end an app; a sign-out does, and so does the session's end.
	e.clock.Add(registry.SessionIdle + time.Hour)
	e.ok(refresh(c, "race 3", "race 4"))
	e.ok(e.s.RevokeSession(ctx, system, sid))
	e.want(refresh(c, "race 4", "race 5"), registry.CodeGone)
	sid = session()
	e.signIn(u, sid, c, "openid offline_access", "end")
	e.clock.Add(registry.SessionAbsolute + time.Second)
	e.want(refresh(c, "end", "end 2"), registry.CodeGone)

	// An app of an org is for its members, and reads the role each time.
	sid = session()
	g = e.signIn(u, sid, bound, "openid offline_access", "m")
	if g.Role != registry.RoleOwner || g.Org.ID != o.ID {
		e.Errorf("%+v", g)
	}
	e.ok(e.s.SetRole(ctx, e.ownerOf(o.ID), o.ID, u.ID, registry.RoleMember))
	if g, err := e.s.GrantByID(ctx, system, g.ID); err != nil || g.Role != registry.RoleMember {
		e.Errorf("%+v %v", g, err)
	}
	e.ok(second(e.s.RemoveMember(ctx, operator, o.ID, u.ID, registry.MemberRemoval{})))
	e.want(refresh(bound, "m", "m2"), registry.CodeForbidden)
	e.want(second(e.s.GrantByID(ctx, system, g.ID)), registry.CodeForbidden)
	e.ok(e.s.EndGrant(ctx, system, g.ID))
	e.ok(e.s.EndGrant(ctx, system, g.ID))
	e.want(second(e.s.GrantByID(ctx, system, g.ID)), registry.CodeGone)

	// With an app goes what it was given; its people stay signed in.
	g = e.signIn(u, sid, c, "openid offline_access", "gone")
	e.ok(e.s.DeleteClient(ctx, operator, c.ID))
	e.want(second(e.s.GrantByID(ctx, system, g.ID)), registry.CodeGone)
	e.want(refresh(c, "gone", "x"), registry.CodeGone)
	e.ok(e.s.Sweep(ctx, system))

	// A code that is used again, late, ends what it gave and not the session.
	code := registry.NewCode{Hash: secret("twice"), ClientID: string(other.ID), UserID: u.ID, SessionID: sid, RedirectURI: "r", Challenge: "ch", Grant: registry.GrantID(registry.NewID()), Scope: "openid", ExpiresAt: e.clock.Now().Add(time.Minute)}
	e.ok(e.s.InsertCode(ctx, system, code))
	m := registry.CodeMatch{Hash: code.Hash, ClientID: code.ClientID, RedirectURI: "r", Challenge: "ch"}
	e.ok(second(e.s.RedeemCode(ctx, system, m)))
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.CodeGone)
	e.ok(second(e.s.GrantByID(ctx, system, code.Grant)))
	e.clock.Add(11 * time.Second)
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.CodeGone)
	e.want(second(e.s.GrantByID(ctx, system, code.Grant)), registry.CodeGone)
	if list, err := e.s.Sessions(ctx, operator, u.ID); err != nil || len(list) != 1 {
		e.Errorf("%+v %v", list, err)
	}
}

// devices: somebody signs one in or refuses it, once; it has a session of its own.
func devices(e env) {
	u, _ := e.user("a@example.com")
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t"), User: u})
	e.ok(err)
	asU := e.person(u, v.ID, "192.0.2.9")
	_, asKey := e.key(asU, registry.NewAPIKey{Scopes: registry.Scopes()[:3]})
	const cli registry.ClientID = "cli"
	begin := func(code, userCode string) {
		e.Helper()
		e.ok(e.s.CreateDeviceRequest(ctx, system, registry.DeviceRequest{Code: secret(code), UserCode: userCode, ClientID: cli, Address: "192.0.2.1", UserAgent: "cli on host"}))
	}
	ask := func(code string, as registry.ClientID) (registry.Grant, error) {
		return e.s.RedeemDevice(ctx, system, secret(code), registry.Grant{ID: registry.GrantID(registry.NewID()), ClientID: as, Scope: "openid offline_access"}, secret("refresh "+code))
	}
	begin("one", "BCDFGHJK")
	e.want(second(ask("one", cli)), registry.CodeConflict)
	e.want(second(ask("one", cli)), registry.CodeTooManyRequests)
	e.clock.Add(registry.DeviceInterval)
	e.want(second(ask("one", cli)), registry.CodeConflict)
	e.want(second(ask("one", "another")), registry.CodeGone)
	e.want(second(e.s.DeviceRequest(ctx, asU, "XXXXXXXX")), registry.CodeGone)
	e.want(second(e.s.DeviceRequest(ctx, asKey, "BCDFGHJK")), registry.CodePersonNeeded)
	e.want(e.s.DecideDevice(ctx, asKey, "BCDFGHJK", registry.DecisionApprove), registry.CodePersonNeeded) // no key makes a session
	d, err := e.s.DeviceRequest(ctx, asU, "BCDFGHJK")
	e.ok(err)
	if d.Address != "192.0.2.1" || d.UserAgent != "cli on host" || d.ClientID != cli {
		e.Errorf("%+v", d)
	}
	e.ok(e.s.DecideDevice(ctx, asU, "BCDFGHJK", registry.DecisionApprove))
	e.want(e.s.DecideDevice(ctx, asU, "BCDFGHJK", registry.DecisionApprove), registry.CodeGone)
	g, err := ask("one", cli)
	e.ok(err)
	if g.User.ID != u.ID || g.Session.ID == v.ID || !g.Session.AuthTime.Equal(v.AuthTime) {
		e.Errorf("%+v", g)
	}
	e.want(second(ask("one", cli)), registry.CodeGone)
	list, err := e.s.Sessions(ctx, asU, u.ID)
	e.ok(err)
	if len(list) != 2 {
		e.Errorf("%+v", list)
	}
	// It outlives an idle browser's, and goes with its grant.
	e.clock.Add(registry.SessionIdle + time.Hour)
	if list, err = e.s.Sessions(ctx, operator, u.ID); err != nil || len(list) != 1 || list[0].ID != g.Session.ID {
		e.Errorf("%+v %v", list, err)
	}
	e.ok(e.s.EndGrant(ctx, system, g.ID))
	if list, err = e.s.Sessions(ctx, operator, u.ID); err != nil || len(list) != 0 {
		e.Errorf("%+v %v", list, err)
	}

	begin("idle", "LMNPQRST") // whose session has ended signs nothing in
	e.want(e.s.DecideDevice(ctx, asU, "LMNPQRST", registry.DecisionApprove), registry.CodeReauthenticationNeeded)
	e.want(e.s.DecideDevice(ctx, e.person(u, v.ID, ""), "LMNPQRST", registry.DecisionApprove), registry.CodeNotFound)
	v, err = e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t2"), User: u})
	e.ok(err)
	asU = e.person(u, v.ID, "")
	begin("no", "VWXZBCDF")
	e.ok(e.s.DecideDevice(ctx, asU, "VWXZBCDF", registry.DecisionDeny))
	e.want(second(ask("no", cli)), registry.CodeForbidden)
	e.want(second(ask("no", cli)), registry.CodeGone)
	begin("late", "GHJKLMNP")
	e.clock.Add(registry.DeviceLife)
	e.want(e.s.DecideDevice(ctx, asU, "GHJKLMNP", registry.DecisionApprove), registry.CodeGone)
	e.want(second(ask("late", cli)), registry.CodeGone)
	e.clock.Add(25 * time.Hour)
	e.ok(e.s.Sweep(ctx, system))
	begin("late", "GHJKLMNP") // swept: its codes are free
}
