package identity

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	purposeExternal   = "external"
	purposeConnection = "connection"
	providerSkew      = 5 * time.Minute // by which a provider's clock may differ, as go-oidc has it
)

// external is a sign-in at a provider that somebody began. The browser keeps it sealed.
type external struct {
	Connection             registry.ConnectionID
	State, Nonce, Verifier string
	Back                   string             // where to go after it
	Again                  bool               // a new sign-in was asked for
	Account                registry.UserID    // to be linked; "" = to sign in
	In                     registry.SessionID // with Account: that it was begun in
	Began                  time.Time
}

// External says what a sign-in at a provider is for.
type External struct {
	Back  string         // where to go after it: a path here
	Again bool           // the provider is to ask for a new sign-in
	Link  registry.Actor // that is signed in and whose account is to be linked; nobody = to sign in
	Hint  string         // an e-mail address, for the provider's form
}

// Attempt is a sign-in at a provider that has begun. A browser can be on several at once.
type Attempt struct {
	Redirect string // where to send the browser
	ID       string // of those that the browser is on; see AttemptOf
	Sealed   string // what the browser keeps meanwhile
}

const attemptID = 12 // characters of the state: 72 bits

// AttemptOf is the ID of the attempt that a provider answers with a state, "" for none.
func AttemptOf(state string) string {
	if len(state) != base64.RawURLEncoding.EncodedLen(token.SecretBytes) {
		return ""
	}
	for _, c := range []byte(state) {
		if !ascii.IsAlphanumeric(c) && c != '-' && c != '_' {
			return ""
		}
	}
	return state[:attemptID]
}

// BeginExternal begins a sign-in by a connection. The caller has to know that the person wants it: a page from elsewhere that could
// begin one would sign people in as somebody of its own. Errors: CodeNotFound, CodeTooManyRequests, CodeOverloaded (the provider
// is away).
func (s *Service) BeginExternal(
	ctx context.Context, id registry.ConnectionID, e External, at Client,
) (Attempt, error) {
	if _, err := s.try(ctx, s.limits.external, "", at); err != nil {
		return Attempt{}, err
	}
	c, p, err := s.provider(ctx, id)
	if err != nil {
		return Attempt{}, err
	}
	x := external{
		Connection: id, State: token.NewSecret().Reveal(), Nonce: token.NewSecret().Reveal(), Verifier: oauth2.GenerateVerifier(),
		Back: e.Back, Again: e.Again, Account: e.Link.User, In: e.Link.Session, Began: s.now(),
	}
	b, err := json.Marshal(x)
	if err != nil {
		return Attempt{}, err
	}
	config, err := s.clientAt(c, p)
	if err != nil {
		return Attempt{}, err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(x.Nonce), oauth2.S256ChallengeOption(x.Verifier)}
	if e.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	if e.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", e.Hint))
	}
	return Attempt{
		Redirect: config.AuthCodeURL(x.State, options...), ID: AttemptOf(x.State),
		Sealed: base64.RawURLEncoding.EncodeToString(s.Seal(purposeExternal, "", b)),
	}, nil
}

