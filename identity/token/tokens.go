package token

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/registry"
)

// ErrToken says that a token or a key is not acceptable, and not why.
var ErrToken = jose.ErrToken

// The kinds of tokens (RFC 8725, section 3.11).
const (
	TypSession   = "pizzeria-session+jwt"
	TypAssertion = "pizzeria-assertion+jwt"
	TypAPI       = "at+jwt" // RFC 9068
	TypID        = "JWT"
)

// Lifetimes of tokens.
const (
	SessionTokenLife = 10 * time.Minute
	AssertionLife    = 2 * time.Minute
	AssertionReuse   = time.Minute // the gateway hands the same assertion out for so long
	APITokenLife     = 5 * time.Minute
	IDTokenLife      = 5 * time.Minute
	ClockSkew        = 30 * time.Second
)

// SessionAudience is the audience of an org's session tokens.
func SessionAudience(id registry.OrgID) string { return "urn:pizzeria:org:" + string(id) + ":session" }

// AssertionAudience is the audience of the assertions for an org's instance.
func AssertionAudience(id registry.OrgID) string { return "urn:pizzeria:org:" + string(id) }

// times are the claims that every token has (RFC 7519, section 4.1), in Unix seconds. nbf is in
// none of ours, and counts if it is there.
type times struct {
	IssuedAt  int64 `json:"iat"`
	Expires   int64 `json:"exp"`
	NotBefore int64 `json:"nbf,omitempty"`
}

// valid reports whether now lies between iat and nbf, less skew, and exp, plus grace.
func (t times) valid(now time.Time, grace time.Duration) bool {
	return t.Expires > now.Add(-grace).Unix() && t.begun(now)
}

// begun reports whether a token was issued, may be used by now, and ends after its beginning.
func (t times) begun(now time.Time) bool {
	latest := now.Add(ClockSkew).Unix()
	return t.IssuedAt > 0 && t.IssuedAt <= latest && t.NotBefore <= latest && t.IssuedAt < t.Expires
}

// SessionClaims are the claims of an org session. Email and name are there so
// that assertions can be made while the control plane is away.
type SessionClaims struct {
	Issuer    string             `json:"iss"`
	Audience  string             `json:"aud"`
	SessionID registry.SessionID `json:"sid"`
	Subject   registry.UserID    `json:"sub"`
	OrgID     registry.OrgID     `json:"org_id"`
	OrgGen    int64              `json:"org_gen"`
	Role      registry.Role      `json:"role"`
	Email     string             `json:"email"`
	Name      string             `json:"name"`
	AuthTime  int64              `json:"auth_time"`
	Until     int64              `json:"until,omitempty"`     // of support access: it is good no longer, whoever is away
	Ends      int64              `json:"ends,omitempty"`      // the sign-in counts no longer for the org, whoever is away; 0 of a runner
	Began     int64              `json:"began,omitempty"`     // the sign-in session
	Idle      int64              `json:"idle,omitempty"`      // seconds without use after which it is over; 0 of one that may rest
	ClientID  registry.ClientID  `json:"client_id,omitempty"` // of a token that a program got by exchange: for the Authorization header, until it ends
	// What the token was issued under: how often the membership changed, and what the org asks of a
	// sign-in. The gateway compares them with what the change feed says; clocks may be set back.
	Version    int64 `json:"ver"`
	OrgVersion int64 `json:"org_ver"`
	times
}

// AssertionClaims are the claims of an assertion.
type AssertionClaims struct {
	Issuer   string          `json:"iss"`
	Audience string          `json:"aud"`
	Subject  registry.UserID `json:"sub"`
	OrgID    registry.OrgID  `json:"org_id"`
	OrgSlug  string          `json:"org_slug"`
	OrgGen   int64           `json:"org_gen"`
	Role     registry.Role   `json:"role"`
	Email    string          `json:"email"`
	Name     string          `json:"name"`
	Version  int64           `json:"ver"` // how often the membership changed: the higher of two is newer
	times
}

// APIClaims are the claims of an API token: for the control plane alone, and
// the only token that names all of a user's orgs.
type APIClaims struct {
	Issuer    string                           `json:"iss"`
	Audience  string                           `json:"aud"`
	SessionID registry.SessionID               `json:"sid"`
	Subject   registry.UserID                  `json:"sub"`
	Orgs      map[registry.OrgID]registry.Role `json:"orgs"`
	ClientID  registry.ClientID                `json:"client_id,omitempty"`
	AuthTime  int64                            `json:"auth_time"`
	times
}

// AccessClaims are the claims of a registered app's access token (RFC 9068). It is good at the user info endpoint alone.
type AccessClaims struct {
	Issuer   string            `json:"iss"`
	Audience string            `json:"aud"`
	Subject  registry.UserID   `json:"sub"`
	ClientID registry.ClientID `json:"client_id"`
	Scope    string            `json:"scope"`
	ID       string            `json:"jti"`
	Grant    registry.GrantID  `json:"gid"`
	times
}

