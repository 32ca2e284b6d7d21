package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// awayStore is a real store that can be cut off.
type awayStore struct {
	*sqlite.Store
	away   atomic.Bool
	grants atomic.Int64 // that were asked for
}

func (a *awayStore) Grant(ctx context.Context, actor registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error) {
	a.grants.Add(1)
	if a.away.Load() {
		return registry.Grant{}, errors.New("away")
	}
	return a.Store.Grant(ctx, actor, sid, org)
}

func (a *awayStore) Org(ctx context.Context, actor registry.Actor, id registry.OrgID) (registry.OrgView, error) {
	a.grants.Add(1)
	if a.away.Load() {
		return registry.OrgView{}, errors.New("away")
	}
	return a.Store.Org(ctx, actor, id)
}

type fixture struct {
	ids *identity.Service
	testing.TB
	g       *Gateway
	store   *awayStore
	clock   time.Time
	contact time.Time
	lives   registry.Lifetimes
	org     registry.Org
	login   identity.Login
	token   string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, clock: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), lives: registry.DefaultLifetimes()}
	f.contact = f.clock
	now := func() time.Time { return f.clock }
	master, err := identity.ParseMasterKey(strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), sqlitetest.File(t), master, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	f.store = &awayStore{Store: s}
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	ids := identity.New(f.store, master, func() token.Site { return site }, slog.New(slog.DiscardHandler), now)
	if err := ids.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.ids = ids
	f.g, err = NewGateway(GatewayConfig{
		Tokens: ids.Node, Origin: controlPlane{ids, nil, ""}, Seal: master.Sealer("test"), Sessions: 100, Log: slog.New(slog.DiscardHandler), Now: now,
		Contact: func() time.Time { return f.contact }, OfflineGrace: func() time.Duration { return time.Hour },
		Lifetimes: func() registry.Lifetimes { return f.lives },
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := ids.CreateUser(t.Context(), registry.AsOperator(), registry.NewUser{Email: "ada@example.com", Name: "Ada"}, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	if f.org, err = s.CreateOrg(t.Context(), registry.AsOperator(), registry.NewOrg{Slug: "acme", Name: "Acme", Owner: u.ID}); err != nil {
		t.Fatal(err)
	}
	f.signIn()
	return f
}

func (f *fixture) signIn() {
	f.Helper()
	var err error
	f.login, err = f.ids.SignIn(f.Context(), "ada@example.com", "correct horse battery", identity.Client{})
	if err != nil {
		f.Fatal(err)
	}
	f.newToken()
}

// pass moves time on; while the store is there, the feed is read all the time.
func (f *fixture) pass(d time.Duration) {
	f.clock = f.clock.Add(d)
	if !f.store.away.Load() {
		f.contact = f.clock
	}
}

// ask makes a request with the token; it returns the status (200 when it passes), a new cookie, and the state.
func (f *fixture) ask() (int, string, *State) {
	f.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", SessionCookie+"="+f.token)
	w := httptest.NewRecorder()
	st := &State{Route: &registry.Route{OrgID: f.org.ID, Slug: "acme", Name: "Acme", Generation: f.org.Generation}, RequestID: func() string { return "r" }}
	ok := f.g.Authenticate(w, r, st, registry.RoleMember, false)
	cookie := ""
	for _, c := range w.Result().Cookies() {
		if c.Name == SessionCookie {
			cookie = c.Value
		}
	}
	if ok {
		return http.StatusOK, cookie, st
	}
	if st.SignedIn() {
		f.Error("a refused request carries an identity")
	}
	return w.Code, cookie, st
}

func (f *fixture) want(status int) (cookie string, st *State) {
	f.Helper()
	got, cookie, st := f.ask()
	if got != status {
		f.Fatalf("got %d, want %d", got, status)
	}
	return cookie, st
}

func TestRenewal(t *testing.T) {
	f := newFixture(t)
	if cookie, _ := f.want(200); cookie != "" {
		t.Error("a young session is renewed")
	}
	f.pass(6 * time.Minute)
	cookie, _ := f.want(200)
	if cookie == "" || cookie == f.token {
		t.Fatal("past half its life it is not renewed")
	}
	if again, _ := f.want(200); again != cookie {
		t.Error("the same old cookie is renewed twice")
	}
	f.token = cookie
	f.pass(time.Minute)
	if c, _ := f.want(200); c != "" {
		t.Error("the renewed one is renewed")
	}
	// Without a visit for long, the sign-in session behind it still lives.
	f.pass(30 * time.Minute)
	if c, _ := f.want(200); c == "" {
		t.Error("an expired session with a live sign-in is not renewed")
	}
	if err := f.store.RevokeSession(t.Context(), registry.AsSystem("test"), f.login.Session.ID); err != nil {
		t.Fatal(err)
	}
	f.pass(30 * time.Minute)
	f.want(401)
}

// While the control plane is away, a session goes on for the grace, counted
// from the last contact; what was revoked before stays refused.
func TestControlPlaneAway(t *testing.T) {
	f := newFixture(t)
	f.want(200)
	f.store.away.Store(true)
	f.pass(9 * time.Minute)
	if cookie, _ := f.want(200); cookie != "" {
		t.Error("renewed by nobody")
	}
	asked := f.store.grants.Load()
	for range 100 { // a store that does not answer is not what every request waits for
		f.want(200)
	}
	if n := f.store.grants.Load() - asked; n != 0 {
		t.Errorf("%d of 100 requests asked the store that is away", n)
	}
	f.pass(renewPause)
	f.want(200)
	if n := f.store.grants.Load() - asked; n != 1 {
		t.Errorf("a while later it was asked %d times", n)
	}
	f.pass(45 * time.Minute)
	f.want(200)
	f.pass(10 * time.Minute) // 64 minutes since the last contact
	f.want(503)
	f.store.away.Store(false)
	f.pass(time.Second)
	f.want(200)

	f.store.away.Store(true)
	f.g.Revocations.Apply(registry.Change{Kind: registry.ChangeSessionRevoked, SessionID: f.login.Session.ID, At: f.clock})
	f.want(401)
}

// A change of role counts with the next request, also for a token that says otherwise.
// TestSupportEnds: access for a while is over to the second, also while the control plane is away.
func TestSupportEnds(t *testing.T) {
	f := newFixture(t)
	g, err := f.store.Store.Grant(t.Context(), registry.AsSystem("test"), f.login.Session.ID, f.org.ID)
	if err != nil {
		t.Fatal(err)
	}
	g.Until = f.clock.Add(3 * time.Minute)
	if f.token, err = f.ids.SessionToken(g); err != nil {
		t.Fatal(err)
	}
	f.want(200)
	f.store.away.Store(true)
	f.pass(3*time.Minute - time.Second)
	f.want(200)
	f.pass(time.Second)
	f.want(403)
}

func TestRoleChange(t *testing.T) {
	f := newFixture(t)
	_, st := f.want(200)
	if st.Claims.Role != registry.RoleOwner {
		t.Fatalf("role %s", st.Claims.Role)
	}
	second, err := f.ids.CreateUser(t.Context(), registry.AsOperator(), registry.NewUser{Email: "bob@example.com", Name: "Bob"}, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	secret := token.NewSecret()
	if _, err := f.store.CreateInvite(t.Context(), f.as(f.login.User), f.org.ID, "bob@example.com", registry.RoleOwner, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.AcceptInvite(t.Context(), f.as(second), secret.Hash()); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Minute)
	if err := f.store.SetRole(t.Context(), f.as(second), f.org.ID, f.login.User.ID, registry.RoleMember); err != nil {
		t.Fatal(err)
	}
	change := registry.Change{Kind: registry.ChangeMemberChanged, OrgID: f.org.ID, UserID: f.login.User.ID, At: f.clock, Version: 1}
	f.g.Revocations.Apply(change)
	if _, st := f.want(200); st.Claims.Role != registry.RoleMember {
		t.Errorf("the old token still gives the role %s", st.Claims.Role)
	}
	// What a change made doubtful is not believed while nobody can be asked.
	f.pass(2 * time.Second)
	change.At, change.Version = f.clock, 2
	f.g.Revocations.Apply(change)
	f.store.away.Store(true)
	f.want(503)
	f.store.away.Store(false)
	f.pass(time.Second)
	if _, err := f.store.RemoveMember(t.Context(), registry.AsUser(second, "", ""), f.org.ID, f.login.User.ID, registry.MemberRemoval{}); err != nil {
		t.Fatal(err)
	}
	change.Kind, change.At = registry.ChangeMemberRemoved, f.clock
	f.g.Revocations.Apply(change)
	f.want(403)
}

// TestWhatMattersIsKept: every change that makes a session doubtful is one that the snapshot keeps for a start without the store.
func TestWhatMattersIsKept(t *testing.T) {
	f := newFixture(t)
	claims := token.SessionClaims{SessionID: "s", Subject: "u", OrgID: f.org.ID}
	doubtful := 0
	for _, kind := range registry.AuditActions() {
		v := newRevocations(func() time.Time { return f.clock }, f.g.Streams)
		c := registry.Change{Kind: kind, OrgID: f.org.ID, UserID: "u", SessionID: "s", At: f.clock, Version: 1}
		v.Apply(c)
		must, gone := v.judge(&claims, 0)
		if must || gone {
			doubtful++
		}
		if (must || gone) != c.Matters() {
			t.Errorf("%s makes a session doubtful: %v; it is kept: %v", kind, must || gone, c.Matters())
		}
	}
	if doubtful < 5 {
		t.Errorf("only %d kinds", doubtful)
	}
}

// TestGapRenewsEverything: after a gap in the feed nothing is believed that was issued before it.
func TestGapRenewsEverything(t *testing.T) {
	f := newFixture(t)
	f.want(200)
	f.g.Revocations.Reset()
	if cookie, _ := f.want(200); cookie == "" {
		t.Error("a session from before the gap is believed")
	}
	f.store.away.Store(true)
	f.want(200) // it was read after the gap
	f.g.Revocations.Reset()
	f.want(503)
}

// TestKeptCookie: who keeps a cookie that was renewed many times is judged by its newest renewal.
func TestKeptCookie(t *testing.T) {
	f := newFixture(t)
	second, err := f.ids.CreateUser(t.Context(), registry.AsOperator(), registry.NewUser{Email: "bob@example.com", Name: "Bob"}, "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	secret := token.NewSecret()
	if _, err := f.store.CreateInvite(t.Context(), f.as(f.login.User), f.org.ID, "bob@example.com", registry.RoleOwner, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.AcceptInvite(t.Context(), f.as(second), secret.Hash()); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		f.want(200)
		f.pass(6 * time.Minute)
	}
	f.want(200)
	if _, err := f.store.RemoveMember(t.Context(), f.as(second), f.org.ID, f.login.User.ID, registry.MemberRemoval{}); err != nil {
		t.Fatal(err)
	}
	f.g.Revocations.Apply(registry.Change{
		Kind: registry.ChangeMemberRemoved, OrgID: f.org.ID, UserID: f.login.User.ID, Version: 1, At: f.clock,
	})
	f.want(403)
}

// controlPlane is one of this process.
type controlPlane struct {
	*identity.Service
	http.Handler
	credential token.Secret
}

// Credential implements ControlPlane.
func (c controlPlane) Credential() token.Secret { return c.credential }
