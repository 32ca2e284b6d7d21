package console

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

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
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
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

// orgsData is a page of orgs with their requests of the last hour.
type orgsData struct {
	Page   registry.Page[registry.OrgView]
	Recent map[registry.OrgID][]int64
	Plans  []planOption
}

func (c *Console) orgsData(r *http.Request, who web.Caller) (orgsData, error) {
	if !registry.Allows(who.Actor, "", registry.ActionPlatformRead) {
		return orgsData{}, registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees all orgs.")
	}
	q := r.URL.Query()
	l := registry.OrgList{List: listOf(q), Status: registry.OrgStatus(q.Get("status")), Plan: q.Get("plan"), State: registry.InstanceState(q.Get("state"))}
	outdated := c.Outdated()
	if q.Get("outdated") != "" {
		l.Among = slices.AppendSeq([]registry.OrgID{}, maps.Keys(outdated))
	}
	p, err := c.Store.Orgs(r.Context(), who.Actor, l)
	if err != nil {
		return orgsData{}, err
	}
	ids := make([]registry.OrgID, len(p.Items))
	for i, o := range p.Items {
		ids[i] = o.ID
		p.Items[i].Instance.MarkOutdated(outdated)
	}
	plans, err := c.Store.Plans(r.Context(), who.Actor)
	if err != nil {
		return orgsData{}, err
	}
	return orgsData{p, c.Usage.Recent(ids, 30), planOptions(plans, cmp.Or(l.Plan, registry.DefaultPlan))}, nil
}

func (c *Console) orgsPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	d, err := c.orgsData(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "platform-orgs.html", view{Title: "Orgs", Who: who, Section: "orgs", Form: r.URL.Query(), Data: d})
}

func (c *Console) instancesPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	d, err := c.orgsData(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "instances.html", view{Title: "Instances", Who: who, Section: "instances", Form: r.URL.Query(), Data: d})
}

func (c *Console) platformAudit(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	p, err := c.Store.PlatformAudit(r.Context(), who.Actor, auditOf(r.URL.Query()))
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "platform-audit.html", view{Title: "Audit", Who: who, Section: "audit", Form: r.URL.Query(), Data: p})
}

func (c *Console) platformSettings(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if !registry.Allows(who.Actor, "", registry.ActionPlatformRead) {
		return registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees the platform's settings.")
	}
	return c.show(w, r, http.StatusOK, "platform-settings.html", view{Title: "Settings", Who: who, Section: "settings", Data: c.Operator()})
}

func auditOf(q url.Values) registry.AuditList {
	l := listOf(q)
	l.Sort = ""
	return registry.AuditList{List: l, Actor: q.Get("actor"), Action: registry.ChangeKind(q.Get("action"))}
}

// userFilters are which accounts are shown, for choice.
var userFilters = map[string]string{"admins": "Platform admins", "disabled": "Disabled"}

// dormantDays are how long nobody signed in to an account, for choice.
var dormantDays = []int{30, 90, 180, 365}

func (c *Console) usersPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	q := r.URL.Query()
	l := registry.UserList{List: listOf(q), PlatformAdmins: q.Get("show") == "admins"}
	if disabled := true; q.Get("show") == "disabled" {
		l.Disabled = &disabled
	}
	if days, err := strconv.Atoi(q.Get("dormant")); err == nil && slices.Contains(dormantDays, days) {
		l.DormantDays = days
	}
	p, err := c.Store.Users(r.Context(), who.Actor, l)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "users.html", view{Title: "Users", Who: who, Section: "users", Form: q, Data: p})
}

type userData struct {
	Linked   []registry.Identity // at providers
	User     registry.User
	Orgs     []registry.OrgView
	Sessions []registry.Session
	Factors  []registry.Factor
	MadeBy   string // the org whose invitation made the account
	Link     string // for a new password, just made, shown this once
}

func (c *Console) userView(r *http.Request, who web.Caller) (view, error) {
	var d userData
	if !registry.Allows(who.Actor, "", registry.ActionUserRead) {
		return view{}, registry.Errorf(registry.CodeForbidden, "", "Only a platform admin sees other accounts.")
	}
	id := registry.UserID(r.PathValue("user"))
	var err error
	if d.User, err = c.Store.User(r.Context(), who.Actor, id); err != nil {
		return view{}, err
	}
	if d.Orgs, err = c.Store.UserOrgs(r.Context(), who.Actor, id); err != nil {
		return view{}, err
	}
	if d.Factors, err = c.Store.Factors(r.Context(), who.Actor, id); err != nil {
		return view{}, err
	}
	if d.Linked, err = c.Store.Identities(r.Context(), who.Actor, id); err != nil {
		return view{}, err
	}
	if d.MadeBy, err = c.madeBy(r, d.User); err != nil {
		return view{}, err
	}
	d.Sessions, err = c.Store.Sessions(r.Context(), who.Actor, id)
	return view{Title: d.User.Name, Who: who, Section: "users", Data: d}, err
}

func (c *Console) userPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.userView(r, who)
	if err != nil {
		return err
	}
	d := v.Data.(userData)
	if _, err := c.takeShown(r, who, &d.Link); err != nil {
		return err
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "user.html", v)
}

func (c *Console) setAdmin(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.userView(r, who)
	if err != nil {
		return err
	}
	id, admin := registry.UserID(r.PathValue("user")), r.PostForm.Get("admin") == "true"
	if err := c.Store.UpdateUser(r.Context(), who.Actor, id, registry.UserChange{PlatformAdmin: &admin}); err != nil {
		return c.again(w, r, "user.html", v, err)
	}
	http.Redirect(w, r, "/platform/users/"+string(id), http.StatusSeeOther)
	return nil
}

func (c *Console) signOutUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	if !registry.Allows(who.Actor, "", registry.ActionUserUpdate) {
		return registry.Errorf(registry.CodeForbidden, "", "Only a platform admin signs others out.")
	}
	if err := c.Store.RevokeSessions(r.Context(), who.Actor, id, who.Session.ID); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/users/"+string(id), http.StatusSeeOther)
	return nil
}
