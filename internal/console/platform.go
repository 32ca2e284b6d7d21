package console

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// section is an entry of the platform admin's rail.
type section struct{ Path, Section, Name string }

var sections = []section{
	{"/platform", "overview", "Overview"}, {"/platform/orgs", "orgs", "Orgs"}, {"/platform/plans", "plans", "Plans"}, {"/platform/users", "users", "Users"},
	{"/platform/instances", "instances", "Instances"}, {"/platform/sign-in", "sign-in", "Sign-in"}, {"/platform/apps", "apps", "Apps"}, {"/platform/webhooks", "webhooks", "Webhooks"}, {"/platform/audit", "audit", "Audit"}, {"/platform/settings", "settings", "Settings"},
}

// listOf reads what a list's page asks for from its address.
func listOf(q url.Values) registry.List {
	return registry.List{Cursor: q.Get("cursor"), Search: q.Get("search"), Sort: q.Get("sort")}
}

type capacityBar struct {
	ID, Name, Text string
	Percent        int
}

func capacityOf(c usage.Capacity) []capacityBar {
	bar := func(id, name string, total, left int64) capacityBar {
		b := capacityBar{ID: id, Name: name, Text: fmt.Sprintf("%s of %s left", size(left), size(total))}
		if total > 0 {
			b.Percent = int(100 - 100*left/total)
		}
		return b
	}
	cpu := capacityBar{ID: "cpu", Name: "Processor", Text: fmt.Sprintf("load %.2f on %d CPUs", c.Load, c.CPUs)}
	cpu.Percent = min(100, int(100*c.Load/float64(max(1, c.CPUs))))
	return []capacityBar{cpu, bar("memory", "Memory", c.MemoryTotal, c.MemoryAvailable), bar("disk", "Disk", c.DiskTotal, c.DiskAvailable)}
}

func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n < 1<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func rangeOf(r *http.Request) usage.Range {
	if v := usage.Range(r.URL.Query().Get("range")); v == usage.Day || v == usage.Week {
		return v
	}
	return usage.Hour
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	t, err := c.Store.Totals(r.Context(), who.Actor)
	if err != nil {
		return err
	}
	over := rangeOf(r)
	points, err := c.Usage.History(r.Context(), c.Store, who.Actor, "", over)
	if err != nil {
		return err
	}
	version, err := c.liveVersion(platformMaxAge, t)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "platform.html", view{Title: "Overview", Who: who, Section: "overview", Live: "/platform/live", LiveID: version, Path: r.URL.RequestURI(), Data: struct {
		Active, Running, Failed, Degraded, Suspended, Users int
		Range                                               usage.Range
		Charts                                              []chart
		Capacity                                            []capacityBar
	}{
		t.Orgs[registry.OrgActive], t.Instances[registry.InstanceRunning], t.Instances[registry.InstanceFailed], t.Instances[registry.InstanceDegraded], t.Orgs[registry.OrgSuspended], t.Users,
		over, append(chartsOf(points, over), runningOf(points, over)), capacityOf(c.Capacity()),
	}})
}

func (c *Console) platformSettings(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if !registry.Allows(who.Actor, "", registry.ActionPlatformRead) {
		return registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees the platform's settings.")
	}
	return c.show(w, r, http.StatusOK, "platform-settings.html", view{Title: "Settings", Who: who, Section: "settings", Data: c.Operator()})
}

// userFilters are which accounts are shown, for choice.
var userFilters = map[string]string{"admins": "Platform admins", "disabled": "Disabled"}

// dormantDays are how long nobody signed in to an account, for choice.
var dormantDays = []int{30, 90, 180, 365}