// clientAt is what we are at a provider. Every connection has an address of its own to come back to,
// so that no provider's answer is taken for another's (RFC 9700, section 4.4).
func (s *Service) clientAt(c registry.Connection, p *provider) (*oauth2.Config, error) {
	config := &oauth2.Config{ClientID: c.ClientID, Endpoint: p.Endpoint(), RedirectURL: s.ConnectionCallback(c.ID), Scopes: append([]string{oidc.ScopeOpenID}, c.Scopes...)}
	config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.Sealed == nil || slices.Contains(p.meta.AuthMethods, "client_secret_post") && !slices.Contains(p.meta.AuthMethods, "client_secret_basic") {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	if c.Sealed != nil {
		secret, err := s.Open(purposeConnection, string(c.ID), c.Sealed)
		if err != nil {
			return nil, err
		}
		config.ClientSecret = string(secret)
	}
	return config, nil
}

// ConnectionCallback is where a connection's provider sends the browser back to.
func (s *Service) ConnectionCallback(id registry.ConnectionID) string {
	return s.site().Issuer + "/sign-in/with/" + string(id) + "/callback"
}

// FinishExternal takes a provider's answer and signs its person in, or links them to the account that is signed in.
// Where somebody else is signed in it asks first: see Login.Other.
// An account with a second step is asked for it, too: what an org's provider says stands for the password alone.
// back is where the sign-in leads, after an error too; "" when that is not known.
// Errors: CodeGone (begin again), CodeForbidden, CodeNotFound, CodeConflict, CodeTooManyRequests, CodeOverloaded.
func (s *Service) FinishExternal(ctx context.Context, id registry.ConnectionID, q url.Values, sealed string, a registry.Actor, at Client) (l Login, back string, err error) {
	defer func() { s.note("connection", at, l, err) }()
	x, err := s.openExternal(sealed, id)
	defer func() {
		if err != nil && x.Account != "" { // it is not where it was to lead: nothing is linked
			back = ""
		}
	}()
	if err != nil {
		return l, x.Back, err
	}
	if x.Account != "" && (x.Account != a.User || x.In != a.Session) {
		return l, x.Back, registry.Errorf(registry.CodeGone, "", "You began this in another session. Try again.")
	}
	// One attempt answered with many codes would have us ask the provider for each.
	settle, err := s.try(ctx, s.limits.external, "", at)
	if err != nil {
		return l, x.Back, err
	}
	defer func() { settle(&err) }()
	c, p, err := s.provider(ctx, id)
	if err != nil {
		return l, x.Back, err
	}
	code, err := x.code(q, c, p.meta.ISS)
	if err != nil {
		return l, x.Back, err
	}
	claims, err := s.claimsOf(ctx, c, p, x, code)
	if err != nil {
		return l, x.Back, err
	}
	said := claims.signIn(c)
	said.Address, said.Account = at.Address, x.Account
	u, linked, err := s.store.SignInExternal(ctx, registry.AsSystem("sign-in"), said)
	if err != nil {
		s.log.Info("an external sign-in is refused", "connection", c.ID, "subject", said.Subject, "error", err)
		return l, x.Back, err
	}
	if said.Undelivered != "" {
		s.log.Warn("a provider did not deliver roles", "connection", c.ID, "org", c.OrgID, "issuer", c.Issuer,
			"user", u.ID, "claim", c.RolesClaim, "reason", said.Undelivered)
	}
	if linked {
		s.notify(ctx, u.Email, Letter{Kind: LetterLinked, Name: u.Name, Org: c.Name})
	}
	if x.Account != "" {
		return l, x.Back, nil
	}
	since := claims.since(x, s.now())
	if a.User != "" && a.User != u.ID {
		l, err = s.askOther(u, c.ID, a.Session, since)
		return l, x.Back, err
	}
	l, err = s.loginBy(ctx, u, at, c.ID, since)
	return l, x.Back, err
}

// loginBy signs somebody in by a connection, or asks for the second step.
func (s *Service) loginBy(
	ctx context.Context, u registry.User, at Client, by registry.ConnectionID, since time.Time,
) (Login, error) {
	if second, err := s.needsSecond(ctx, u, "", by); err != nil || second != "" {
		return Login{Second: second}, err
	}
	return s.loginAt(ctx, u, at, "", by, since)
}

func (s *Service) openExternal(sealed string, id registry.ConnectionID) (x external, err error) {
	late := registry.Errorf(registry.CodeGone, "", "This sign-in took too long, or began in another browser. Try again.")
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || sealed == "" {
		return x, late
	}
	if b, err = s.Open(purposeExternal, "", b); err != nil || json.Unmarshal(b, &x) != nil || s.now().After(x.Began.Add(AttemptLife)) || x.Connection != id {
		return x, late
	}
	return x, nil
}

// code judges what came back with the browser (RFC 6749, section 4.1.2; RFC 9207).
func (x external) code(q url.Values, c registry.Connection, promisesISS bool) (string, error) {
	for _, v := range q {
		if len(v) > 1 {
			return "", registry.Errorf(registry.CodeForbidden, "", "the answer of %s is malformed", c.Name)
		}
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(x.State)) != 1 {
		return "", registry.Errorf(registry.CodeGone, "", "This sign-in began in another browser. Try again.")
	}
	if iss := q.Get("iss"); iss != c.Issuer && (iss != "" || promisesISS) {
		return "", registry.Errorf(registry.CodeForbidden, "", "the answer is not one of %s", c.Name)
	}
	if q.Has("error") || q.Get("code") == "" {
		return "", registry.Errorf(registry.CodeForbidden, "", "%s did not sign you in", c.Name)
	}
	return q.Get("code"), nil
}

// claims are what a provider says of somebody.
type claims struct {
	subject string
	raw     map[string]json.RawMessage
}

// claimsOf redeems a code, and checks the ID token that comes with it.
func (s *Service) claimsOf(ctx context.Context, c registry.Connection, p *provider, x external, code string) (claims, error) {
	refused := func(why error) error {
		s.log.Warn("a provider's answer is refused", "connection", c.ID, "issuer", c.Issuer, "error", why)
		return registry.Errorf(registry.CodeForbidden, "", "the answer of %s does not hold: try again, or ask whoever set it up", c.Name)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, s.outsideFor(c.OrgID)), 15*time.Second)
	defer cancel()
	config, err := s.clientAt(c, p)
	if err != nil {
		return claims{}, err
	}
	t, err := config.Exchange(ctx, code, oauth2.VerifierOption(x.Verifier))
	if err != nil {
		var answered *oauth2.RetrieveError
		if !errors.As(err, &answered) {
			s.log.Warn("a provider is away", "connection", c.ID, "issuer", c.Issuer, "error", reason(err))
			return claims{}, errProviderAway(c)
		}
		return claims{}, refused(errors.New("token endpoint: " + answered.ErrorCode)) // its body may hold more than is ours to log
	}
	raw, _ := t.Extra("id_token").(string)
	keys := oidc.ClientContext(ctx, through(s.outsideFor(c.OrgID), usableKeys))
	id, err := p.VerifierContext(keys, &oidc.Config{ClientID: c.ClientID, Now: s.now}).Verify(ctx, raw)
	switch { // the library passes on the words of an error alone
	case err == nil:
	case strings.Contains(err.Error(), errNoKeys.Error()):
		_ = refused(errNoKeys)
		return claims{}, registry.Errorf(registry.CodeForbidden, "", "%s publishes no key with which its answers can be checked: tell whoever set it up", c.Name)
	case strings.Contains(err.Error(), "fetching keys"):
		s.log.Warn("a provider is away", "connection", c.ID, "issuer", c.Issuer, "error", "its keys cannot be fetched")
		return claims{}, errProviderAway(c)
	default:
		return claims{}, refused(err)
	}
	out := claims{subject: id.Subject}
	var payload json.RawMessage
	if err := id.Claims(&payload); err != nil {
		return out, refused(err)
	}
	if out.raw, err = strictClaims(payload); err != nil {
		return out, refused(err)
	}
	// nbf is the library's to judge.
	latest := s.now().Add(providerSkew)
	issued, ok := numericDate(out.raw["iat"], time.Unix(0, 0), latest.Add(time.Minute))
	var azp string
	_ = json.Unmarshal(out.raw["azp"], &azp)
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(x.Nonce)) != 1:
		return out, refused(errors.New("another nonce"))
	case id.Subject == "" || len(id.Subject) > 255:
		return out, refused(errors.New("no subject of 1 to 255 bytes"))
	case len(id.Audience) > 1 && azp != c.ClientID || azp != "" && azp != c.ClientID:
		return out, refused(errors.New("the ID token is another client's"))
	case !ok || issued.Unix() == 0 || issued.After(latest):
		return out, refused(errors.New("it says of no time, or of one to come, that it was issued then"))
	case id.AccessTokenHash != "" && id.VerifyAccessToken(t.AccessToken) != nil:
		return out, refused(errors.New("the access token is another's"))
	}
	if x.Again {
		if err := out.fresh(c, x.Began, s.now()); err != nil {
			return out, err
		}
	}
	s.complete(ctx, c, p, t, out)
	return out, nil
}

