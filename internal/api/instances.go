package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// ShownInstance is an instance with what helps to find out why it is not healthy.
type ShownInstance struct {
	registry.Instance
	RetryAt time.Time `json:"retry_at,omitzero" doc:"when a failed instance is started again"`
	Image   string    `json:"image,omitempty" doc:"image that the instance runs while it serves, by digest; shown to platform admins only"`
	Log     string    `json:"log,omitempty" doc:"last log lines while the instance is not healthy, for those who may read them"`
}

const (
	logsType    = "text/plain"
	metricsType = "text/plain; version=0.0.4; charset=utf-8"
)

func (a *API) instances() {
	type instanceOut struct{ Body ShownInstance }
	inOrg(a, operation{ID: "showInstance", Method: "GET", Path: "/orgs/{org}/instance", Summary: "Show an org's instance", Action: registry.ActionOrgRead},
		func(ctx context.Context, c web.Caller, id registry.OrgID, _ *OrgPath) (*instanceOut, error) {
			v, err := a.Store.Org(ctx, c.Actor, id)
			if err != nil {
				return nil, err
			}
			v.Instance.MarkOutdated(a.Outdated())
			a.Count(&v.Instance)
			shown := ShownInstance{
				Instance: v.Instance, RetryAt: v.Instance.RetryAt(), Log: web.Printed(ctx, a.Logs, c.Actor, v),
			}
			if c.Actor.SeesAll() {
				shown.Image = a.Image(id, v.Instance.Generation)
			}
			return &instanceOut{shown}, nil
		})

	declared(a, operation{ID: "restartInstance", Method: "POST", Path: "/orgs/{org}/instance/restart", Summary: "Replace an org's instance by a new one on the same data", Action: registry.ActionInstanceRestart},
		func(ctx context.Context, c web.Caller, in *ChangeIn) (*orgOut, error) {
			return a.change(ctx, c, *in, registry.ActionInstanceRestart, func(id registry.OrgID, v int64) error {
				return a.Store.RestartInstance(ctx, c.Actor, id, v)
			})
		})

	type logsIn struct {
		OrgPath
		Lines  int  `query:"lines" minimum:"0" maximum:"10000" default:"200" doc:"number of lines, counted from the newest"`
		Follow bool `query:"follow" doc:"keep the answer open and send new lines"`
	}
	inOrg(a, operation{ID: "showLogs", Method: "GET", Path: "/orgs/{org}/instance/logs", Summary: "Read what an org's instance prints", Action: registry.ActionInstanceLogs,
		Sends: logsType, SendsText: "Lines of the log, oldest first"},
		func(ctx context.Context, c web.Caller, id registry.OrgID, in *logsIn) (*huma.StreamResponse, error) {
			if _, err := a.Store.Authorize(ctx, c.Actor, id, registry.ActionInstanceLogs); err != nil {
				return nil, err
			}
			ctx, cancel := context.WithCancel(ctx)
			logs, err := a.Logs(ctx, id, in.Lines, in.Follow)
			if err != nil {
				cancel()
				return nil, err
			}
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				r, w := humago.Unwrap(hc)
				w.Header().Set("Content-Type", logsType+"; charset=utf-8")
				w.Header().Set("X-Accel-Buffering", "no")
				w.WriteHeader(http.StatusOK)
				err := web.Pour(ctx, cancel, w, logs, web.Guard{Ended: a.Ended(), Changed: a.Store.Changed, May: func() bool {
					now, err := web.StillWho(a.Identity, r)
					if err == nil {
						_, err = a.Store.Authorize(ctx, now.Actor, id, registry.ActionInstanceLogs)
					}
					return err == nil
				}})
				if err != nil {
					a.Log.Warn("logs", "org", id, "error", err)
				}
			}}, nil
		})
	a.instanceEnvironment()
	a.instanceMetrics()
	a.events()
}