// IDClaims are the claims of an ID token (OpenID Connect Core, section 2).
type IDClaims struct {
	Issuer    string             `json:"iss"`
	Audience  string             `json:"aud"`
	Subject   registry.UserID    `json:"sub"`
	SessionID registry.SessionID `json:"sid,omitempty"`
	Nonce     string             `json:"nonce,omitempty"`
	AtHash    string             `json:"at_hash"`
	AuthTime  int64              `json:"auth_time"`
	Methods   []string           `json:"amr,omitempty"` // RFC 8176; none of a sign-in with a provider elsewhere
	times
}

// Issuer signs and verifies every kind of token.
type Issuer struct {
	*Node
	Token    *Ring
	TokenRSA *Ring // see RingTokenRSA
}

// NewIssuer makes an Issuer whose rings are empty; Refresh or UseKeys fills them. site is asked at
// each use, since a config reload may change it. The keys are sealed under key.
func NewIssuer(
	store registry.KeyStore, key registry.SecretKey, site func() Site, now func() time.Time,
) *Issuer {
	alg := func() string { return site().alg() }
	i := &Issuer{
		Node: &Node{
			site: site, now: now,
			Session:    NewRing(RingSession, store, key, now, alg),
			Assertions: NewRing(RingAssertion, store, key, now, alg),
		},
		Token:    NewRing(RingToken, store, key, now, alg),
		TokenRSA: NewRing(RingTokenRSA, store, key, now, func() string { return registry.AlgRS256 }),
	}
	i.TokenRSA.lazy = true
	return i
}

// Rings returns every ring.
func (i *Issuer) Rings() []*Ring { return []*Ring{i.Token, i.TokenRSA, i.Session, i.Assertions} }

// Refresh reads the key rings, publishing new keys when they are due.
func (i *Issuer) Refresh(ctx context.Context) error { return refresh(ctx, i.Rings()) }

// UseKeys puts sealed keys to use while the store is away. registry.ErrSealed: they do not open.
func (i *Issuer) UseKeys(sealed []registry.Key) error { return useKeys(i.Rings(), sealed) }

// SealedKeys returns the keys in use, of every ring.
func (i *Issuer) SealedKeys() []registry.Key { return sealedKeys(i.Rings()) }

// Successors returns a new key for each ring that a name stands for, which signs from a time: one of
// RingToken, RingSession and RingAssertion, or "" for all. Error: registry.CodeInvalid (no ring).
func (i *Issuer) Successors(
	ctx context.Context, name string, from time.Time,
) (keys []registry.Key, err error) {
	for _, r := range i.Rings() {
		if !r.belongs(name) {
			continue
		}
		if r.lazy {
			if err := r.Refresh(ctx); err != nil {
				return nil, err
			}
			if r.empty() {
				continue
			}
		}
		k, err := r.newKey(from)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, registry.Errorf(
			registry.CodeInvalid, "ring", "%q is no ring: use token, session or assertion", name,
		)
	}
	return keys, nil
}

// RingOfID is the ring that signs the ID tokens of a client that was registered with an algorithm.
func (i *Issuer) RingOfID(alg string) *Ring {
	if alg == registry.AlgRS256 {
		return i.TokenRSA
	}
	return i.Token
}

// TokenJWKS returns the public keys of ID and API tokens as a JWK set (RFC 7517).
func (i *Issuer) TokenJWKS() []byte {
	if i.TokenRSA.empty() {
		return i.Token.JWKS()
	}
	var all []json.RawMessage
	for _, r := range []*Ring{i.Token, i.TokenRSA} {
		all = append(all, r.published()...)
	}
	b, err := jose.MarshalSet(all...)
	if err != nil {
		return i.Token.JWKS()
	}
	return b
}

// SessionToken makes an org session from a grant. It never outlives the sign-in session, and is
// renewed often enough to know when that is idle.
func (i *Issuer) SessionToken(g registry.Grant) (string, error) {
	t, ends, began, idle := i.times(SessionTokenLife), int64(0), int64(0), int64(0)
	t.Expires = min(t.Expires, g.Session.ExpiresAt.Unix())
	if g.Role != registry.RoleRunner {
		ends, began = g.Session.ExpiresAt.Unix(), g.Session.CreatedAt.Unix()
		idle = int64(g.Idle())
	}
	if idle > 0 {
		t.Expires = min(t.Expires, t.IssuedAt+idle)
	}
	until := int64(0)
	if !g.Until.IsZero() {
		until = g.Until.Unix()
		t.Expires = min(t.Expires, until)
	}
	return i.Session.Sign(TypSession, SessionClaims{
		Issuer: i.site().Issuer, Audience: SessionAudience(g.Org.ID), SessionID: g.Session.ID, Subject: g.User.ID,
		OrgID: g.Org.ID, OrgGen: g.Org.Generation, Role: g.Role, Email: g.User.Email, Name: g.User.Name,
		AuthTime: g.Session.AuthTime.Unix(), Until: until, Ends: ends, Began: began, Idle: idle, ClientID: g.ClientID,
		Version: g.Version, OrgVersion: g.Org.SignInVersion, times: t,
	})
}

