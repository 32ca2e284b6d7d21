package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// connected tells of each runner how much it has open.
func (a *API) connected(list []registry.Runner) []registry.Runner {
	for i := range list {
		list[i].Connections = a.Connections(list[i].ID.Session())
	}
	return list
}

// unenroll revokes a runner that got no key, also when the client that asked for it is gone.
func (a *API) unenroll(ctx context.Context, r registry.Runner) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return a.Store.RevokeRunner(ctx, registry.AsSystem("enroll"), r.OrgID, r.ID)
}

func (a *API) runners() {
	type listIn struct {
		OrgPath
		PageIn
		Sort       string `query:"sort" enum:"name,-name,created_at,-created_at" default:"name" doc:"what to sort by; - in front for descending"`
		EnrolledBy string `query:"enrolled_by" doc:"only runners that this account enrolled: its ID or email address"`
	}
	inOrg(a, operation{ID: "listRunners", Method: "GET", Path: "/orgs/{org}/runners", Summary: "List an org's runners", Action: registry.ActionRunnerRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *listIn) (*listOut[registry.Runner], error) {
			l := registry.RunnerList{List: in.list(in.Sort), EnrolledBy: registry.UserID(in.EnrolledBy)}
			if strings.Contains(in.EnrolledBy, "@") {
				m, err := a.Store.MemberByEmail(ctx, c.Actor, id, ascii.Lower(in.EnrolledBy))
				if err != nil {
					return nil, err
				}
				l.EnrolledBy = m.UserID
			}
			p, err := a.Store.Runners(ctx, c.Actor, id, l)
			p.Items = a.connected(p.Items)
			return &listOut[registry.Runner]{p}, err
		})

	type claimIn struct {
		OrgPath
		Body struct {
			Name string `json:"name,omitempty" doc:"name of the runner; default: the machine chooses" example:"build-1"`
			Days int    `json:"days,omitempty" minimum:"1" maximum:"366" doc:"lifetime of the runner's key, in days; default: 90"`
			App  string `json:"app,omitempty" enum:"pizzapi" doc:"app whose own runner it enrolls: it acts there as the person who makes this; default: none"`
		}
	}
	type claimOut struct {
		Located
		Body struct {
			Claim  registry.RunnerClaim `json:"claim" doc:"the enrollment token, without its secret"`
			Secret string               `json:"secret" shown:"once" doc:"the enrollment token itself (pzc_): enrolls one runner, within 15 minutes, and is shown only now"`
		}
	}
	inOrg(a, operation{ID: "claimRunner", Method: "POST", Path: "/orgs/{org}/runners/claims", Summary: "Permit one runner to enroll", Action: registry.ActionRunnerEnroll, Status: http.StatusCreated,
		Description: "For members, their and the org's own keys, and the operator; not for a platform admin who is no member, since a runner sees what members see. The claim works once. A runner that a key lets in ends no later than the key. With app, for a signed-in person alone."},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *claimIn) (*claimOut, error) {
			claim, secret, err := a.Identity.CreateRunnerClaim(ctx, c.Actor, id, registry.NewRunnerClaim{Name: in.Body.Name, Life: time.Duration(in.Body.Days) * 24 * time.Hour, App: registry.RunnerApp(in.Body.App)})
			out := new(claimOut)
			out.Body.Claim, out.Body.Secret = claim, secret.Reveal()
			out.Located = inside(ctx, id, "runner-claims", claim.ID)
			return out, err
		})
	type claimPath struct {
		OrgPath
		Claim string `path:"claim" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the enrollment token"`
	}
	type showClaimOut struct{ Body registry.RunnerClaim }
	inOrg(a, operation{ID: "showRunnerClaim", Method: "GET", Path: "/orgs/{org}/runner-claims/{claim}", Summary: "Show an enrollment token that was not used yet", Action: registry.ActionRunnerRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *claimPath) (*showClaimOut, error) {
			claim, err := a.Store.RunnerClaim(ctx, c.Actor, id, in.Claim)
			return &showClaimOut{claim}, err
		})

	type enrollIn struct {
		Body struct {
			Claim string `json:"claim" doc:"enrollment token (pzc_)" example:"pzc_0000000000000000000000000000000000000000000000000"`
			Name  string `json:"name,omitempty" doc:"name of the runner, if the token has none"`
		}
	}
	type enrollOut struct {
		Located
		Body struct {
			Runner registry.Runner `json:"runner" doc:"the new runner"`
			Key    string          `json:"key,omitempty" shown:"once" doc:"the runner's key (pzr_), its client secret at the token endpoint; shown only now; absent with app"`
			Token  string          `json:"token_endpoint,omitempty" doc:"token endpoint, which gives tokens of ten minutes for the key (RFC 6749, client_credentials); absent with app"`
			URL    string          `json:"url" doc:"the org's URL, where that token is valid"`

			Environment map[string]string `json:"environment,omitempty" shown:"once" doc:"variables for the app's own runner, with its key there; shown only now; only with app"`
		}
	}
	declared(a, operation{ID: "enrollRunner", Method: "POST", Path: "/runners", Summary: "Enroll a runner with a claim", Public: true, Status: http.StatusCreated,
		Description: "The claim works once, so a repetition is refused."},
		func(ctx context.Context, c web.Caller, in *enrollIn) (*enrollOut, error) {
			r, key, err := a.Identity.EnrollRunner(ctx, in.Body.Claim, in.Body.Name, c.Client.Address)
			if err != nil {
				return nil, err
			}
			o, err := a.Store.Org(ctx, registry.AsSystem("enroll"), r.OrgID)
			if err != nil {
				return nil, err
			}
			out := new(enrollOut)
			site := a.Identity.Site()
			out.Body.Runner, out.Body.URL = r, site.OrgURL(o.Slug)
			if r.App == "" {
				out.Body.Key, out.Body.Token = key.Reveal(), site.Issuer+"/token"
			} else if out.Body.Environment, err = a.EnrollAtApp(ctx, r); err != nil {
				return nil, errors.Join(err, a.unenroll(ctx, r))
			}
			out.Located = inside(ctx, r.OrgID, "runners", string(r.ID))
			return out, nil
		})

	type runnerPath struct {
		OrgPath
		Runner string `path:"runner" example:"01890000-0000-7000-8000-000000000000" doc:"ID of the runner"`
	}
	type runnerOut struct{ Body registry.Runner }
	inOrg(a, operation{ID: "showRunner", Method: "GET", Path: "/orgs/{org}/runners/{runner}", Summary: "Show a runner of an org", Action: registry.ActionRunnerRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *runnerPath) (*runnerOut, error) {
			r, err := a.Store.Runner(ctx, c.Actor, id, registry.RunnerID(in.Runner))
			if err != nil {
				return nil, err
			}
			return &runnerOut{a.connected([]registry.Runner{r})[0]}, nil
		})
	act := func(f func(context.Context, registry.Actor, registry.OrgID, registry.RunnerID) error) func(context.Context, web.Caller, *runnerPath) (*none, error) {
		return func(ctx context.Context, c web.Caller, in *runnerPath) (*none, error) {
			id, err := in.id(ctx, a, c)
			if err != nil {
				return nil, err
			}
			return &none{}, f(ctx, c.Actor, id, registry.RunnerID(in.Runner))
		}
	}
	const whose = "One's own; as an admin, anybody's."
	declared(a, operation{ID: "disconnectRunner", Method: "POST", Path: "/orgs/{org}/runners/{runner}/disconnect", Summary: "Close what a runner has open; it may come back", Description: whose, Action: registry.ActionRunnerEnd},
		act(func(ctx context.Context, who registry.Actor, org registry.OrgID, id registry.RunnerID) error {
			return a.Store.DisconnectRunner(ctx, who, org, id)
		}))
	declared(a, operation{ID: "revokeRunner", Method: "DELETE", Path: "/orgs/{org}/runners/{runner}", Summary: "Revoke a runner's key and tokens, and close what it has open", Description: whose, Action: registry.ActionRunnerEnd},
		act(func(ctx context.Context, who registry.Actor, org registry.OrgID, id registry.RunnerID) error {
			return a.Store.RevokeRunner(ctx, who, org, id)
		}))
}