// complete asks the provider's user info endpoint for what the ID token leaves out; what lacks then is judged as lacking.
func (s *Service) complete(ctx context.Context, c registry.Connection, p *provider, t *oauth2.Token, out claims) {
	_, email := out.raw["email"]
	_, roles := out.find(c.RolesClaim)
	if p.meta.UserInfo == "" || email && (roles || c.RolesClaim == "") {
		return
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(t))
	if err != nil || info.Subject != out.subject {
		s.log.Warn("a provider's user info is refused", "connection", c.ID, "issuer", c.Issuer, "error", userInfoReason(err))
		return
	}
	var answer json.RawMessage
	if info.Claims(&answer) != nil {
		return
	}
	more, err := strictClaims(answer)
	if err != nil {
		s.log.Warn("a provider's user info is refused", "connection", c.ID, "issuer", c.Issuer, "error", err)
		return
	}
	for k, v := range more {
		// An address and whether it is verified are one statement: never one from here and one from there.
		if _, ok := out.raw[k]; !ok && (!email || k != "email_verified") {
			out.raw[k] = v
		}
	}
}

// authTime is when somebody signed in at the provider; ok is false of one that does not say. It is
// moved into the time that matters here: no session is older, and nobody signs in later than now.
func (c claims) authTime(now time.Time) (at time.Time, ok bool) {
	return numericDate(c.raw["auth_time"], now.Add(-registry.AuthTimeMax), now.Add(token.ClockSkew))
}

