package edge

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
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
		ClientID: st.client(), ClientSecret: g.Origin.ClientSecret(st.client()).Reveal(), Endpoint: e,
		RedirectURL: g.Tokens.Site().CallbackURL(st.Route.Slug), Scopes: []string{oidc.ScopeOpenID},
	}
}

// serveReserved answers what is under the reserved prefix.
func (g *Gateway) serveReserved(w http.ResponseWriter, r *http.Request, st *State, path string) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case path == "/callback" && r.Method == http.MethodGet:
		g.callback(w, r, st)
	case path == "/session" && r.Method == http.MethodGet:
		g.session(w, r, st)
	case path == "/sign-in" && r.Method == http.MethodGet:
		g.signInPage(w, r, st)
	case path == signOutPath && r.Method == http.MethodPost:
		g.signOut(w, r, st)
	case path == "/callback", path == "/session", path == "/sign-in", path == signOutPath:
		g.fail(w, r, st, Problem{Code: wire.MethodNotAllowed, Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Detail: "This address takes another method."})
	default:
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeNotFound), Status: http.StatusNotFound, Title: "Not found", Detail: "There is nothing at this address."})
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

// session says who is signed in, to the org's own pages.
func (g *Gateway) session(w http.ResponseWriter, r *http.Request, st *State) {
	if err := g.identify(w, r, st); err != nil || r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Sec-Fetch-Site") != "same-origin" && !navigation(r) {
		g.fail(w, r, st, Problem{Code: wire.Code(registry.CodeUnauthenticated), Status: http.StatusUnauthorized, Title: "Sign in first", Detail: "There is no session here.", Challenge: true})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	c := st.Claims
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": c.Subject, "email": c.Email, "name": c.Name, "role": c.Role, "org_id": c.OrgID, "org_slug": st.Route.Slug, "console": g.Tokens.Site().Issuer})
}
