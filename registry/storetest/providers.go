package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// providers: an org's own provider goes before its plan's. A change makes a new generation, which
// has no provider until it is started, and knows under which the last one ran.
func providers(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.want(e.s.SetOrgProvider(ctx, asA, o.ID, 0, "large"), registry.CodeForbidden)
	_, err := e.s.CreatePlan(ctx, operator, registry.Plan{Name: "team", Provider: "shared"})
	e.ok(err)
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "team"))

	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	see := func(what string, gen int64, own, provider, previous string) {
		e.Helper()
		w, err := e.s.WorkOn(ctx, system, o.ID)
		e.ok(err)
		i := w.Instance
		if i.Generation != gen || w.OrgProvider != own || w.PlanProvider != "shared" ||
			i.Provider != provider || i.Previous != previous {
			e.Errorf("%s: %+v", what, w)
		}
	}
	report := func(gen int64, provider string, state registry.InstanceState) {
		e.Helper()
		e.ok(e.s.Report(ctx, system, l, gen, provider, registry.Report{State: state}))
	}
	see("at first", 1, "", "", "")
	report(1, "shared", registry.InstanceRunning)
	see("started", 1, "", "shared", "")

	e.want(e.s.SetOrgProvider(ctx, operator, o.ID, 99, "large"), registry.CodeVersionConflict)
	e.ok(e.s.SetOrgProvider(ctx, operator, o.ID, 0, "large"))
	see("moved", 2, "large", "", "shared")
	e.ok(e.s.SetOrgProvider(ctx, operator, o.ID, 0, "large"))
	see("moved to where it is", 2, "large", "", "shared")
	report(2, "", registry.InstanceFailed) // the last one did not stop
	e.ok(e.s.RestartInstance(ctx, operator, o.ID, 0))
	see("moved, and never started there", 3, "large", "", "shared")
	report(3, "large", registry.InstanceRunning)
	see("started there", 3, "large", "large", "shared")
	_, err = e.s.ReplaceInstance(ctx, system, l, 3, "large", registry.Report{State: registry.InstanceFailed})
	e.ok(err)
	see("replaced", 4, "large", "", "large")

	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	e.ok(e.s.SetOrgProvider(ctx, operator, o.ID, 0, ""))
	see("suspended", 4, "", "", "large")
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if v.Provider != "" || v.Instance.RunBy() != "large" {
		e.Errorf("%+v", v)
	}
	seen, err := e.s.Audit(ctx, operator, o.ID, registry.AuditList{Action: registry.ChangeOrgProviderChanged})
	e.ok(err)
	if len(seen.Items) != 2 || seen.Items[1].Detail != "as the plan says -> large" {
		e.Errorf("%+v", seen.Items)
	}
}
