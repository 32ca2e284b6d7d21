package identity

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

const appRedirect = "https://app.example.com/back?x=1"

// app is a registered client and what it sends.
type app struct {
	registry.Client
	secret token.Secret
	q      url.Values
}

func (f *fixture) app(n registry.NewClient) app {
	f.Helper()
	n.Name, n.RedirectURIs, n.LogoutURIs = "app", []string{appRedirect}, []string{"https://app.example.com/bye"}
	c, secret, err := f.s.CreateClient(ctx, registry.AsOperator(), n)
	if err != nil {
		f.Fatal(err)
	}
	return app{c, secret, url.Values{
		"client_id": {string(c.ID)}, "redirect_uri": {appRedirect}, "response_type": {"code"}, "scope": {"openid profile email offline_access nonsense"},
		"code_challenge": {"7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}, "code_challenge_method": {"S256"},
	}}
}

func (a app) as() Credentials { return Credentials{ID: string(a.ID), Secret: a.secret.Reveal()} }

// signIn signs a person in to an app.
func (f *fixture) into(a app, l Login) Tokens {
	f.Helper()
	d, err := f.s.Authorize(ctx, a.q, &l.Session)
	u, err2 := url.Parse(d.Redirect)
	if err != nil || err2 != nil || u.Query().Get("code") == "" || u.Query().Get("x") != "1" || u.Query().Get("iss") != "https://d.example" {
		f.Fatalf("%+v %v", d, err)
	}
	t, err := f.s.Redeem(ctx, a.as(), url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {appRedirect}, "code_verifier": {strings.Repeat("v", 43)}}, "")
	if err != nil {
		f.Fatal(err)
	}
	return t
}

