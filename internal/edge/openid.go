package edge

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
)

// relyingParty is what go-oidc knows of the issuer.
type relyingParty struct {
	issuer   string
	provider *oidc.Provider
}

// party discovers the issuer, through the control plane in this process.
func (g *Gateway) party(ctx context.Context) (*relyingParty, error) {
	issuer := g.Tokens.Site().Issuer
	if p := g.provider.Load(); p != nil && p.issuer == issuer {
		return p, nil
	}
	// The provider keeps its context for fetching keys, so it must not be the request's.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), g.client()), issuer)
	if err != nil {
		return nil, err
	}
	p := &relyingParty{issuer: issuer, provider: provider}
	g.provider.Store(p)
	return p, nil
}

// client is the OpenID client that a request signs in for.
func (st *State) client() string {
	if st.conceal {
		return token.HostClientID(st.Route.Slug)
	}
	return token.ClientID(st.Route.OrgID)
}

func (g *Gateway) oauth(p *relyingParty, st *State) *oauth2.Config {
	e := p.provider.Endpoint()
	e.AuthStyle = oauth2.AuthStyleInHeader
	return &oauth2.Config{
		ClientID: st.client(), ClientSecret: g.Origin.Credential().Reveal(), Endpoint: e,
		RedirectURL: g.Tokens.Site().CallbackURL(st.Route.Slug), Scopes: []string{oidc.ScopeOpenID},
	}
}

// redeem exchanges a code and checks everything about the answer: typ before
// go-oidc, which checks none, then signature, nonce, at_hash, and that both tokens are the same person's.
func (g *Gateway) redeem(ctx context.Context, st *State, own proof, code string) (string, error) {
	p, err := g.party(ctx)
	if err != nil {
		return "", err
	}
	tok, err := g.oauth(p, st).Exchange(oidc.ClientContext(ctx, g.client()), code, oauth2.VerifierOption(own.Verifier))
	if err != nil {
		return "", err
	}
	raw, _ := tok.Extra("id_token").(string)
	if jose.Type(raw) != token.TypID {
		return "", errors.New("not an ID token")
	}
	id, err := p.provider.Verifier(&oidc.Config{ClientID: st.client(), SupportedSigningAlgs: token.Algorithms(), Now: g.Now}).Verify(oidc.ClientContext(ctx, g.client()), raw)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(own.Nonce)) != 1 {
		return "", errors.New("another attempt's nonce")
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		return "", err
	}
	s, err := g.verified(tok.AccessToken, st.Route.OrgID)
	if err != nil {
		return "", err
	}
	if string(s.claims.Subject) != id.Subject {
		return "", errors.New("another person's session")
	}
	return tok.AccessToken, nil
}
