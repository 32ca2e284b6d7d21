package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// ConnectionIn is what a connection is made of.
type ConnectionIn struct {
	Name        string          `json:"name" example:"Okta" doc:"display name, shown on the sign-in page"`
	Issuer      string          `json:"issuer" example:"https://login.example.com" doc:"issuer URL, used for discovery; cannot be changed"`
	ClientID    string          `json:"client_id" example:"pizzeria" doc:"client_id of this installation at the provider; cannot be changed"`
	Secret      *string         `json:"client_secret,omitempty" doc:"client secret of this installation at the provider, stored encrypted. Absent: unchanged; empty: a public client"`
	Scopes      []string        `json:"scopes,omitempty" doc:"scopes to ask for besides openid; default: profile and email"`
	SignUp      bool            `json:"sign_up,omitempty" doc:"for the operator's provider: create accounts for people who have none. An org's provider always does"`
	Required    bool            `json:"required,omitempty" doc:"for an org's provider: the org's people, owners aside, must sign in with its identity providers"`
	TrustEmail  bool            `json:"trust_email,omitempty" doc:"for an org's provider: trust email addresses without email_verified, as Entra ID sends them"`
	RolesClaim  string          `json:"roles_claim,omitempty" example:"groups" doc:"for an org's provider: claim that roles are mapped from, or the path to it, such as realm_access.roles. If the provider does not send it, people keep their roles"`
	Roles       []RoleMappingIn `json:"roles,omitempty" doc:"roles by values of the claim, applied at each sign-in; the highest one counts"`
	DefaultRole *registry.Role  `json:"default_role,omitempty" doc:"for an org's provider: role of people whom no mapping fits, member or admin; empty refuses them. Default: member"`
}

// RoleMappingIn is registry.RoleMapping in a request, which takes no unknown members.
type RoleMappingIn struct {
	registry.RoleMapping
}

func (in ConnectionIn) spec(org registry.OrgID) registry.ConnectionSpec {
	s := registry.ConnectionSpec{
		Name: in.Name, Issuer: in.Issuer, ClientID: in.ClientID, Scopes: in.Scopes, SignUp: in.SignUp, Required: in.Required, TrustEmail: in.TrustEmail,
		RolesClaim: in.RolesClaim,
	}
	for _, m := range in.Roles {
		s.Roles = append(s.Roles, m.RoleMapping)
	}
	switch {
	case in.DefaultRole != nil:
		s.DefaultRole = *in.DefaultRole
	case org != "":
		s.DefaultRole = registry.RoleMember
	}
	return s
}

type connectionOut struct {
	ETag string `header:"ETag" doc:"the connection's version, for If-Match"`
	Body ConnectionView
}

type createConnectionOut struct {
	Located
	ETag string `header:"ETag" doc:"the connection's version, for If-Match"`
	Body ConnectionView
}

// ConnectionView is a connection with the address that its provider must know.
type ConnectionView struct {
	registry.Connection
	Callback string `json:"redirect_uri" doc:"redirect URI of this installation: register it at the provider"`
	ETag     string `json:"etag" doc:"the connection's version, for If-Match"`
}