func (f *fixture) refresh(a app, token string) (Tokens, error) {
	return f.s.Redeem(ctx, a.as(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, "")
}

// TestApps: people sign in to registered apps, which learn what their scope says and get nowhere else.
func TestApps(t *testing.T) {
	f := newFixture(t)
	ada := f.user("ada@example.com")
	o := f.org("acme", ada)
	f.user("bob@example.com")
	l, bob := f.signIn("ada@example.com"), f.signIn("bob@example.com")
	a, public, bound := f.app(registry.NewClient{}), f.app(registry.NewClient{Public: true}), f.app(registry.NewClient{OrgID: o.ID})

	tok := f.into(a, l)
	if tok.Scope != "openid profile email offline_access" || tok.RefreshToken == "" || tok.ExpiresIn != 300 {
		t.Fatalf("%+v", tok)
	}
	u, err := f.s.UserInfo(ctx, tok.AccessToken)
	if err != nil || u.Subject != l.User.ID || u.Email != "ada@example.com" || u.Name == "" || u.EmailVerified == nil || *u.EmailVerified || u.Role != "" || u.OrgID != "" {
		t.Errorf("%+v %v", u, err)
	}
	small := a
	small.q = url.Values{}
	for k, v := range a.q {
		small.q[k] = v
	}
	small.q.Set("scope", "openid")
	least := f.into(small, l)
	if u, err := f.s.UserInfo(ctx, least.AccessToken); err != nil || u.Email != "" || u.Name != "" || u.EmailVerified != nil || least.RefreshToken != "" {
		t.Errorf("%+v %v %+v", u, err, least)
	}
	ofAcme := f.into(bound, l)
	if u, err := f.s.UserInfo(ctx, ofAcme.AccessToken); err != nil || u.OrgID != o.ID || u.OrgSlug != "acme" || u.Role != registry.RoleOwner {
		t.Errorf("%+v %v", u, err)
	}
	if d, err := f.s.Authorize(ctx, bound.q, &bob.Session); err != nil || !strings.Contains(d.Redirect, "error=access_denied") {
		t.Errorf("no member: %+v %v", d, err)
	}
	f.into(public, bob)

	// No token is good where another is.
	session, err := f.redeem(f.flow(o), f.code(f.flow(o), l), nil)
	if err != nil {
		t.Fatal(err)
	}
	api, err := f.s.APITokenFor(ctx, registry.AsUser(l.User, l.Session.ID, ""), l.Session)
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]string{"ID": tok.IDToken, "API": api, "session": session.AccessToken, "refresh": tok.RefreshToken, "none": ""} {
		if _, err := f.s.UserInfo(ctx, tok); !errors.Is(err, token.ErrToken) {
			t.Errorf("user info takes the %s token: %v", name, err)
		}
	}
	for name, tok := range map[string]string{"access": tok.AccessToken, "ID": tok.IDToken} {
		if _, err := f.s.VerifyAPI(tok); err == nil {
			t.Errorf("the API takes an app's %s token", name)
		}
		if _, err := f.s.VerifySession(tok, o.ID, time.Hour); err == nil {
			t.Errorf("acme takes an app's %s token", name)
		}
	}

	// Introspection and revocation are about one's own tokens.
	see := func(who app, tok string) Introspection {
		t.Helper()
		i, err := f.s.Introspect(ctx, who.as(), tok)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	if i := see(a, tok.AccessToken); !i.Active || i.Subject != l.User.ID || i.Username != "ada@example.com" || i.ClientID != a.ID || i.Expires == 0 {
		t.Errorf("%+v", i)
	}
	if i := see(a, tok.RefreshToken); !i.Active || i.TokenType != "" {
		t.Errorf("%+v", i)
	}
	for name, i := range map[string]Introspection{"another's": see(bound, tok.AccessToken), "another's refresh": see(bound, tok.RefreshToken), "API": see(a, api), "nonsense": see(a, "x")} {
		if i != (Introspection{}) {
			t.Errorf("%s: %+v", name, i)
		}
	}
	if _, err := f.s.Introspect(ctx, public.as(), tok.AccessToken); !errors.Is(err, InvalidClient) {
		t.Errorf("a public client introspects: %v", err)
	}
	if err := f.s.Revoke(ctx, bound.as(), tok.RefreshToken); err != nil || !see(a, tok.RefreshToken).Active {
		t.Errorf("another's token was revoked: %v", err)
	}
	if err := f.s.Revoke(ctx, a.as(), tok.AccessToken); err != nil {
		t.Fatal(err)
	}
	if _, err := f.s.UserInfo(ctx, tok.AccessToken); !errors.Is(err, token.ErrToken) {
		t.Errorf("after revocation: %v", err)
	}
	if _, err := f.refresh(a, tok.RefreshToken); !errors.Is(err, InvalidGrant) {
		t.Errorf("after revocation: %v", err)
	}

	// What was given follows the membership, the session, and the app.
	if err := f.s.SignOut(ctx, l.Session.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.s.UserInfo(ctx, ofAcme.AccessToken); !errors.Is(err, token.ErrToken) {
		t.Errorf("after the sign-out: %v", err)
	}
}

// TestAppsAreAuthenticated: who is not the client gets nothing, nor does a client that asks for what it may not.
func TestAppsAreAuthenticated(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	l := f.signIn("ada@example.com")
	a, public := f.app(registry.NewClient{}), f.app(registry.NewClient{Public: true})
	tok := f.into(a, l)
	for name, c := range map[string]Credentials{
		"no secret": {ID: string(a.ID)}, "another secret": {ID: string(a.ID), Secret: token.NewAPIKey(token.PrefixClient).Reveal()}, "the hash": {ID: string(a.ID), Secret: string(a.Secret[:])},
		"public with a secret": {ID: string(public.ID), Secret: a.secret.Reveal()}, "nobody": {ID: registry.NewID(), Secret: a.secret.Reveal()}, "no ID": {Secret: a.secret.Reveal()},
		"the command line with a secret": {ID: string(registry.CLIClient), Secret: "x"}, "a runner": {ID: string(a.ID), Secret: token.NewAPIKey(token.PrefixRunner).Reveal(), Basic: true},
		"a gateway": {ID: token.ClientID("01890000-0000-7000-8000-000000000000"), Secret: a.secret.Reveal(), Basic: true},
	} {
		if _, err := f.s.Redeem(ctx, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok.RefreshToken}}, ""); !errors.Is(err, InvalidClient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.refresh(public, tok.RefreshToken); !errors.Is(err, InvalidGrant) {
		t.Errorf("another client's refresh token: %v", err)
	}
	for _, grant := range []string{grantDevice, grantExchange, grantCode} {
		as := a.as()
		if grant == grantCode {
			as = Credentials{ID: string(registry.CLIClient)}
		}
		if _, err := f.s.Redeem(ctx, as, url.Values{"grant_type": {grant}}, ""); !errors.Is(err, UnauthorizedClient) {
			t.Errorf("%s: %v", grant, err)
		}
	}
	if _, err := f.s.BeginDevice(ctx, a.as(), Client{}); !errors.Is(err, UnauthorizedClient) {
		t.Errorf("device: %v", err)
	}
	// A new secret ends the old one.
	_, secret, err := f.s.RotateClientSecret(ctx, registry.AsOperator(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.refresh(a, tok.RefreshToken); !errors.Is(err, InvalidClient) {
		t.Errorf("the old secret: %v", err)
	}
	a.secret = secret
	if _, err := f.s.Redeem(ctx, a.as(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok.RefreshToken}, "scope": {"openid platform"}}, ""); !errors.Is(err, InvalidScope) {
		t.Errorf("a wider scope: %v", err)
	}
	next, err := f.refresh(a, tok.RefreshToken)
	if err != nil || next.RefreshToken == tok.RefreshToken || next.RefreshToken == "" || next.IDToken == "" {
		t.Fatalf("%+v %v", next, err)
	}
	// The same answer for the same question, soon; a thief's use ends both.
	if again, err := f.refresh(a, tok.RefreshToken); err != nil || again.RefreshToken != next.RefreshToken {
		t.Errorf("%v", err)
	}
	f.clock.add(registry.RefreshGrace + time.Second)
	if _, err := f.refresh(a, tok.RefreshToken); !errors.Is(err, InvalidGrant) {
		t.Errorf("%v", err)
	}
	if _, err := f.refresh(a, next.RefreshToken); !errors.Is(err, InvalidGrant) {
		t.Errorf("%v", err)
	}
	// A deleted app signs nobody in.
	if err := f.store.DeleteClient(ctx, registry.AsOperator(), a.ID); err != nil {
		t.Fatal(err)
	}
	if d, err := f.s.Authorize(ctx, a.q, &l.Session); err != nil || d.Refuse == "" {
		t.Errorf("%+v %v", d, err)
	}
}

// TestAuthorizationRequests of apps: what is asked for wrongly, and when a person signs in again.
func TestAuthorizationRequests(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	f.user("bob@example.com")
	l, bob := f.signIn("ada@example.com"), f.signIn("bob@example.com")
	a := f.app(registry.NewClient{})
	ask := func(s *registry.Session, pairs ...string) Decision {
		t.Helper()
		q := url.Values{}
		for k, v := range a.q {
			q[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		d, err := f.s.Authorize(ctx, q, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, uri := range []string{"", "https://app.example.com/back", appRedirect + "&y=2", "https://app.example.com/back?x=%31", "https://evil.example/back?x=1", appRedirect + "#f"} {
		if d := ask(&l.Session, "redirect_uri", uri); d.Refuse == "" || d.Redirect != "" {
			t.Errorf("%q: %+v", uri, d)
		}
	}
	for _, c := range []struct{ name, value, want string }{
		{"response_type", "token", "unsupported_response_type"}, {"response_mode", "fragment", "invalid_request"}, {"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge", "", "invalid_request"}, {"scope", "profile", "invalid_scope"}, {"request", "x", "request_not_supported"}, {"request_uri", "x", "request_not_supported"},
		{"prompt", "none login", "invalid_request"}, {"max_age", "-1", "invalid_request"}, {"max_age", "x", "invalid_request"},
	} {
		d := ask(&l.Session, c.name, c.value, "state", "st")
		u, err := url.Parse(d.Redirect)
		if err != nil || u.Query().Get("error") != c.want || u.Query().Get("state") != "st" || u.Query().Get("iss") == "" || u.Query().Has("code") {
			t.Errorf("%s=%s: %+v", c.name, c.value, d)
		}
	}
	signsIn := func(name string, d Decision) url.Values {
		t.Helper()
		q, err := url.ParseQuery(d.SignIn)
		if d.SignIn == "" || err != nil {
			t.Fatalf("%s: %+v", name, d)
		}
		return q
	}
	signsIn("nobody", ask(nil))
	if d := ask(nil, "prompt", "none"); !strings.Contains(d.Redirect, "error=login_required") {
		t.Errorf("%+v", d)
	}
	f.clock.add(time.Hour)
	for name, pairs := range map[string][]string{"prompt": {"prompt", "login"}, "age": {"max_age", "60"}, "now": {"max_age", "0"}} {
		q := signsIn(name, ask(&l.Session, pairs...))
		if d, err := f.s.Authorize(ctx, q, &l.Session); err != nil || d.SignIn == "" {
			t.Errorf("%s: the old session does: %+v %v", name, d, err)
		}
		f.clock.add(2 * time.Second)
		fresh := f.signIn("ada@example.com")
		if d, err := f.s.Authorize(ctx, q, &fresh.Session); err != nil || !strings.Contains(d.Redirect, "code=") {
			t.Errorf("%s: no end of signing in: %+v %v", name, d, err)
		}
		if d := ask(&l.Session, append(pairs, "prompt", "none")...); name != "prompt" && !strings.Contains(d.Redirect, "error=login_required") {
			t.Errorf("%s, silently: %+v", name, d)
		}
	}
	// Nobody but we says when a request was made, nor keeps it for another request or for ever.
	own := signsIn("login", ask(&l.Session, "prompt", "login"))
	f.clock.add(time.Second)
	again := f.signIn("ada@example.com")
	f.clock.add(time.Second)
	for name, change := range map[string]func(url.Values){
		"auth_after of old": func(q url.Values) { q.Del(askedAt); q.Set("auth_after", "0") },
		"0":                 func(q url.Values) { q.Set(askedAt, "0") },
		"0 with its tag":    func(q url.Values) { q.Set(askedAt, "0"+strings.TrimLeft(q.Get(askedAt), "0123456789")) },
		"before all":        func(q url.Values) { q.Set(askedAt, "-9223372036854775808.x") },
		"beyond int64":      func(q url.Values) { q.Set(askedAt, "9223372036854775808.x") },
		"of another state":  func(q url.Values) { q.Set("state", "other") },
		"of another nonce":  func(q url.Values) { q.Set("nonce", "other") },
		"of another scope":  func(q url.Values) { q.Set("scope", "openid email") },
		"of another age":    func(q url.Values) { q.Set("max_age", "1") },
		"one more":          func(q url.Values) { q.Set("x", "y") },
		"a spelling of it":  func(q url.Values) { q.Set(askedAt, "+"+q.Get(askedAt)) },
		"none":              func(q url.Values) { q.Del(askedAt) },
	} {
		q := url.Values{}
		for k, v := range own {
			q[k] = v
		}
		change(q)
		if d, err := f.s.Authorize(ctx, q, &again.Session); err != nil || d.SignIn == "" {
			t.Errorf("asked at %s: %+v %v", name, d, err)
		}
	}
	if d, err := f.s.Authorize(ctx, own, &again.Session); err != nil || !strings.Contains(d.Redirect, "code=") {
		t.Errorf("%+v %v", d, err)
	}
	f.clock.add(AttemptLife)
	if d, err := f.s.Authorize(ctx, own, &again.Session); err != nil || d.SignIn == "" {
		t.Errorf("the request of an hour ago: %+v %v", d, err)
	}
	l = f.signIn("ada@example.com")
	for _, age := range []string{"2147483648", "9223372036854775808", "1e9", "NaN", " 1", "+1", "0x1"} {
		if d := ask(&l.Session, "max_age", age); !strings.Contains(d.Redirect, "error=invalid_request") {
			t.Errorf("max_age=%s: %+v", age, d)
		}
	}
	if d := ask(&l.Session, "max_age", "2147483647"); !strings.Contains(d.Redirect, "code=") {
		t.Errorf("%+v", d)
	}
	if d := ask(&l.Session, "max_age", "7200"); !strings.Contains(d.Redirect, "code=") {
		t.Errorf("%+v", d)
	}
	// A hint names whom the client means.
	hint := f.into(a, l).IDToken
	if d := ask(&l.Session, "id_token_hint", hint, "prompt", "none"); !strings.Contains(d.Redirect, "code=") {
		t.Errorf("%+v", d)
	}
	if d := ask(&bob.Session, "id_token_hint", hint, "prompt", "none"); !strings.Contains(d.Redirect, "error=login_required") {
		t.Errorf("%+v", d)
	}
}

// TestEndSession: an app signs out whom it names, and asks for everybody else; it leads nowhere but to its own.
func TestEndSession(t *testing.T) {
	f := newFixture(t)
	f.user("ada@example.com")
	l, other := f.signIn("ada@example.com"), f.signIn("ada@example.com")
	a, b := f.app(registry.NewClient{}), f.app(registry.NewClient{Public: true})
	hint := f.into(a, l).IDToken
	f.clock.add(token.IDTokenLife + time.Hour) // an old hint is as good
	const bye = "https://app.example.com/bye"
	for name, c := range map[string]struct {
		session *registry.Session
		q       url.Values
		want    Ending
	}{
		"no parameters":             {&l.Session, nil, Ending{Ask: true}},
		"nobody":                    {nil, nil, Ending{}},
		"a hint":                    {&l.Session, url.Values{"id_token_hint": {hint}}, Ending{}},
		"another session":           {&other.Session, url.Values{"id_token_hint": {hint}}, Ending{Ask: true}},
		"and on":                    {&l.Session, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}, "state": {"s&t"}}, Ending{Redirect: bye + "?state=s%26t"}},
		"without a hint":            {&l.Session, url.Values{"client_id": {string(a.ID)}, "post_logout_redirect_uri": {bye}}, Ending{Ask: true, Redirect: bye}},
		"nobody's, and on":          {nil, url.Values{"client_id": {string(a.ID)}, "post_logout_redirect_uri": {bye}}, Ending{Redirect: bye}},
		"another address":           {&l.Session, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye + "/"}}, Ending{Refuse: "the address to go on to is not the client's"}},
		"an address of nobody":      {&l.Session, url.Values{"post_logout_redirect_uri": {bye}}, Ending{Refuse: "the client is unknown"}},
		"a hint of another client":  {&l.Session, url.Values{"id_token_hint": {hint}, "client_id": {string(b.ID)}}, Ending{Refuse: "it names somebody else"}},
		"a hint that is none":       {&l.Session, url.Values{"id_token_hint": {hint + "x"}}, Ending{Refuse: "it names somebody else"}},
		"an org's gateway leads on": {&l.Session, url.Values{"client_id": {token.ClientID(f.org("acme", l.User).ID)}, "post_logout_redirect_uri": {bye}}, Ending{Refuse: "the address to go on to is not the client's"}},
		"twice":                     {&l.Session, url.Values{"state": {"a", "b"}}, Ending{Refuse: "the parameter state is repeated"}},
	} {
		if got, err := f.s.EndSession(ctx, c.q, c.session); err != nil || got != c.want {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestDevices: a device gets in with somebody's approval, in a session of its own, and narrows its token to an org.
func TestDevices(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	o, other := f.org("acme", u), f.org("globex", f.user("bob@example.com"))
	l := f.signIn("ada@example.com")
	who := registry.AsSession(l.User, l.Session, "192.0.2.9")
	cli := Credentials{ID: string(registry.CLIClient)}
	d, err := f.s.BeginDevice(ctx, cli, Client{Address: "192.0.2.1", UserAgent: "pizzeria on host"})
	if err != nil || len(d.UserCode) != 9 || d.Complete != "https://d.example/device?user_code="+d.UserCode {
		t.Fatalf("%+v %v", d, err)
	}
	poll := func() (Tokens, error) {
		return f.s.Redeem(ctx, cli, url.Values{"grant_type": {grantDevice}, "device_code": {d.DeviceCode}}, "")
	}
	for _, want := range []TokenError{AuthorizationPending, SlowDown} {
		if _, err := poll(); !errors.Is(err, want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := f.s.DeviceRequest(ctx, who, strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " "))); err != nil {
		t.Error(err)
	}
	if err := f.s.DecideDevice(ctx, who, d.UserCode, registry.DecisionApprove); err != nil {
		t.Fatal(err)
	}
	tok, err := poll()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := poll(); !errors.Is(err, ExpiredToken) {
		t.Errorf("%v", err)
	}
	v, got, err := f.s.AuthenticateAPI(ctx, tok.AccessToken, "")
	if err != nil || got.ID != u.ID || v.Session == l.Session.ID {
		t.Fatalf("%s %+v %v", v.Session, got, err)
	}
	exchange := func(change func(url.Values)) (Tokens, error) {
		form := url.Values{"grant_type": {grantExchange}, "subject_token": {tok.AccessToken}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "audience": {"urn:pizzeria:org:" + string(o.ID)}}
		if change != nil {
			change(form)
		}
		return f.s.Redeem(ctx, cli, form, "")
	}
	f.clock.add(2 * time.Minute)
	narrow, err := exchange(nil)
	if err != nil || narrow.ExpiresIn != 180 || narrow.RefreshToken != "" || narrow.IDToken != "" {
		t.Fatalf("%+v %v", narrow, err)
	}
	if c, err := f.s.VerifySession(narrow.AccessToken, o.ID, 0); err != nil || c.SessionID != v.Session || c.Role != registry.RoleOwner || c.ClientID != registry.CLIClient {
		t.Errorf("%+v %v", c, err)
	}
	byHand, err := f.s.APITokenFor(ctx, who, l.Session)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(url.Values)
		want   TokenError
	}{
		"another org":       {func(v url.Values) { v.Set("audience", "urn:pizzeria:org:"+string(other.ID)) }, InvalidTarget},
		"no org":            {func(v url.Values) { v.Set("audience", "https://d.example") }, InvalidTarget},
		"an unknown org":    {func(v url.Values) { v.Set("audience", "urn:pizzeria:org:"+registry.NewID()) }, InvalidTarget}, // as another org: nobody learns which there are
		"a narrow token":    {func(v url.Values) { v.Set("subject_token", narrow.AccessToken) }, InvalidGrant},
		"an ID token":       {func(v url.Values) { v.Set("subject_token", tok.IDToken) }, InvalidGrant},
		"a browser's token": {func(v url.Values) { v.Set("subject_token", byHand) }, InvalidGrant},
		"another type":      {func(v url.Values) { v.Set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt") }, InvalidRequest},
		"an actor":          {func(v url.Values) { v.Set("actor_token", "x") }, InvalidRequest},
	} {
		if _, err := exchange(c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// It works on when its browser is idle, until somebody ends it.
	f.clock.add(registry.SessionIdle + time.Hour)
	tok, err = f.s.Redeem(ctx, cli, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tok.RefreshToken}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.s.AuthenticateAPI(ctx, tok.AccessToken, ""); err != nil {
		t.Error(err)
	}
	if err := f.s.Revoke(ctx, cli, tok.RefreshToken); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.s.AuthenticateAPI(ctx, tok.AccessToken, ""); err == nil {
		t.Error("the device is in after it signed out")
	}
	// Codes cannot be guessed for long.
	l = f.signIn("ada@example.com")
	who = registry.AsSession(l.User, l.Session, "192.0.2.9")
	for range 50 {
		_, err = f.s.DeviceRequest(ctx, who, "BCDF-GHJK")
	}
	want(t, err, registry.CodeTooManyRequests)
}
