package api

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type clientOut struct {
	Located
	Body struct {
		Client registry.Client `json:"client" doc:"the application, without its secret"`
		Secret string          `json:"secret,omitempty" shown:"once" doc:"client secret (pzo_) for the token endpoint, shown only now; absent for a public client"`
	}
}

func clientAnswer(c registry.Client, secret token.Secret, err error) (*clientOut, error) {
	out := new(clientOut)
	out.Body.Client, out.Body.Secret = c, secret.Reveal()
	return out, err
}

func (a *API) clients() {
	declared(a, operation{ID: "listClients", Method: "GET", Path: "/clients", Summary: "List the apps that people sign in to with their account", Action: registry.ActionClientRead},
		func(ctx context.Context, c web.Caller, _ *none) (*listOut[registry.Client], error) {
			list, err := a.Store.Clients(ctx, c.Actor)
			return &listOut[registry.Client]{registry.Page[registry.Client]{Items: list}}, err
		})

	type createIn struct {
		Body struct {
			Name      string   `json:"name" example:"Grafana" doc:"display name, shown at sign-in"`
			Redirects []string `json:"redirect_uris" minItems:"1" doc:"where people return after a sign-in: https, or http on localhost; compared byte for byte" example:"[\"https://grafana.example.com/login/generic_oauth\"]"`
			Logouts   []string `json:"post_logout_redirect_uris,omitempty" doc:"where the application may send the browser after a sign-out"`
			Org       string   `json:"org,omitempty" doc:"ID or slug of the only org whose members can sign in, with their role; default: everybody with an account"`
			Alg       string   `json:"id_token_signed_response_alg,omitempty" enum:"RS256" doc:"signature of its ID tokens; default: the installation's (ES256 or EdDSA)"`
			Public    bool     `json:"public,omitempty" doc:"public client: a single-page or native app, which cannot keep a secret"`
		}
	}
	declared(a, operation{ID: "createClient", Method: "POST", Path: "/clients", Summary: "Register an app", Action: registry.ActionClientManage, Status: http.StatusCreated},
		func(ctx context.Context, c web.Caller, in *createIn) (*clientOut, error) {
			n := registry.NewClient{Name: in.Body.Name, Public: in.Body.Public, RedirectURIs: in.Body.Redirects, LogoutURIs: in.Body.Logouts, IDTokenAlg: in.Body.Alg}
			if in.Body.Org != "" {
				id, err := OrgPath{in.Body.Org}.id(ctx, a, c)
				if err != nil {
					return nil, err
				}
				n.OrgID = id
			}
			out, err := clientAnswer(a.Identity.CreateClient(ctx, c.Actor, n))
			out.Located = at(ctx, "clients", string(out.Body.Client.ID))
			return out, err
		})

	type clientPath struct {
		Client string `path:"client" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the application"`
	}
	type showOut struct{ Body registry.Client }
	declared(a, operation{ID: "showClient", Method: "GET", Path: "/clients/{client}", Summary: "Show an app", Action: registry.ActionClientRead},
		func(ctx context.Context, c web.Caller, in *clientPath) (*showOut, error) {
			k, err := a.Store.Client(ctx, c.Actor, registry.ClientID(in.Client))
			return &showOut{k}, err
		})
	type updateIn struct {
		Client string `path:"client" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the application"`
		Body   struct {
			Name      *string   `json:"name,omitempty" doc:"new display name"`
			Redirects *[]string `json:"redirect_uris,omitempty" minItems:"1" doc:"replaces all redirect URIs"`
			Logouts   *[]string `json:"post_logout_redirect_uris,omitempty" doc:"replaces all post-logout redirect URIs; an empty list removes them"`
		}
	}
	declared(a, operation{ID: "updateClient", Method: "PATCH", Path: "/clients/{client}", Summary: "Change an app's name and addresses", Action: registry.ActionClientManage,
		Description: "A list replaces the one that there was. Sign-ins that are under way to an address that is gone end."},
		func(ctx context.Context, c web.Caller, in *updateIn) (*showOut, error) {
			k, err := a.Store.UpdateClient(ctx, c.Actor, registry.ClientID(in.Client), registry.ClientChange{Name: in.Body.Name, RedirectURIs: in.Body.Redirects, LogoutURIs: in.Body.Logouts})
			return &showOut{k}, err
		})
	declared(a, operation{ID: "rotateClientSecret", Method: "POST", Path: "/clients/{client}/secret", Summary: "Give an app another secret; the old one ends at once", Action: registry.ActionClientManage},
		func(ctx context.Context, c web.Caller, in *clientPath) (*clientOut, error) {
			return clientAnswer(a.Identity.RotateClientSecret(ctx, c.Actor, registry.ClientID(in.Client)))
		})
	declared(a, operation{ID: "deleteClient", Method: "DELETE", Path: "/clients/{client}", Summary: "Delete an app, and end what it was given", Action: registry.ActionClientManage},
		func(ctx context.Context, c web.Caller, in *clientPath) (*none, error) {
			return &none{}, a.Store.DeleteClient(ctx, c.Actor, registry.ClientID(in.Client))
		})
}
