package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// PlanPath is {plan}: a plan's name.
type PlanPath struct {
	Plan string `path:"plan" example:"team" doc:"the plan's name"`
}

type planOut struct {
	ETag string `header:"ETag" doc:"the plan's version, for If-Match"`
	Body registry.Plan
}

type createPlanOut struct {
	Located
	ETag string `header:"ETag" doc:"the plan's version, for If-Match"`
	Body registry.Plan
}

func planAnswer(p registry.Plan, err error) (*planOut, error) {
	return &planOut{strconv.Quote(p.Version()), p}, err
}

func (a *API) plans() {
	declared(a, operation{
		ID: "listPlans", Method: "GET", Path: "/plans", Summary: "List the plans",
		Action: registry.ActionPlanRead,
	}, func(ctx context.Context, c web.Caller, _ *none) (*listOut[registry.Plan], error) {
		l, err := a.Store.Plans(ctx, c.Actor)
		return &listOut[registry.Plan]{registry.Page[registry.Plan]{Items: l}}, err
	})

	declared(a, operation{
		ID: "showPlan", Method: "GET", Path: "/plans/{plan}", Summary: "Show a plan",
		Action: registry.ActionPlanRead,
	}, func(ctx context.Context, c web.Caller, in *PlanPath) (*planOut, error) {
		return planAnswer(a.Store.Plan(ctx, c.Actor, in.Plan))
	})

	type createPlanIn struct {
		Body struct {
			Name        string                   `json:"name" example:"team" doc:"lower-case letters, digits and hyphens; it cannot change"`
			Title       string                   `json:"title,omitempty" example:"Team" doc:"what people see; up to 80 characters"`
			Description string                   `json:"description,omitempty" doc:"what it is for; up to 500 characters"`
			Provider    string                   `json:"provider,omitempty" doc:"what makes the instances of its orgs; default: the default provider"`
			Sessions    registry.LifetimeChanges `json:"sessions,omitzero" doc:"how long sessions last for its orgs; absent: as the installation says"`
			Limits      registry.Limits          `json:"limits,omitempty" doc:"requests_per_second, concurrency, websockets, body (bytes), members, runners, cpu (cores), memory (bytes), pids, disk (bytes); what is absent has no limit, and 0 is 0"`
		}
	}
	declared(a, operation{
		ID:          "createPlan",
		Method:      "POST",
		Path:        "/plans",
		Summary:     "Define a plan",
		Action:      registry.ActionPlanManage,
		Status:      http.StatusCreated,
		Description: "Once a plan is defined, orgs can only be given plans that are; `standard` needs no definition.",
	}, func(ctx context.Context, c web.Caller, in *createPlanIn) (*createPlanOut, error) {
		b := in.Body
		if err := a.checkProvider(ctx, c, b.Provider); err != nil {
			return nil, err
		}
		p, err := a.Store.CreatePlan(ctx, c.Actor, registry.Plan{
			Name:        b.Name,
			Title:       b.Title,
			Description: b.Description,
			Provider:    b.Provider,
			Sessions:    registry.Lifetimes{}.Changed(b.Sessions),
			Limits:      b.Limits,
		})
		return &createPlanOut{at(ctx, "plans", p.Name), strconv.Quote(p.Version()), p}, err
	})

	type updatePlanIn struct {
		PlanPath
		Precondition
		Body registry.PlanChange
	}
	declared(a, operation{
		ID:          "updatePlan",
		Method:      "PATCH",
		Path:        "/plans/{plan}",
		Summary:     "Change a plan",
		Action:      registry.ActionPlanManage,
		Description: "Its orgs follow at once. Those that use more than it allows keep what they have, and get no more. A plan of the Caddyfile changes there alone (409).",
	}, func(ctx context.Context, c web.Caller, in *updatePlanIn) (*planOut, error) {
		if in.Body.Provider != nil {
			if err := a.checkProvider(ctx, c, *in.Body.Provider); err != nil {
				return nil, err
			}
		}
		version, err := in.version()
		if err != nil {
			return nil, err
		}
		return planAnswer(a.Store.UpdatePlan(ctx, c.Actor, in.Plan, version, in.Body))
	})

	declared(a, operation{
		ID:      "deletePlan",
		Method:  "DELETE",
		Path:    "/plans/{plan}",
		Summary: "Delete a plan that no org has",
		Action:  registry.ActionPlanManage,
		Status:  http.StatusNoContent,
	}, func(ctx context.Context, c web.Caller, in *PlanPath) (*none, error) {
		return &none{}, a.Store.DeletePlan(ctx, c.Actor, in.Plan)
	})

	type setPlanIn struct {
		ChangeIn
		Body struct {
			Plan string `json:"plan" example:"team" doc:"name of a defined plan, or standard"`
		}
	}
	declared(a, operation{
		ID:          "setOrgPlan",
		Method:      "PUT",
		Path:        "/orgs/{org}/plan",
		Summary:     "Give an org another plan",
		Action:      registry.ActionOrgPlan,
		Description: "It counts at once, without a restart. What the org has beyond it stays, and is not added to.",
	}, func(ctx context.Context, c web.Caller, in *setPlanIn) (*orgOut, error) {
		set := func(id registry.OrgID, v int64) error {
			return a.Store.SetOrgPlan(ctx, c.Actor, id, v, in.Body.Plan)
		}
		return a.change(ctx, c, in.ChangeIn, registry.ActionOrgPlan, set)
	})

	a.orgProvider()

	type setLimitsIn struct {
		ChangeIn
		Body struct {
			Limits registry.LimitChanges `json:"limits,omitempty" doc:"name: number; null gives the org its plan's limit again, and what is not named stays"`
		}
	}
	declared(a, operation{
		ID:      "setOrgLimits",
		Method:  "PATCH",
		Path:    "/orgs/{org}/limits",
		Summary: "Give an org limits of its own, in place of its plan's",
		Action:  registry.ActionOrgPlan,
	}, func(ctx context.Context, c web.Caller, in *setLimitsIn) (*orgOut, error) {
		set := func(id registry.OrgID, v int64) error {
			return a.Store.SetOrgLimits(ctx, c.Actor, id, v, in.Body.Limits)
		}
		return a.change(ctx, c, in.ChangeIn, registry.ActionOrgPlan, set)
	})
}

// checkProvider refuses a provider that is not there, for who may manage plans.
func (a *API) checkProvider(ctx context.Context, c web.Caller, name string) error {
	if err := a.Store.AuthorizePlatform(ctx, c.Actor, registry.ActionPlanManage); err != nil {
		return err
	}
	return registry.CheckProvider(name, a.Providers().Names())
}
