package identity

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

var ctx = context.Background()

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

type fixture struct {
	*testing.T
	s     *Service
	store *sqlite.Store
	clock *clock
	site  token.Site
	node  token.Secret // the credential of a gateway
	tries int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	c := &clock{t: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	store, err := sqlite.Open(ctx, sqlitetest.File(t), &MasterKey{raw: [32]byte{1}}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, store: store, clock: c, site: site}
	f.s = New(store, &MasterKey{raw: [32]byte{1}}, func() token.Site { return f.site }, slog.New(slog.DiscardHandler), c.now)
	if err := f.s.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	f.node = f.s.AdmitNode()
	return f
}

const goodPassword = "correct horse battery"

func (f *fixture) user(email string) registry.User {
	f.Helper()
	u, err := f.s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: email, Name: "Some Body"}, goodPassword)
	if err != nil {
		f.Fatal(err)
	}
	return u
}

func (f *fixture) org(slug string, owner registry.User) registry.Org {
	f.Helper()
	o, err := f.store.CreateOrg(ctx, registry.AsOperator(), registry.NewOrg{Slug: slug, Name: slug, Owner: owner.ID})
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// as is somebody who signed in just now.
func (f *fixture) as(u registry.User) registry.Actor {
	f.Helper()
	u, err := f.store.User(ctx, registry.AsOperator(), u.ID)
	if err != nil {
		f.Fatal(err)
	}
	return registry.AsSession(u, registry.Session{AuthTime: f.clock.now()}, "192.0.2.1")
}

func (f *fixture) signIn(email string) Login {
	f.Helper()
	l, err := f.s.SignIn(ctx, email, goodPassword, Client{Address: "192.0.2.1"})
	if err != nil {
		f.Fatal(err)
	}
	return l
}

func want(t *testing.T, err error, code registry.Code) {
	t.Helper()
	if registry.ErrorCode(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func TestSignIn(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	c := Client{Address: "192.0.2.1"}
	_, wrong := f.s.SignIn(ctx, "ada@example.com", "another password", c)
	_, unknown := f.s.SignIn(ctx, "nobody@example.com", "another password", c)
	want(t, wrong, registry.CodeForbidden)
	if wrong.Error() != unknown.Error() {
		t.Errorf("the answers tell whether an account exists: %q, %q", wrong, unknown)
	}
	a, b := f.signIn("Ada@Example.com"), f.signIn("ada@example.com")
	if a.Token == b.Token || a.Session.ID == b.Session.ID {
		t.Error("two sign-ins share a session")
	}
	if _, u, err := f.s.Authenticate(ctx, a.Token.Reveal()); err != nil || u.Email != "ada@example.com" {
		t.Fatalf("%v %v", u, err)
	}
	if err := f.s.SignOut(ctx, a.Session.ID); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.s.Authenticate(ctx, a.Token.Reveal())
	want(t, err, registry.CodeNotFound)

	// A new password ends every session and starts a new one.
	actor := registry.AsUser(b.User, b.Session.ID, "192.0.2.1")
	_, err = f.s.ChangePassword(ctx, actor, "not the old one", "a brand new phrase", c)
	want(t, err, registry.CodeForbidden)
	_, err = f.s.ChangePassword(ctx, actor, goodPassword, "password123", c)
	want(t, err, registry.CodeInvalid)
	n, err := f.s.ChangePassword(ctx, actor, goodPassword, "a brand new phrase", c)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.s.Authenticate(ctx, b.Token.Reveal())
	want(t, err, registry.CodeNotFound)
	if _, _, err := f.s.Authenticate(ctx, n.Token.Reveal()); err != nil {
		t.Fatal(err)
	}
}

// An absolute and an idle end; use in between puts off only the idle one.
func TestSessionEnds(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	l := f.signIn("ada@example.com")
	for range 16 {
		f.clock.add(10 * time.Hour)
		if _, _, err := f.s.Authenticate(ctx, l.Token.Reveal()); err != nil {
			t.Fatal(err)
		}
		if err := f.s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.add(9 * time.Hour)
	_, _, err := f.s.Authenticate(ctx, l.Token.Reveal())
	want(t, err, registry.CodeNotFound)
	idle := f.signIn("ada@example.com")
	f.clock.add(registry.SessionIdle + time.Minute)
	_, _, err = f.s.Authenticate(ctx, idle.Token.Reveal())
	want(t, err, registry.CodeNotFound)
}

// flow is an authorization request and what belongs to it.
type flow struct {
	q        url.Values
	verifier string
	redirect string
	org      registry.OrgID
}

func (f *fixture) flow(o registry.Org) flow {
	verifier := strings.Repeat("v", 43)
	redirect := "https://" + o.Slug + ".d.example/.pizzeria/callback"
	return flow{verifier: verifier, redirect: redirect, org: o.ID, q: url.Values{
		"client_id": {token.ClientID(o.ID)}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"}, "nonce": {"no"},
		"code_challenge": {"7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}, "code_challenge_method": {"S256"},
	}}
}

func (f *fixture) code(fl flow, l Login) string {
	f.Helper()
	d, err := f.s.Authorize(ctx, fl.q, &l.Session)
	if err != nil || d.Redirect == "" {
		f.Fatalf("authorize: %+v %v", d, err)
	}
	u, err := url.Parse(d.Redirect)
	if err != nil {
		f.Fatal(err)
	}
	if u.Query().Get("iss") != "https://d.example" || u.Query().Get("state") != "st" {
		f.Fatalf("redirect %s", d.Redirect)
	}
	return u.Query().Get("code")
}

func (f *fixture) redeem(fl flow, code string, change func(client, secret *string, form url.Values)) (Tokens, error) {
	client, secret := token.ClientID(fl.org), f.node.Reveal()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {fl.redirect}, "code_verifier": {fl.verifier}}
	if change != nil {
		change(&client, &secret, form)
	}
	return f.s.Redeem(ctx, Credentials{client, secret, true}, form, "")
}

func TestCodeFlow(t *testing.T) {
	f := newFixture(t)
	acme, globex := f.org("acme", f.user("ada@example.com")), f.org("globex", f.user("bob@example.com"))
	ada, bob := f.signIn("ada@example.com"), f.signIn("bob@example.com")
	fl := f.flow(acme)

	// The challenge above is S256 of the verifier; a wrong constant would fail here.
	tok, err := f.redeem(fl, f.code(fl, ada), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.s.VerifySession(tok.AccessToken, acme.ID, 0)
	if err != nil || c.Subject != ada.User.ID || c.Role != registry.RoleOwner || c.SessionID != ada.Session.ID {
		t.Fatalf("%+v %v", c, err)
	}
	if jose.Type(tok.IDToken) != token.TypID {
		t.Error("no ID token")
	}
	if d, err := f.s.Authorize(ctx, fl.q, nil); err != nil || d.SignIn == "" {
		t.Errorf("nobody signed in: %+v %v", d, err)
	}
	if d, err := f.s.Authorize(ctx, fl.q, &bob.Session); err != nil || d.Redirect != "" || d.Denied == "" {
		t.Errorf("no member: %+v %v", d, err)
	}

	other := f.flow(globex)
	gone := f.s.AdmitNode()
	f.s.DismissNode(gone)
	for name, change := range map[string]func(client, secret *string, form url.Values){
		"another verifier":    func(_, _ *string, v url.Values) { v.Set("code_verifier", strings.Repeat("w", 43)) },
		"no verifier":         func(_, _ *string, v url.Values) { v.Del("code_verifier") },
		"another redirect":    func(_, _ *string, v url.Values) { v.Set("redirect_uri", other.redirect) },
		"no redirect":         func(_, _ *string, v url.Values) { v.Del("redirect_uri") },
		"another client":      func(c, _ *string, _ url.Values) { *c = token.ClientID(globex.ID) },
		"a made-up node":      func(_, s *string, _ url.Values) { *s = token.NewAPIKey(token.PrefixNode).Reveal() },
		"a node of another":   func(_, s *string, _ url.Values) { *s = newFixture(t).s.AdmitNode().Reveal() },
		"a node that is gone": func(_, s *string, _ url.Values) { *s = gone.Reveal() },
		"no secret":           func(_, s *string, _ url.Values) { *s = "" },
		"another grant":       func(_, _ *string, v url.Values) { v.Set("grant_type", "refresh_token") },
		"repeated":            func(_, _ *string, v url.Values) { v.Add("code", "x") },
	} {
		if tok, err := f.redeem(fl, f.code(fl, ada), change); err == nil || tok.AccessToken != "" {
			t.Errorf("%s was redeemed", name)
		}
	}
	code := f.code(fl, ada)
	f.clock.add(CodeLife + time.Second)
	if _, err := f.redeem(fl, code, nil); !errors.Is(err, InvalidGrant) {
		t.Errorf("an old code: %v", err)
	}
	code = f.code(fl, ada)
	if err := f.store.SuspendOrg(ctx, registry.AsOperator(), acme.ID, 0, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.redeem(fl, code, nil); !errors.Is(err, InvalidGrant) {
		t.Errorf("a suspended org: %v", err)
	}
	if err := f.store.ResumeOrg(ctx, registry.AsOperator(), acme.ID, 0); err != nil {
		t.Fatal(err)
	}
	code = f.code(fl, ada)
	if err := f.s.SignOut(ctx, ada.Session.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.redeem(fl, code, nil); !errors.Is(err, InvalidGrant) {
		t.Errorf("a code after sign-out: %v", err)
	}
	if _, err := f.s.Renew(ctx, c, time.Time{}); registry.ErrorCode(err) != registry.CodeNotFound {
		t.Errorf("renewal after sign-out: %v", err)
	}
}

// One code, many at once: exactly one gets tokens. Later use of it ends the session.
func TestCodeIsUsedOnce(t *testing.T) {
	f := newFixture(t)
	fl := f.flow(f.org("acme", f.user("ada@example.com")))
	ada := f.signIn("ada@example.com")
	code := f.code(fl, ada)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := 0
	for range 20 {
		wg.Go(func() {
			if _, err := f.redeem(fl, code, nil); err == nil {
				mu.Lock()
				got++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got != 1 {
		t.Fatalf("one code was redeemed %d times", got)
	}
	if _, _, err := f.s.Authenticate(ctx, ada.Token.Reveal()); err != nil {
		t.Fatalf("a retry ended the session: %v", err)
	}
	f.clock.add(15 * time.Second)
	if _, err := f.redeem(fl, code, nil); err == nil {
		t.Fatal("replayed")
	}
	_, _, err := f.s.Authenticate(ctx, ada.Token.Reveal())
	want(t, err, registry.CodeNotFound)
}

func TestLinks(t *testing.T) {
	f := newFixture(t)
	link, _, err := f.s.SetupLink(ctx)
	if err != nil || !strings.HasPrefix(link, "https://d.example/setup/") {
		t.Fatalf("%s %v", link, err)
	}
	secret := strings.TrimPrefix(link, "https://d.example/setup/")
	_, _, err = f.s.AcceptAsNew(ctx, secret, "Eve", goodPassword, Client{})
	want(t, err, registry.CodeGone) // a set-up link is no invitation
	var wg sync.WaitGroup
	won := make(chan Login, 8)
	for i := range 8 {
		wg.Go(func() {
			if l, err := f.s.Setup(ctx, secret, string(rune('a'+i))+"@example.com", "Some Body", goodPassword, Client{}); err == nil {
				won <- l
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d admins were made of one link", len(won))
	}
	admin := <-won
	if again, _, err := f.s.SetupLink(ctx); err != nil || again != "" {
		t.Fatalf("a set-up link beside an admin: %q %v", again, err)
	}

	o := f.org("acme", admin.User)
	actor := registry.AsUser(admin.User, admin.Session.ID, "")
	_, link, err = f.s.Invite(ctx, actor, o.ID, "mia@example.com", registry.RoleMember)
	if err != nil {
		t.Fatal(err)
	}
	secret = strings.TrimPrefix(link, "https://d.example/invite/")
	_, err = f.s.Setup(ctx, secret, "eve@example.com", "Eve", goodPassword, Client{})
	want(t, err, registry.CodeGone) // an invitation is no set-up link
	f.user("eve@example.com")
	eve := f.signIn("eve@example.com")
	_, err = f.s.Accept(ctx, registry.AsUser(eve.User, eve.Session.ID, ""), secret)
	want(t, err, registry.CodeForbidden) // bound to the address
	mia, _, err := f.s.AcceptAsNew(ctx, secret, "Mia Member", goodPassword, Client{})
	if err != nil || mia.User.Email != "mia@example.com" || mia.User.PlatformAdmin {
		t.Fatalf("%+v %v", mia.User, err)
	}
	_, _, err = f.s.AcceptAsNew(ctx, secret, "Mia Again", goodPassword, Client{})
	want(t, err, registry.CodeGone)
	_, link, err = f.s.Invite(ctx, actor, o.ID, "late@example.com", registry.RoleMember)
	if err != nil {
		t.Fatal(err)
	}
	f.clock.add(registry.InviteLinkLife + time.Minute)
	_, err = f.s.Link(ctx, registry.AsVisitor(""), strings.TrimPrefix(link, "https://d.example/invite/"))
	want(t, err, registry.CodeGone)
}
