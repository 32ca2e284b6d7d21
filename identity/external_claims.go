package identity

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

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
