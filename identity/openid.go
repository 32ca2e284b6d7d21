package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// CodeLife is how long an authorization code can be redeemed.
const CodeLife = time.Minute

// ClientID is the OpenID client of an org's gateway.
func ClientID(org registry.OrgID) string { return clientOfOrg + string(org) + clientSuffix }

// HostClientID is the client of a gateway that does not disclose which orgs there are: it has one for every slug.
func HostClientID(slug string) string { return clientOfHost + slug + clientSuffix }

const clientOfOrg, clientOfHost, clientSuffix = "urn:pizzeria:org:", "urn:pizzeria:host:", ":gateway"

// client is whom an authorization request is for.
type client struct {
	slug string
	org  registry.OrgID // "" when there is none at the slug
}

// clientOf finds a client by its ID. Error: NotFound; anything else means that the store is away.
func (s *Service) clientOf(ctx context.Context, id string) (c client, err error) {
	unknown := registry.Errorf(registry.NotFound, "client_id", "the client is unknown")
	name, ok := strings.CutSuffix(id, clientSuffix)
	if !ok {
		return c, unknown
	}
	if org, ok := strings.CutPrefix(name, clientOfOrg); ok && registry.ValidID(org) {
		v, err := s.store.Org(ctx, registry.AsSystem("authorize"), registry.OrgID(org))
		return client{v.Slug, v.ID}, err
	}
	if slug, ok := strings.CutPrefix(name, clientOfHost); ok && registry.ValidSlug(slug) {
		r, err := s.store.Route(ctx, registry.AsSystem("authorize"), slug)
		if registry.ErrorCode(err) == registry.NotFound {
			return client{slug: slug}, nil
		}
		if err != nil {
			return c, err
		}
		return client{slug, r.OrgID}, nil
	}
	return c, unknown
}

// OrgNameFor is the name of the org that a client may disclose, "" for none.
func (s *Service) OrgNameFor(ctx context.Context, clientID string) string {
	org, ok := strings.CutPrefix(strings.TrimSuffix(clientID, clientSuffix), clientOfOrg)
	if !ok || !registry.ValidID(org) {
		return ""
	}
	v, err := s.store.Org(ctx, registry.AsSystem("sign-in"), registry.OrgID(org))
	if err != nil {
		return ""
	}
	return v.Name
}

// ClientSecret is a client's secret, known to every node that has the master key.
func (s *Service) ClientSecret(clientID string) Secret {
	return Secret(s.master.Tag("client-secret", clientID))
}

// Decision is the answer to an authorization request. Exactly one of the fields is set.
type Decision struct {
	Redirect string // 303 to the client, with a code or an error
	SignIn   bool   // sign in first, then the same request again
	Refuse   string // an error for the person, not for the client: it may not be the client's
}

// The error codes of RFC 6749, section 4.1.2.1.
const (
	errAccessDenied   = "access_denied"
	errInvalidRequest = "invalid_request"
	errUnsupported    = "unsupported_response_type"
	errInvalidScope   = "invalid_scope"
	errNoRequest      = "request_not_supported"
	errLoginRequired  = "login_required"
)

// Authorize judges an authorization request (RFC 6749 with PKCE S256 only, RFC
// 9207 `iss` in every answer). session is nil when nobody is signed in. It
// stores nothing but the code.
func (s *Service) Authorize(ctx context.Context, q url.Values, session *registry.Session) (Decision, error) {
	for name, v := range q {
		if len(v) != 1 {
			return Decision{Refuse: "the parameter " + name + " is repeated"}, nil
		}
	}
	c, err := s.clientOf(ctx, q.Get("client_id"))
	if registry.ErrorCode(err) == registry.NotFound {
		return Decision{Refuse: "the client is unknown"}, nil
	}
	if err != nil {
		return Decision{}, err
	}
	redirect := s.site().CallbackURL(c.slug)
	if q.Get("redirect_uri") != redirect { // byte for byte (RFC 9700, section 2.1)
		return Decision{Refuse: "the redirect address is not the client's"}, nil
	}
	answer := func(key, value string) (Decision, error) {
		p := url.Values{key: {value}, "iss": {s.site().Issuer}}
		if st := q.Get("state"); st != "" {
			p.Set("state", st)
		}
		return Decision{Redirect: redirect + "?" + p.Encode()}, nil
	}
	switch {
	case q.Has("request") || q.Has("request_uri"):
		return answer("error", errNoRequest)
	case q.Get("response_type") != "code":
		return answer("error", errUnsupported)
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query",
		q.Get("code_challenge_method") != "S256", len(q.Get("code_challenge")) != 43,
		q.Get("state") == "", q.Get("nonce") == "", len(q.Get("nonce")) > 200:
		return answer("error", errInvalidRequest)
	case !strings.Contains(" "+q.Get("scope")+" ", " openid "):
		return answer("error", errInvalidScope)
	}
	if session == nil {
		if q.Get("prompt") == "none" {
			return answer("error", errLoginRequired)
		}
		return Decision{SignIn: true}, nil
	}
	if c.org == "" {
		return answer("error", errAccessDenied)
	}
	g, err := s.store.Grant(ctx, registry.AsSystem("authorize"), session.ID, c.org)
	switch registry.ErrorCode(err) {
	case "":
		if err != nil {
			return Decision{}, err
		}
	case registry.Forbidden:
		return answer("error", errAccessDenied)
	default:
		return Decision{SignIn: true}, nil
	}
	code := NewSecret()
	err = s.store.InsertCode(ctx, registry.AsSystem("authorize"), registry.NewCode{
		Hash: code.Hash(), ClientID: q.Get("client_id"), OrgID: c.org, UserID: g.User.ID, SessionID: g.Session.ID,
		RedirectURI: redirect, Challenge: q.Get("code_challenge"), Nonce: q.Get("nonce"), ExpiresAt: s.now().Add(CodeLife),
	})
	if err != nil {
		return Decision{}, err
	}
	return answer("code", code.Reveal())
}

