package console

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func (c *Console) home(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v := view{Title: "My orgs", Who: who, Section: "home"}
	var err error
	if v.Orgs, err = c.Store.MyOrgs(r.Context(), who.Actor); err != nil {
		return err
	}
	if v.Data, err = c.Store.Returns(r.Context(), who.Actor, who.Actor.User); err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "home.html", v)
}

func (c *Console) newOrgPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v := view{Title: "New org", Who: who}
	if !v.May(registry.ActionOrgCreate) {
		return registry.Errorf(registry.CodeForbidden, "", "Only a platform admin may create orgs.")
	}
	plans, err := c.Store.Plans(r.Context(), who.Actor)
	if err != nil {
		return err
	}
	v.Data = planOptions(plans, registry.DefaultPlan)
	return c.show(w, r, http.StatusOK, "new-org.html", v)
}

func (c *Console) createOrg(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.Store.CreateOrg(r.Context(), who.Actor, registry.NewOrg{
		Slug: r.PostForm.Get("slug"), Name: r.PostForm.Get("name"), Plan: r.PostForm.Get("plan"),
		Owner: who.Actor.User,
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/orgs/"+o.Slug, http.StatusSeeOther)
	return nil
}

// org resolves {org}, a slug or an ID.
func (c *Console) org(r *http.Request, who web.Caller) (registry.OrgView, error) {
	key := r.PathValue("org")
	if registry.ValidID(key) {
		return c.Store.Org(r.Context(), who.Actor, registry.OrgID(key))
	}
	return c.Store.OrgBySlug(r.Context(), who.Actor, key)
}

func (c *Console) orgPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	over := rangeOf(r)
	points, err := c.Usage.History(r.Context(), c.Store, who.Actor, o.ID, over)
	if err != nil {
		return err
	}
	plan, err := c.planOf(r.Context(), who, o)
	if err != nil {
		return err
	}
	v := view{Title: o.Name, Who: who, Org: &o, Tab: "overview", Data: struct {
		Range  usage.Range
		Charts []chart
		Plan   planData
	}{over, chartsOf(points, over), plan}}
	if err := c.keepLive(r.Context(), &v); err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "org.html", v)
}

// act runs a change of the page's org and comes back to a page of it; what is refused is said there.
func (c *Console) act(w http.ResponseWriter, r *http.Request, who web.Caller, page string, f func(ctx context.Context, o registry.OrgView) error) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	if err := f(r.Context(), o); err != nil {
		return err
	}
	http.Redirect(w, r, "/orgs/"+o.Slug+page, http.StatusSeeOther)
	return nil
}

func (c *Console) suspend(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.SuspendOrg(ctx, who.Actor, o.ID, 0, r.PostForm.Get("reason"))
	})
}

func (c *Console) resume(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.ResumeOrg(ctx, who.Actor, o.ID, 0)
	})
}

func (c *Console) restart(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.RestartInstance(ctx, who.Actor, o.ID, 0)
	})
}

func (c *Console) deletePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	v := view{Title: "Delete " + o.Name, Who: who, Org: &o, Tab: "overview"}
	if !v.May(registry.ActionOrgDelete) {
		return registry.Errorf(registry.CodeForbidden, "", "Only an owner may delete an org.")
	}
	return c.show(w, r, http.StatusOK, "delete.html", v)
}

func (c *Console) deleteOrg(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	if err := c.Store.DeleteOrg(r.Context(), who.Actor, o.ID, 0, registry.OrgDeletion{Confirm: r.PostForm.Get("confirm")}); err != nil {
		return c.again(w, r, "delete.html", view{Title: "Delete " + o.Name, Who: who, Org: &o, Tab: "overview"}, err)
	}
	http.Redirect(w, r, "/orgs/"+o.Slug, http.StatusSeeOther)
	return nil
}

func (c *Console) keep(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.KeepOrg(ctx, who.Actor, o.ID, 0)
	})
}

// maxInvites bounds how many people are invited at once.
const maxInvites = 100

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
		c.Count(&p.Items[i].Instance)
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

// tab is an entry of an org's tabs.
type tab struct {
	Path, Tab, Name string
	Action          registry.Action
}

// orgView is the view of one of an org's tabs.
func (c *Console) orgView(r *http.Request, who web.Caller, name string, action registry.Action) (view, error) {
	o, err := c.org(r, who)
	if err != nil {
		return view{}, err
	}
	v := view{Title: o.Name + " " + name, Who: who, Org: &o, Tab: name}
	if !v.May(action) {
		return v, registry.Errorf(registry.CodeForbidden, "", "Your role in this org does not show you that: ask an admin of it.")
	}
	return v, nil
}

// orgVersion is the version of the org that a form was made for, 0 when it names none.
func orgVersion(r *http.Request) int64 {
	n, err := strconv.ParseInt(r.PostForm.Get(versionField), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (c *Console) saveName(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onSettings(w, r, who, func(o registry.OrgView) error {
		return c.Store.UpdateOrg(r.Context(), who.Actor, o.ID, orgVersion(r), r.PostForm.Get("name"))
	})
}

func (c *Console) rename(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onSettings(w, r, who, func(o registry.OrgView) error {
		return c.Store.RenameOrg(r.Context(), who.Actor, o.ID, 0, r.PostForm.Get("slug"))
	})
}

var tabs = []tab{
	{"", "overview", "Overview", registry.ActionOrgRead}, {"/members", "members", "Members", registry.ActionMemberRead}, {"/instance", "instance", "Instance", registry.ActionOrgRead},
	{"/runners", "runners", "Runners", registry.ActionRunnerRead}, {"/settings", "settings", "Settings", registry.ActionSettingsRead}, {"/sign-in", "sign-in", "Sign-in", registry.ActionSignInRead}, {"/keys", "keys", "Keys", registry.ActionKeyRead},
	{"/webhooks", "webhooks", "Webhooks", registry.ActionWebhookRead}, {"/audit", "audit", "Audit", registry.ActionAuditRead},
}