// connections declares the same routes for an org and for the operator.
func (a *API) connections() {
	view := func(c registry.Connection) ConnectionView {
		return ConnectionView{c, a.Identity.ConnectionCallback(c.ID), strconv.Quote(c.Version())}
	}
	one := func(k registry.Connection) *connectionOut {
		v := view(k)
		return &connectionOut{v.ETag, v}
	}
	create := func(ctx context.Context, c web.Caller, org registry.OrgID, in ConnectionIn) (*createConnectionOut, error) {
		secret := ""
		if in.Secret != nil {
			secret = *in.Secret
		}
		k, err := a.Identity.CreateConnection(ctx, c.Actor, org, in.spec(org), secret)
		v := view(k)
		return &createConnectionOut{inside(ctx, org, "connections", string(k.ID)), v.ETag, v}, err
	}
	show := func(ctx context.Context, c web.Caller, org registry.OrgID, id string) (*connectionOut, error) {
		l, err := a.Store.Connections(ctx, c.Actor, org)
		k, err := pick("connection", l, err, func(k registry.Connection) bool { return string(k.ID) == id })
		return one(k), err
	}
	list := func(ctx context.Context, c web.Caller, org registry.OrgID) (*listOut[ConnectionView], error) {
		l, err := a.Store.Connections(ctx, c.Actor, org)
		out := &listOut[ConnectionView]{registry.Page[ConnectionView]{Items: make([]ConnectionView, 0, len(l))}}
		for _, k := range l {
			out.Body.Items = append(out.Body.Items, view(k))
		}
		return out, err
	}
	update := func(ctx context.Context, c web.Caller, org registry.OrgID, id string, match Precondition, in ConnectionIn) (*connectionOut, error) {
		seen, err := match.version()
		if err != nil {
			return nil, err
		}
		k, err := a.Identity.UpdateConnection(ctx, c.Actor, org, registry.ConnectionID(id), seen, in.spec(org), in.Secret)
		return one(k), err
	}

	type orgCreateIn struct {
		OrgPath
		Body ConnectionIn
	}
	type orgOneIn struct {
		OrgPath
		Connection string `path:"connection" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the identity provider"`
	}
	type orgUpdateIn struct {
		OrgPath
		Precondition
		Connection string `path:"connection" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the identity provider"`
		Body       ConnectionIn
	}
	inOrg(a, operation{ID: "listOrgConnections", Method: "GET", Path: "/orgs/{org}/connections", Summary: "List the OpenID providers by which an org's people sign in", Action: registry.ActionSignInRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, _ *OrgPath) (*listOut[ConnectionView], error) {
			return list(ctx, c, org)
		})
	inOrg(a, operation{ID: "createOrgConnection", Method: "POST", Path: "/orgs/{org}/connections", Summary: "Connect an OpenID provider of an org", Description: "It lets in people with an address at one of the org's verified domains, and makes them members.", Action: registry.ActionSignInManage, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgCreateIn) (*createConnectionOut, error) {
			return create(ctx, c, org, in.Body)
		})
	inOrg(a, operation{ID: "showOrgConnection", Method: "GET", Path: "/orgs/{org}/connections/{connection}", Summary: "Show a connection of an org", Action: registry.ActionSignInRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgOneIn) (*connectionOut, error) {
			return show(ctx, c, org, in.Connection)
		})
	inOrg(a, operation{ID: "replaceOrgConnection", Method: "PUT", Path: "/orgs/{org}/connections/{connection}", Summary: "Change a connection of an org", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgUpdateIn) (*connectionOut, error) {
			return update(ctx, c, org, in.Connection, in.Precondition, in.Body)
		})
	inOrg(a, operation{ID: "deleteOrgConnection", Method: "DELETE", Path: "/orgs/{org}/connections/{connection}", Summary: "Delete a connection of an org; who signed in by it is signed out", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *orgOneIn) (*none, error) {
			return &none{}, a.Store.DeleteConnection(ctx, c.Actor, org, registry.ConnectionID(in.Connection))
		})

	type oneIn struct {
		Connection string `path:"connection" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the identity provider"`
	}
	type createIn struct{ Body ConnectionIn }
	type updateIn struct {
		Precondition
		Connection string `path:"connection" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the identity provider"`
		Body       ConnectionIn
	}
	declared(a, operation{ID: "listConnections", Method: "GET", Path: "/connections", Summary: "List the OpenID providers by which everybody may sign in", Action: registry.ActionSignInRead, Platform: true},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[ConnectionView], error) {
			return list(ctx, c, "")
		})
	declared(a, operation{ID: "createConnection", Method: "POST", Path: "/connections", Summary: "Connect an OpenID provider for everybody", Action: registry.ActionSignInManage, Platform: true, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *createIn) (*createConnectionOut, error) {
			return create(ctx, c, "", in.Body)
		})
	declared(a, operation{ID: "showConnection", Method: "GET", Path: "/connections/{connection}", Summary: "Show a connection for everybody", Action: registry.ActionSignInRead, Platform: true},
		func(ctx context.Context, c web.Caller, in *oneIn) (*connectionOut, error) {
			return show(ctx, c, "", in.Connection)
		})
	declared(a, operation{ID: "replaceConnection", Method: "PUT", Path: "/connections/{connection}", Summary: "Change a connection", Action: registry.ActionSignInManage, Platform: true},
		func(ctx context.Context, c web.Caller, in *updateIn) (*connectionOut, error) {
			return update(ctx, c, "", in.Connection, in.Precondition, in.Body)
		})
	declared(a, operation{ID: "deleteConnection", Method: "DELETE", Path: "/connections/{connection}", Summary: "Delete a connection; who signed in by it is signed out", Action: registry.ActionSignInManage, Platform: true},
		func(ctx context.Context, c web.Caller, in *oneIn) (*none, error) {
			return &none{}, a.Store.DeleteConnection(ctx, c.Actor, "", registry.ConnectionID(in.Connection))
		})
	a.domains()
}

