package identity

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// CodeLife is how long an authorization code can be redeemed.
const CodeLife = time.Minute

// client is whom an authorization request is for: an org's gateway, or a registered app.
type client struct {
	id   string
	slug string
	org  registry.OrgID   // "" when there is none at the slug, or the app is of no org
	app  *registry.Client // nil: a gateway
}

// mayGoTo reports whether an authorization response may be sent to an address: byte for byte (RFC 9700, section 2.1).
func (c client) mayGoTo(uri string, site token.Site) bool {
	if c.app != nil {
		return slices.Contains(c.app.RedirectURIs, uri)
	}
	return uri == site.CallbackURL(c.slug)
}

// clientName is a client's ID taken apart: one field is set, or none of an unknown client.
type clientName struct {
	app  registry.ClientID
	org  registry.OrgID // whose gateway it is
	slug string         // of a gateway that does not know whether there is an org
}

func parseClientID(id string) clientName {
	if registry.ValidID(id) {
		return clientName{app: registry.ClientID(id)}
	}
	name, ok := strings.CutSuffix(id, token.GatewaySuffix)
	if !ok {
		return clientName{}
	}
	if org, ok := strings.CutPrefix(name, token.OrgClientPrefix); ok && registry.ValidID(org) {
		return clientName{org: registry.OrgID(org)}
	}
	if slug, ok := strings.CutPrefix(name, token.HostClientPrefix); ok && registry.ValidSlug(slug) {
		return clientName{slug: slug}
	}
	return clientName{}
}

// clientOf finds a client by its ID. Error: CodeNotFound; anything else means that the store is
// away.
func (s *Service) clientOf(ctx context.Context, id string) (client, error) {
	switch n := parseClientID(id); {
	case n.app != "":
		app, err := s.store.Client(ctx, registry.AsSystem("authorize"), n.app)
		return client{id: id, org: app.OrgID, app: &app}, err
	case n.org != "":
		v, err := s.store.Org(ctx, registry.AsSystem("authorize"), n.org)
		return client{id: id, slug: v.Slug, org: v.ID}, err
	case n.slug != "":
		r, err := s.store.Route(ctx, registry.AsSystem("authorize"), n.slug)
		if registry.ErrorCode(err) == registry.CodeNotFound {
			return client{id: id, slug: n.slug}, nil
		}
		if err != nil {
			return client{}, err
		}
		return client{id: id, slug: n.slug, org: r.OrgID}, nil
	}
	return client{}, registry.Errorf(registry.CodeNotFound, "client_id", "the client is unknown")
}

// CreateClient registers an app and returns its secret, this once; "" of a public one. See registry's Store.CreateClient.
func (s *Service) CreateClient(ctx context.Context, a registry.Actor, n registry.NewClient) (registry.Client, token.Secret, error) {
	secret := token.NewAPIKey(token.PrefixClient)
	c, err := s.store.CreateClient(ctx, a, n, secret.Hash())
	if n.Public {
		secret = ""
	}
	if err == nil { // published before anybody signs in; if not now, then with the first sign-in
		if err := s.RingOfID(c.IDTokenAlg).Ensure(ctx); err != nil {
			s.log.Warn("maintenance", "error", err)
		}
	}
	return c, secret, err
}

// RotateClientSecret gives an app another secret; the old one ends at once. See registry's Store.SetClientSecret.
func (s *Service) RotateClientSecret(ctx context.Context, a registry.Actor, id registry.ClientID) (registry.Client, token.Secret, error) {
	secret := token.NewAPIKey(token.PrefixClient)
	c, err := s.store.SetClientSecret(ctx, a, id, secret.Hash())
	return c, secret, err
}

// Credentials are what a client shows of itself: in the Authorization header, or in the form.
type Credentials struct {
	ID, Secret string
	Basic      bool // in the header
}

// authenticateApp finds out which app asks. Errors: InvalidClient, or that the store is away.
func (s *Service) authenticateApp(ctx context.Context, c Credentials) (registry.Client, error) {
	if c.ID == string(registry.CLIClient) && c.Secret == "" {
		return registry.Client{ID: registry.CLIClient, Public: true}, nil
	}
	if !registry.ValidID(c.ID) {
		return registry.Client{}, InvalidClient
	}
	app, err := s.store.Client(ctx, registry.AsSystem("token"), registry.ClientID(c.ID))
	switch {
	case registry.ErrorCode(err) == registry.CodeNotFound:
		return app, InvalidClient
	case err != nil:
		return app, err
	case app.Public:
		if c.Secret != "" {
			return app, InvalidClient
		}
		return app, nil
	}
	if hash := token.Secret(c.Secret).Hash(); !token.WholeKey(c.Secret, token.PrefixClient) || subtle.ConstantTimeCompare(hash[:], app.Secret[:]) != 1 {
		return app, InvalidClient
	}
	return app, nil
}

// Discovery is the provider's metadata (OpenID Connect Discovery 1.0; RFC 8414).
func (s *Service) Discovery() map[string]any {
	iss := s.site().Issuer
	methods := []string{"client_secret_basic", "client_secret_post", "none"}
	return map[string]any{
		"issuer": iss, "authorization_endpoint": iss + "/authorize", "token_endpoint": iss + "/token",
		"userinfo_endpoint": iss + "/userinfo", "revocation_endpoint": iss + "/revoke", "introspection_endpoint": iss + "/introspect",
		"end_session_endpoint": iss + "/end-session", "device_authorization_endpoint": iss + "/device_authorization",
		"jwks_uri": iss + "/.well-known/jwks.json", "response_types_supported": []string{"code"},
		"response_modes_supported": []string{"query"},
		"grant_types_supported":    []string{grantCode, grantRefresh, grantRunner, grantDevice, grantExchange},
		"subject_types_supported":  []string{"public"}, "id_token_signing_alg_values_supported": append(s.Token.Algorithms(), registry.AlgRS256),
		"scopes_supported":                              []string{registry.OpenIDScope, registry.ProfileScope, registry.EmailScope, registry.OfflineScope},
		"token_endpoint_auth_methods_supported":         methods,
		"revocation_endpoint_auth_methods_supported":    methods,
		"introspection_endpoint_auth_methods_supported": methods[:2],
		"code_challenge_methods_supported":              []string{"S256"},
		"prompt_values_supported":                       []string{"none", "login"},
		"claims_supported": []string{
			"iss", "aud", "sub", "sid", "nonce", "at_hash", "auth_time", "amr", "iat", "exp", "name", "email", "email_verified", "org_id", "org_slug", "role",
		},
		"authorization_response_iss_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false,
	}
}
