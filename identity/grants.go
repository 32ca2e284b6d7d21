package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/registry"
)

// TokenError is an error of the token endpoint (RFC 6749, section 5.2; RFC 8628, section 3.5).
type TokenError string

func (e TokenError) Error() string { return string(e) }

// The errors of the token endpoint.
const (
	InvalidClient        TokenError = "invalid_client"
	InvalidGrant         TokenError = "invalid_grant"
	InvalidRequest       TokenError = "invalid_request"
	InvalidScope         TokenError = "invalid_scope"
	InvalidTarget        TokenError = "invalid_target" // RFC 8693, section 2.2.2
	UnsupportedGrant     TokenError = "unsupported_grant_type"
	UnauthorizedClient   TokenError = "unauthorized_client"
	AuthorizationPending TokenError = "authorization_pending"
	SlowDown             TokenError = "slow_down"
	AccessDenied         TokenError = "access_denied"
	ExpiredToken         TokenError = "expired_token"
)

// The grant types.
const (
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantRunner   = "client_credentials"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
)

// Tokens is the answer of the token endpoint. For an org's gateway the access token is the org session.
type Tokens struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"` // RFC 8693
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	Scope           string `json:"scope,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
}

// Redeem answers the token endpoint: an org's gateway exchanges a code, a runner
// its key, an app whatever it may. The client is authenticated before what it
// asks for is looked at. Errors: TokenError, or that the store is away.
func (s *Service) Redeem(ctx context.Context, c Credentials, form url.Values, address string) (Tokens, error) {
	for _, v := range form {
		if len(v) != 1 {
			return Tokens{}, InvalidRequest
		}
	}
	grant := form.Get("grant_type")
	if strings.HasSuffix(c.ID, token.GatewaySuffix) {
		if !c.Basic || !s.isNode(c.Secret) {
			return Tokens{}, InvalidClient
		}
		if grant != grantCode {
			return Tokens{}, UnsupportedGrant
		}
		return s.redeemCode(ctx, c.ID, "", form)
	}
	if registry.ValidID(c.ID) && strings.HasPrefix(c.Secret, token.PrefixRunner) {
		if !c.Basic {
			return Tokens{}, InvalidClient
		}
		return s.runnerToken(ctx, registry.RunnerID(c.ID), c.Secret, form, address)
	}
	app, err := s.authenticateApp(ctx, c)
	if err != nil {
		return Tokens{}, err
	}
	// Before anything is used up: another node may have made the ring's first key, or nobody yet.
	if err := s.RingOfID(app.IDTokenAlg).Ensure(ctx); err != nil {
		return Tokens{}, err
	}
	cli := app.ID == registry.CLIClient
	switch {
	case grant == grantCode && !cli:
		return s.redeemCode(ctx, c.ID, app.IDTokenAlg, form)
	case grant == grantRefresh:
		return s.refresh(ctx, app, form)
	case grant == grantDevice && cli:
		return s.redeemDevice(ctx, app.ID, form)
	case grant == grantExchange && cli:
		return s.exchange(ctx, form)
	case grant == grantCode, grant == grantDevice, grant == grantExchange:
		return Tokens{}, UnauthorizedClient
	}
	return Tokens{}, UnsupportedGrant
}

// redeemCode answers the authorization code grant with PKCE (RFC 6749, section 4.1.3; RFC 7636).
func (s *Service) redeemCode(ctx context.Context, clientID, alg string, form url.Values) (Tokens, error) {
	verifier := form.Get("code_verifier")
	if len(verifier) < 43 || len(verifier) > 128 || form.Get("code") == "" { // RFC 7636, section 4.1
		return Tokens{}, InvalidGrant
	}
	sum, refresh := sha256.Sum256([]byte(verifier)), token.NewSecret()
	g, err := s.store.RedeemCode(ctx, registry.AsSystem("token"), registry.CodeMatch{
		Hash: token.Secret(form.Get("code")).Hash(), ClientID: clientID, RedirectURI: form.Get("redirect_uri"),
		Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), Refresh: refresh.Hash(),
	})
	if registry.ErrorCode(err) != "" {
		return Tokens{}, InvalidGrant
	}
	if err != nil {
		return Tokens{}, err
	}
	s.touch(g.Session.ID, s.now())
	if g.ID != "" {
		return s.appTokens(ctx, g, refresh, alg)
	}
	access, err := s.SessionToken(g)
	if err != nil {
		return Tokens{}, err
	}
	id, err := s.IDToken(clientID, alg, g, access)
	return Tokens{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(token.SessionTokenLife / time.Second), IDToken: id}, err
}

// refresh answers the refresh grant (RFC 6749, section 6). The next token follows
// from the last under a key of ours, so that a repeated request gets the same.
func (s *Service) refresh(ctx context.Context, app registry.Client, form url.Values) (Tokens, error) {
	tok := token.Secret(form.Get("refresh_token"))
	if len(tok) != 43 {
		return Tokens{}, InvalidGrant
	}
	// An app may ask for less; what it has stays what it was given.
	if asked := form.Get("scope"); asked != "" {
		g, err := s.store.GrantByRefresh(ctx, registry.AsSystem("token"), tok.Hash())
		if err == nil && !within(asked, g.Scope) {
			return Tokens{}, InvalidScope
		}
	}
	next := token.Secret(s.master.Tag("refresh-token", string(tok)))
	g, err := s.store.Refresh(ctx, registry.AsSystem("token"), registry.RefreshMatch{Token: tok.Hash(), Next: next.Hash(), ClientID: app.ID})
	if registry.ErrorCode(err) != "" {
		return Tokens{}, InvalidGrant
	}
	if err != nil {
		return Tokens{}, err
	}
	return s.appTokens(ctx, g, next, app.IDTokenAlg)
}

// within reports whether every word of a list stands in another.
func within(words, list string) bool {
	for _, w := range ascii.Words(words) {
		if !registry.HasWord(list, w) {
			return false
		}
	}
	return true
}

// appTokens makes what an app gets: an access token for the user info endpoint alone, or of
// the command line for the API, an ID token, and a refresh token if it may have one.
func (s *Service) appTokens(ctx context.Context, g registry.Grant, refresh token.Secret, alg string) (Tokens, error) {
	t := Tokens{TokenType: "Bearer", ExpiresIn: int64(min(token.APITokenLife, g.Session.ExpiresAt.Sub(s.now())) / time.Second), Scope: g.Scope}
	var err error
	if g.ClientID == registry.CLIClient {
		s.touch(g.Session.ID, s.now())
		t.AccessToken, err = s.apiTokenOf(ctx, g)
	} else {
		t.AccessToken, err = s.AccessToken(g)
	}
	if err != nil {
		return Tokens{}, err
	}
	if registry.HasWord(g.Scope, registry.OfflineScope) {
		t.RefreshToken = refresh.Reveal()
	}
	t.IDToken, err = s.IDToken(string(g.ClientID), alg, g, t.AccessToken)
	return t, err
}

// exchange narrows an API token of the command line to one org (RFC 8693): to a
// token for the org's address, that ends no later than the API token.
func (s *Service) exchange(ctx context.Context, form url.Values) (Tokens, error) {
	const accessTokenType = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // a name, not a secret
	if form.Get("subject_token_type") != accessTokenType || form.Has("actor_token") ||
		form.Get("requested_token_type") != "" && form.Get("requested_token_type") != accessTokenType {
		return Tokens{}, InvalidRequest
	}
	c, err := s.VerifyAPI(form.Get("subject_token"))
	if err != nil || c.ClientID != registry.CLIClient {
		return Tokens{}, InvalidGrant
	}
	org, ok := strings.CutPrefix(form.Get("audience"), token.OrgClientPrefix)
	if !ok || !registry.ValidID(org) {
		return Tokens{}, InvalidTarget
	}
	// A session that ended is told from an org by a question of its own: there is no telling then
	// whether an org is none, or another's.
	if _, _, err := s.store.SessionByID(ctx, registry.AsSystem("token"), c.SessionID); err != nil {
		return Tokens{}, grantError(err, InvalidGrant)
	}
	g, err := s.grant(ctx, "token", c.SessionID, registry.OrgID(org))
	if err != nil {
		refused := InvalidTarget
		if registry.ErrorCode(err) == registry.CodeReauthenticationNeeded { // of a member: there is something to do
			refused = InvalidGrant
		}
		return Tokens{}, grantError(err, refused)
	}
	if end := time.Unix(c.Expires, 0); end.Before(g.Session.ExpiresAt) {
		g.Session.ExpiresAt = end
	}
	g.ClientID = c.ClientID
	tok, err := s.SessionToken(g)
	return Tokens{AccessToken: tok, IssuedTokenType: accessTokenType, TokenType: "Bearer", ExpiresIn: int64(g.Session.ExpiresAt.Sub(s.now()) / time.Second)}, err
}

// grantError is what a client is told of a refusal by the store; that the store is away stays that.
func grantError(err error, refused TokenError) error {
	if registry.ErrorCode(err) == "" {
		return err
	}
	return refused
}

// Renew makes a new org session for the live sign-in session behind an old
// one, which was used at a time. Errors: CodeNotFound (the session ended), CodeReauthenticationNeeded (it is over for
// the org), CodeForbidden (no member any more); anything else means that the control plane is away.
func (s *Service) Renew(ctx context.Context, old token.SessionClaims, used time.Time) (string, error) {
	if old.Role != registry.RoleRunner {
		s.touch(old.SessionID, used)
		if old.Idle > 0 {
			err := s.store.UsedSession(ctx, registry.AsSystem("renew"), old.SessionID, old.OrgID, used)
			if err != nil {
				return "", err
			}
		}
	}
	g, err := s.grantAgain(ctx, old)
	if err != nil {
		return "", err
	}
	if g.Role != registry.RoleRunner {
		s.touch(g.Session.ID, s.now())
		if now := s.now(); now.Sub(g.Session.LastSeenAt) > g.Session.IdleExpiresAt.Sub(now) {
			s.storeSeen(ctx, g.Session.ID)
		}
	}
	return s.SessionToken(g)
}

// RoleOf returns the role that the person behind an org session has in its org now, whether the org
// is served or not. Errors: CodeNotFound, and those of signing in to that org.
func (s *Service) RoleOf(ctx context.Context, c token.SessionClaims) (registry.Role, error) {
	v, u, err := s.store.SessionByID(ctx, registry.AsSystem("gateway"), c.SessionID)
	if err != nil {
		return "", err
	}
	o, err := s.store.Org(ctx, registry.AsSession(u, v, ""), c.OrgID)
	return o.Role, err
}

// APITokenFor makes an API token for a signed-in user's session.
func (s *Service) APITokenFor(ctx context.Context, a registry.Actor, v registry.Session) (string, error) {
	orgs, err := s.store.MyOrgs(ctx, a)
	if err != nil {
		return "", err
	}
	return s.APIToken(v, orgs, "")
}

// apiTokenOf makes the API token of a device that somebody signed in.
func (s *Service) apiTokenOf(ctx context.Context, g registry.Grant) (string, error) {
	orgs, err := s.store.MyOrgs(ctx, registry.AsSession(g.User, g.Session, ""))
	if err != nil {
		return "", err
	}
	return s.APIToken(g.Session, orgs, g.ClientID)
}

// AuthenticateAPI returns who presents an API token: the user of the live session behind it, there
// in person by pizzeria login. Errors: ErrToken, CodeNotFound.
func (s *Service) AuthenticateAPI(ctx context.Context, token, address string) (registry.Actor, registry.User, error) {
	c, err := s.VerifyAPI(token)
	if err != nil {
		return registry.Actor{}, registry.User{}, err
	}
	v, u, err := s.store.SessionByID(ctx, registry.AsSystem("api"), c.SessionID)
	if err != nil {
		return registry.Actor{}, u, err
	}
	v, _ = s.asSeen(v)
	a := registry.AsSession(u, v, address)
	if c.ClientID != registry.CLIClient {
		a = a.Lent()
	}
	return a, u, nil
}

// Now is the time that sessions are judged by.
func (s *Service) Now() time.Time { return s.now() }
