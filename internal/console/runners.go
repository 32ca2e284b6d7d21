package console

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// runnersData is what the page of runners shows.
type runnersData struct {
	Runners registry.Page[registry.Runner]
	Claim   *registry.RunnerClaim // just made
	Secret  string                // of it, shown this once
}

// newClaim is a claim with its secret, shown once.
type newClaim struct {
	Claim  registry.RunnerClaim
	Secret string
}

func (c *Console) runnersView(r *http.Request, who web.Caller) (view, runnersData, error) {
	v, err := c.orgView(r, who, "runners", registry.ActionRunnerRead)
	if err != nil {
		return v, runnersData{}, err
	}
	v.Done = map[string]string{"disconnected": "The runner is disconnected. It may come back.", "revoked": "The runner is revoked. It gets in nowhere any more."}[r.URL.Query().Get("done")]
	var d runnersData
	q := r.URL.Query()
	d.Runners, err = c.Store.Runners(r.Context(), who.Actor, v.Org.ID, registry.RunnerList{List: registry.List{Search: q.Get("search"), Cursor: q.Get("cursor"), Sort: q.Get("sort")}})
	for i, x := range d.Runners.Items {
		d.Runners.Items[i].Connections = c.Connections(x.ID.Session())
	}
	v.Data = d
	return v, d, err
}

// MayEnd reports whether the caller may disconnect and revoke a runner.
func (v view) MayEnd(r registry.Runner) bool {
	return r.EnrolledBy != "" && r.EnrolledBy == v.Who.Actor.User || v.May(registry.ActionRunnerManage)
}

// MayEnroll reports whether the caller may enroll a runner: a member may, a platform admin who is none may not.
func (v view) MayEnroll() bool { return v.Org.Role != "" && v.May(registry.ActionRunnerEnroll) }

// runnerState is how a runner does.
func (c *Console) runnerState(r registry.Runner) status {
	switch {
	case r.App != "": // its sockets are the app's own
		return status{"Enrolled", "●", "good"}
	case r.Connections > 0:
		return status{"Connected", "●", "good"}
	case r.LastSeenAt.IsZero():
		return status{"Never seen", "◌", "wait"}
	case c.Now().Sub(r.LastSeenAt) <= token.SessionTokenLife:
		return status{"Active", "●", "good"}
	}
	return status{"Away", "○", "off"}
}

func (c *Console) runnersPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.runnersView(r, who)
	if err != nil {
		return err
	}
	var made newClaim
	if ok, err := c.takeShown(r, who, &made); err != nil {
		return err
	} else if ok {
		d.Claim, d.Secret = &made.Claim, made.Secret
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "runners.html", v)
}

func (c *Console) claimRunner(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.runnersView(r, who)
	if err != nil {
		return err
	}
	if !v.MayEnroll() {
		return registry.Errorf(registry.CodeForbidden, "", "Only members of the org enroll runners: a runner sees what members see.")
	}
	life, err := lifeOf(r)
	var claim registry.RunnerClaim
	var secret token.Secret
	if err == nil {
		claim, secret, err = c.Identity.CreateRunnerClaim(r.Context(), who.Actor, v.Org.ID, registry.NewRunnerClaim{
			Name: r.PostForm.Get("runner_name"), Life: life, App: registry.RunnerApp(r.PostForm.Get("app")),
		})
	}
	if err != nil {
		return c.again(w, r, "runners.html", v, err)
	}
	return c.redirectShown(w, r, who, "/orgs/"+v.Org.Slug+"/runners", newClaim{claim, secret.Reveal()})
}

func (c *Console) disconnectRunner(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/runners?done=disconnected", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.DisconnectRunner(ctx, who.Actor, o.ID, registry.RunnerID(r.PathValue("runner")))
	})
}

func (c *Console) revokeRunner(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/runners?done=revoked", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.RevokeRunner(ctx, who.Actor, o.ID, registry.RunnerID(r.PathValue("runner")))
	})
}