// APIToken makes a token for the control plane's own API; client is "" for a person's own.
func (i *Issuer) APIToken(s registry.Session, orgs []registry.OrgView, client registry.ClientID) (string, error) {
	m := make(map[registry.OrgID]registry.Role, len(orgs))
	for _, o := range orgs {
		m[o.ID] = o.Role
	}
	t := i.times(APITokenLife)
	t.Expires = min(t.Expires, s.ExpiresAt.Unix())
	return i.Token.Sign(TypAPI, APIClaims{Issuer: i.site().Issuer, Audience: i.site().Issuer, SessionID: s.ID, Subject: s.UserID, Orgs: m, ClientID: client, AuthTime: s.AuthTime.Unix(), times: t})
}

// AccessToken makes a registered app's access token.
func (i *Issuer) AccessToken(g registry.Grant) (string, error) {
	t := i.times(APITokenLife)
	t.Expires = min(t.Expires, g.Session.ExpiresAt.Unix())
	return i.Token.Sign(TypAPI, AccessClaims{
		Issuer: i.site().Issuer, Audience: i.userInfoAudience(), Subject: g.User.ID, ClientID: g.ClientID, Scope: g.Scope,
		ID: registry.NewID(), Grant: g.ID, times: t,
	})
}

func (i *Issuer) userInfoAudience() string { return i.site().Issuer + "/userinfo" }

// VerifyAccess checks a registered app's access token. The grant behind it is for the caller to check.
func (i *Issuer) VerifyAccess(token string) (AccessClaims, error) {
	var c AccessClaims
	if err := i.Token.Verify(token, TypAPI, &c); err != nil {
		return c, err
	}
	if c.Issuer != i.site().Issuer || c.Audience != i.userInfoAudience() || !c.valid(i.now(), 0) || c.Grant == "" || c.ClientID == "" || c.Subject == "" {
		return c, ErrToken
	}
	return c, nil
}

// VerifyAPI checks an API token. The session behind it is for the caller to check.
func (i *Issuer) VerifyAPI(token string) (APIClaims, error) {
	var c APIClaims
	if err := i.Token.Verify(token, TypAPI, &c); err != nil {
		return c, err
	}
	if iss := i.site().Issuer; c.Issuer != iss || c.Audience != iss || !c.valid(i.now(), 0) || c.SessionID == "" || c.Subject == "" {
		return c, ErrToken
	}
	return c, nil
}

// IDToken makes an ID token for a client that gets accessToken beside it. alg is what the client was
// registered with, "" for the installation's.
func (i *Issuer) IDToken(clientID, alg string, g registry.Grant, accessToken string) (string, error) {
	k, err := i.RingOfID(alg).signer()
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(IDClaims{
		Issuer: i.site().Issuer, Audience: clientID, Subject: g.User.ID, SessionID: g.Session.ID, Nonce: g.Nonce,
		AtHash: atHash(k.private.Alg, accessToken), AuthTime: g.Session.AuthTime.Unix(), Methods: strings.Fields(g.Session.Methods), times: i.times(IDTokenLife),
	})
	if err != nil {
		return "", err
	}
	return k.private.Sign(TypID, payload)
}

// atHash is the left half of the hash that an algorithm uses (OpenID Connect Core, section 3.1.3.6): of Ed25519, SHA-512.
func atHash(alg, accessToken string) string {
	if alg == jose.EdDSA {
		sum := sha512.Sum512([]byte(accessToken))
		return base64.RawURLEncoding.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// VerifyHint checks an ID token that a client sends back to say whom it means. An old one is as good as a new one.
func (i *Issuer) VerifyHint(token string) (IDClaims, error) {
	var c IDClaims
	err := i.Token.Verify(token, TypID, &c)
	if err != nil {
		c = IDClaims{}
		err = i.TokenRSA.Verify(token, TypID, &c)
	}
	if err != nil {
		return c, err
	}
	if c.Issuer != i.site().Issuer || c.Audience == "" || c.Subject == "" || !c.begun(i.now()) {
		return c, ErrToken
	}
	return c, nil
}

// IsSessionToken reports whether a bearer token claims to be an org session: others are the app's own business.
func IsSessionToken(token string) bool { return jose.Type(token) == TypSession }