// TokenError is an error of the token endpoint (RFC 6749, section 5.2).
type TokenError string

func (e TokenError) Error() string { return string(e) }

// The errors of the token endpoint.
const (
	InvalidClient      TokenError = "invalid_client"
	InvalidGrant       TokenError = "invalid_grant"
	InvalidRequest     TokenError = "invalid_request"
	UnsupportedGrant   TokenError = "unsupported_grant_type"
	UnauthorizedClient TokenError = "unauthorized_client"
)

// Tokens is the answer of the token endpoint. For an org's gateway the access token is the org session.
type Tokens struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	IDToken     string `json:"id_token,omitempty"`
}

// Redeem answers the token endpoint: an org's gateway exchanges a code, a runner
// its key. The client is authenticated before what it asks for is looked at.
// Errors: TokenError, or that the store is away.
func (s *Service) Redeem(ctx context.Context, clientID, clientSecret string, form url.Values, address string) (Tokens, error) {
	for _, v := range form {
		if len(v) != 1 {
			return Tokens{}, InvalidRequest
		}
	}
	if registry.ValidID(clientID) {
		return s.runnerToken(ctx, registry.RunnerID(clientID), clientSecret, form, address)
	}
	if !strings.HasSuffix(clientID, clientSuffix) || subtle.ConstantTimeCompare([]byte(s.ClientSecret(clientID)), []byte(clientSecret)) != 1 {
		return Tokens{}, InvalidClient
	}
	if form.Get("grant_type") != "authorization_code" {
		return Tokens{}, UnsupportedGrant
	}
	verifier := form.Get("code_verifier")
	if len(verifier) < 43 || len(verifier) > 128 || form.Get("code") == "" { // RFC 7636, section 4.1
		return Tokens{}, InvalidGrant
	}
	sum := sha256.Sum256([]byte(verifier))
	g, err := s.store.RedeemCode(ctx, registry.AsSystem("token"), registry.CodeMatch{
		Hash: Secret(form.Get("code")).Hash(), ClientID: clientID, RedirectURI: form.Get("redirect_uri"),
		Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
	})
	if registry.ErrorCode(err) != "" {
		return Tokens{}, InvalidGrant
	}
	if err != nil {
		return Tokens{}, err
	}
	access, err := s.SessionToken(g)
	if err != nil {
		return Tokens{}, err
	}
	id, err := s.idToken(clientID, g, access)
	if err != nil {
		return Tokens{}, err
	}
	s.touch(g.Session.ID)
	return Tokens{AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(SessionTokenLife / time.Second), IDToken: id}, nil
}

// Renew makes a new org session for the live sign-in session behind an old
// one. Errors: NotFound (the session ended), Forbidden (no member any more);
// anything else means that the control plane is away.
func (s *Service) Renew(ctx context.Context, old SessionClaims) (string, error) {
	g, err := s.grantAgain(ctx, old)
	if err != nil {
		return "", err
	}
	if g.Role != registry.RoleRunner {
		s.touch(g.Session.ID)
	}
	return s.SessionToken(g)
}

// APITokenFor makes an API token for a signed-in user's session.
func (s *Service) APITokenFor(ctx context.Context, a registry.Actor, v registry.Session) (string, error) {
	orgs, err := s.store.MyOrgs(ctx, a)
	if err != nil {
		return "", err
	}
	return s.APIToken(v, orgs)
}

// AuthenticateAPI returns the live user and session behind an API token. Errors: ErrToken, NotFound.
func (s *Service) AuthenticateAPI(ctx context.Context, token string) (registry.SessionID, registry.User, error) {
	c, err := s.VerifyAPI(token)
	if err != nil {
		return "", registry.User{}, err
	}
	u, err := s.store.SessionUser(ctx, registry.AsSystem("api"), c.SessionID)
	if err != nil {
		return "", u, err
	}
	return c.SessionID, u, nil
}

// Discovery is the provider's metadata (OpenID Connect Discovery 1.0; RFC 8414).
func (s *Service) Discovery() map[string]any {
	iss := s.site().Issuer
	return map[string]any{
		"issuer": iss, "authorization_endpoint": iss + "/authorize", "token_endpoint": iss + "/token",
		"jwks_uri": iss + "/.well-known/jwks.json", "response_types_supported": []string{"code"},
		"response_modes_supported": []string{"query"}, "grant_types_supported": []string{"authorization_code", "client_credentials"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"scopes_supported": []string{"openid"}, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"code_challenge_methods_supported":               []string{"S256"},
		"claims_supported":                               []string{"iss", "aud", "sub", "nonce", "at_hash", "auth_time", "iat", "exp"},
		"authorization_response_iss_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false,
	}
}