// domains declares what an org's e-mail domains take, and what it asks of a sign-in.
func (a *API) domains() {
	type addIn struct {
		OrgPath
		Body struct {
			Domain string `json:"domain" example:"example.com" doc:"email domain to add, such as example.com"`
		}
	}
	type domainOut struct{ Body registry.Domain }
	type addOut struct {
		Located
		Body registry.Domain
	}
	type oneIn struct {
		OrgPath
		Domain string `path:"domain" example:"example.com" doc:"email domain"`
	}
	type verifyIn struct {
		OrgPath
		Domain string `path:"domain" example:"example.com" doc:"email domain"`
		Vouch  bool   `query:"vouch" doc:"mark the domain as verified without the DNS record; for platform admins"`
	}
	inOrg(a, operation{ID: "listDomains", Method: "GET", Path: "/orgs/{org}/domains", Summary: "List an org's e-mail domains", Action: registry.ActionSignInRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, _ *OrgPath) (*listOut[registry.Domain], error) {
			l, err := a.Store.Domains(ctx, c.Actor, org)
			return &listOut[registry.Domain]{registry.Page[registry.Domain]{Items: l}}, err
		})
	inOrg(a, operation{ID: "addDomain", Method: "POST", Path: "/orgs/{org}/domains", Summary: "Add an e-mail domain to an org", Description: "The answer says which TXT record shows that it is the org's. It counts once that was seen.", Action: registry.ActionSignInManage, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *addIn) (*addOut, error) {
			d, err := a.Identity.AddDomain(ctx, c.Actor, org, in.Body.Domain)
			return &addOut{inside(ctx, org, "domains", d.Domain), d}, err
		})
	inOrg(a, operation{ID: "showDomain", Method: "GET", Path: "/orgs/{org}/domains/{domain}", Summary: "Show an e-mail domain of an org", Action: registry.ActionSignInRead},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*domainOut, error) {
			l, err := a.Store.Domains(ctx, c.Actor, org)
			d, err := pick("domain", l, err, func(d registry.Domain) bool { return d.Domain == ascii.Lower(in.Domain) })
			return &domainOut{d}, err
		})
	inOrg(a, operation{ID: "verifyDomain", Method: "POST", Path: "/orgs/{org}/domains/{domain}/verify", Summary: "Look for the record that shows whose a domain is", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *verifyIn) (*domainOut, error) {
			verify := a.Identity.VerifyDomain
			if in.Vouch {
				verify = a.Identity.VouchForDomain
			}
			d, err := verify(ctx, c.Actor, org, in.Domain)
			return &domainOut{d}, err
		})
	inOrg(a, operation{ID: "removeDomain", Method: "DELETE", Path: "/orgs/{org}/domains/{domain}", Summary: "Remove an e-mail domain from an org", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *oneIn) (*none, error) {
			return &none{}, a.Store.RemoveDomain(ctx, c.Actor, org, in.Domain)
		})

	type rulesIn struct {
		OrgPath
		Body struct {
			SecondStep bool `json:"second_step_required" example:"true" doc:"members need a passkey or an authenticator app, unless they sign in with one of the org's identity providers"`
		}
	}
	inOrg(a, operation{ID: "setSignInRules", Method: "PUT", Path: "/orgs/{org}/sign-in", Summary: "Say what an org asks of a sign-in", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *rulesIn) (*none, error) {
			return &none{}, a.Store.RequireSecondStep(ctx, c.Actor, org, "", in.Body.SecondStep)
		})

	type lifetimesIn struct {
		OrgPath
		Body struct {
			Idle     *registry.Seconds `json:"idle_seconds,omitempty" minimum:"300" multipleOf:"60" example:"900" doc:"seconds without use after which people sign in again; absent: as the installation says"`
			Absolute *registry.Seconds `json:"lifetime_seconds,omitempty" minimum:"300" multipleOf:"60" example:"28800" doc:"seconds after a sign-in until people sign in again; absent: as the installation says"`
		}
	}
	inOrg(a, operation{ID: "setSessionLifetimes", Method: "PUT", Path: "/orgs/{org}/session-lifetimes", Summary: "Say how long sessions count for an org", Description: "They are no longer than the installation's, and count for sessions of before. Other orgs of the same people are not affected. API keys and runners are no sessions.", Action: registry.ActionSignInManage},
		func(ctx context.Context, c web.Caller, org registry.OrgID, in *lifetimesIn) (*none, error) {
			var l registry.Lifetimes
			if in.Body.Idle != nil {
				l.Idle = *in.Body.Idle
			}
			if in.Body.Absolute != nil {
				l.Absolute = *in.Body.Absolute
			}
			return &none{}, a.Store.SetSessionLifetimes(ctx, c.Actor, org, "", l)
		})

	declared(a, operation{ID: "listUserIdentities", Method: "GET", Path: "/users/{user}/identities", Summary: "List what an account is linked to at providers", Action: registry.ActionUserRead},
		func(ctx context.Context, c web.Caller, in *UserPath) (*listOut[registry.Identity], error) {
			id, err := a.userFor(ctx, c, *in, registry.ActionUserRead)
			if err != nil {
				return nil, err
			}
			l, err := a.Store.Identities(ctx, c.Actor, id)
			return &listOut[registry.Identity]{registry.Page[registry.Identity]{Items: l}}, err
		})
	type identityIn struct {
		UserPath
		Connection string `path:"connection" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the identity provider"`
	}
	declared(a, operation{ID: "removeUserIdentity", Method: "DELETE", Path: "/users/{user}/identities/{connection}", Summary: "Unlink an account from a provider, and end the sessions that it signed in", Action: registry.ActionUserUpdate},
		func(ctx context.Context, c web.Caller, in *identityIn) (*none, error) {
			id, err := a.userFor(ctx, c, in.UserPath, registry.ActionUserUpdate)
			if err != nil {
				return nil, err
			}
			return &none{}, a.Store.RemoveIdentity(ctx, c.Actor, id, registry.ConnectionID(in.Connection))
		})
}
