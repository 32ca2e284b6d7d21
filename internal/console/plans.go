package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// plansData is what the pages of plans show.
type plansData struct {
	Plans  []registry.Plan
	Plan   registry.Plan // in the form
	Limits []limitField  // in the form
}

func (c *Console) plansPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	plans, err := c.Store.Plans(r.Context(), who.Actor)
	if err != nil {
		return err
	}
	v := view{
		Title: "Plans", Who: who, Section: "plans",
		Data: plansData{Plans: plans, Limits: c.limitFields(r.Context(), "", nil, nil)},
	}
	if r.URL.Query().Get("done") == "deleted" {
		v.Done = "The plan is deleted."
	}
	return c.show(w, r, http.StatusOK, "plans.html", v)
}

func planPath(name string) string { return "/platform/plans/" + url.PathEscape(name) }

func (c *Console) createPlan(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	changes, err := limitsIn(r.PostForm)
	if err != nil {
		return err
	}
	limits, err := registry.Limits{}.Changed(changes)
	if err != nil {
		return err
	}
	sessions, err := lifetimesIn(r.PostForm)
	if err != nil {
		return err
	}
	p, err := c.Store.CreatePlan(r.Context(), who.Actor, registry.Plan{
		Name:        strings.TrimSpace(r.PostForm.Get("name")),
		Title:       strings.TrimSpace(r.PostForm.Get("title")),
		Description: r.PostForm.Get("description"),
		Sessions:    sessions,
		Limits:      limits,
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, planPath(p.Name)+"?done=created", http.StatusSeeOther)
	return nil
}

func (c *Console) planPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	p, err := c.Store.Plan(r.Context(), who.Actor, r.PathValue("plan"))
	if err != nil {
		return err
	}
	v := view{
		Title: "Plan " + p.Name, Who: who, Section: "plans",
		Data: plansData{Plan: p, Limits: c.limitFields(r.Context(), "", p.Limits, nil)},
		Done: map[string]string{
			"created": "The plan is created.", "saved": "Saved. The new limits apply from now on.",
		}[r.URL.Query().Get("done")],
	}
	return c.show(w, r, http.StatusOK, "plan.html", v)
}

func (c *Console) updatePlan(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	limits, err := limitsIn(r.PostForm)
	if err != nil {
		return err
	}
	sessions, err := lifetimesIn(r.PostForm)
	if err != nil {
		return err
	}
	title := strings.TrimSpace(r.PostForm.Get("title"))
	description := r.PostForm.Get("description")
	p, err := c.Store.UpdatePlan(r.Context(), who.Actor, r.PathValue("plan"),
		r.PostForm.Get(versionField),
		registry.PlanChange{
			Title: &title, Description: &description, Limits: limits,
			Sessions: registry.LifetimeChanges{Idle: &sessions.Idle, Absolute: &sessions.Absolute},
		})
	if err != nil {
		return err
	}
	http.Redirect(w, r, planPath(p.Name)+"?done=saved", http.StatusSeeOther)
	return nil
}

func (c *Console) deletePlan(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if err := c.Store.DeletePlan(r.Context(), who.Actor, r.PathValue("plan")); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/plans?done=deleted", http.StatusSeeOther)
	return nil
}
