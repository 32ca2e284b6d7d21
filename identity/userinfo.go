package identity

import (
	"context"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// UserInfo is what an app learns of a person (OpenID Connect Core, section 5.3). The part about an org is of an app of one.
type UserInfo struct {
	Subject       registry.UserID `json:"sub"`
	Name          string          `json:"name,omitempty"`
	Email         string          `json:"email,omitempty"`
	EmailVerified *bool           `json:"email_verified,omitempty"`
	OrgID         registry.OrgID  `json:"org_id,omitempty"`
	OrgSlug       string          `json:"org_slug,omitempty"`
	Role          registry.Role   `json:"role,omitempty"`
}

// UserInfo answers the user info endpoint. Errors: ErrToken; anything else means that the store is away.
func (s *Service) UserInfo(ctx context.Context, accessToken string) (UserInfo, error) {
	g, err := s.grantOfAccess(ctx, accessToken)
	if err != nil {
		return UserInfo{}, err
	}
	u := UserInfo{Subject: g.User.ID, OrgID: g.Org.ID, OrgSlug: g.Org.Slug, Role: g.Role}
	if registry.HasWord(g.Scope, registry.ProfileScope) {
		u.Name = g.User.Name
	}
	if registry.HasWord(g.Scope, registry.EmailScope) {
		u.Email, u.EmailVerified = g.User.Email, &g.User.EmailVerified
	}
	return u, nil
}

// grantOfAccess returns the grant behind an access token, read now. Errors: ErrToken; anything else means that the store is away.
func (s *Service) grantOfAccess(ctx context.Context, accessToken string) (registry.Grant, error) {
	c, err := s.VerifyAccess(accessToken)
	if err != nil {
		return registry.Grant{}, err
	}
	g, err := s.store.GrantByID(ctx, registry.AsSystem("userinfo"), c.Grant)
	if registry.ErrorCode(err) != "" || err == nil && (g.ClientID != c.ClientID || g.User.ID != c.Subject) {
		return g, token.ErrToken
	}
	return g, err
}

// Introspection says what a token is (RFC 7662, section 2.2). Of one that is not active it says nothing else.
type Introspection struct {
	Active    bool              `json:"active"`
	Scope     string            `json:"scope,omitempty"`
	ClientID  registry.ClientID `json:"client_id,omitempty"`
	Username  string            `json:"username,omitempty"`
	TokenType string            `json:"token_type,omitempty"`
	Expires   int64             `json:"exp,omitempty"`
	IssuedAt  int64             `json:"iat,omitempty"`
	Subject   registry.UserID   `json:"sub,omitempty"`
	Audience  string            `json:"aud,omitempty"`
	Issuer    string            `json:"iss,omitempty"`
	ID        string            `json:"jti,omitempty"`
}

// Introspect tells a confidential app about a token of its own. Errors: InvalidClient, or that the store is away.
func (s *Service) Introspect(ctx context.Context, c Credentials, token string) (Introspection, error) {
	app, err := s.authenticateApp(ctx, c)
	if err != nil {
		return Introspection{}, err
	}
	if app.Public {
		return Introspection{}, InvalidClient // anybody could ask in its name
	}
	g, claims, err := s.grantOf(ctx, token)
	if err != nil || g.ClientID != app.ID {
		return Introspection{}, err
	}
	out := Introspection{Active: true, Scope: g.Scope, ClientID: g.ClientID, Username: g.User.Email, Subject: g.User.ID, Issuer: s.site().Issuer, Expires: g.Session.ExpiresAt.Unix()}
	if !registry.HasWord(g.Scope, registry.EmailScope) {
		out.Username = ""
	}
	if claims != nil {
		out.TokenType, out.Expires, out.IssuedAt, out.Audience, out.ID = "Bearer", claims.Expires, claims.IssuedAt, claims.Audience, claims.ID
	}
	return out, nil
}

// grantOf returns the grant of a live access or refresh token, zero when it is neither; claims are of an access token.
func (s *Service) grantOf(ctx context.Context, tok string) (registry.Grant, *token.AccessClaims, error) {
	if c, err := s.VerifyAccess(tok); err == nil {
		g, err := s.grantOfAccess(ctx, tok)
		if err == token.ErrToken { //nolint:errorlint // as it comes
			return registry.Grant{}, nil, nil
		}
		return g, &c, err
	}
	g, err := s.store.GrantByRefresh(ctx, registry.AsSystem("token"), token.Secret(tok).Hash())
	if registry.ErrorCode(err) != "" {
		return registry.Grant{}, nil, nil
	}
	return g, nil, err
}

// Revoke ends what an app was given at a sign-in, by any token of it (RFC 7009). A
// token that is none of the app's is as good as ended. Errors: InvalidClient, or that the store is away.
func (s *Service) Revoke(ctx context.Context, c Credentials, token string) error {
	app, err := s.authenticateApp(ctx, c)
	if err != nil {
		return err
	}
	g, _, err := s.grantOf(ctx, token)
	if err != nil || g.ID == "" || g.ClientID != app.ID {
		return err
	}
	return s.store.EndGrant(ctx, registry.AsSystem("token"), g.ID)
}