// since is when somebody signed in at the provider. One that does not say, and was not asked for a new sign-in, may have let them
// through without a question: that counts as long ago, or a browser left open would pass for its owner.
func (c claims) since(x external, now time.Time) time.Time {
	at, ok := c.authTime(now)
	switch {
	case x.Again && at.Before(x.Began): // fresh saw to it; the provider's clock may be behind ours
		return x.Began
	case ok:
		return at
	}
	return now.Add(-registry.FreshFor - time.Second)
}

// fresh refuses who did not sign in at the provider after began, or of whom it does not say when,
// though it must if it was asked for max_age (OpenID Connect Core, section 2).
func (c claims) fresh(by registry.Connection, began, now time.Time) error {
	at, ok := c.authTime(now)
	switch {
	case !ok:
		return registry.Errorf(registry.CodeForbidden, "", "%s does not say when you signed in there, so "+
			"it cannot confirm that it is you: use a password or a passkey for this", by.Name)
	case !at.After(began.Add(-2 * token.ClockSkew)):
		return registry.Errorf(registry.CodeForbidden, "",
			"%s signed you in some time ago: sign out there, and begin again", by.Name)
	}
	return nil
}

// verified reports whether the provider says that the address is verified; of one that says nothing, whether it is trusted with that.
func (c claims) verified(by registry.Connection) bool {
	said, ok := c.raw["email_verified"]
	return ok && string(said) == "true" || !ok && by.TrustEmail
}

// signIn reads the claims, each as its type and nothing like it: "true" is not true.
func (c claims) signIn(by registry.Connection) registry.ExternalSignIn {
	text := func(name string) (s string) {
		if json.Unmarshal(c.raw[name], &s) != nil {
			return ""
		}
		return s
	}
	x := registry.ExternalSignIn{Connection: by.ID, Subject: c.subject, Email: text("email"), EmailVerified: c.verified(by), Name: text("name")}
	if x.Name == "" {
		x.Name = strings.TrimSpace(text("given_name") + " " + text("family_name"))
	}
	if by.RolesClaim == "" {
		return x
	}
	x.Values, x.Undelivered = c.roles(by.RolesClaim)
	return x
}

func userInfoReason(err error) string {
	if err == nil {
		return "it is of another subject"
	}
	return reason(err)
}
