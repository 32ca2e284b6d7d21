package console

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"github.com/pizzaface/pizzeria/identity"
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

type membersData struct {
	Members registry.Page[registry.Member]
	Invites []registry.Link
	Invited invited
	Mail    bool // whether mail is sent
	Support []registry.Support
	Ask     bool // whether the caller may ask for support access

	Approvals []registry.Approval
}

// invited is what became of invitations just made, shown once.
type invited struct {
	Links   []invitationLink
	Mailed  []string // who was invited by mail
	Waiting []string // about whom an owner was asked
}

type invitationLink struct{ Email, URL string }

func (c *Console) membersView(r *http.Request, who web.Caller) (view, membersData, error) {
	o, err := c.org(r, who)
	if err != nil {
		return view{}, membersData{}, err
	}
	v := view{Title: o.Name + " members", Who: who, Org: &o, Tab: "members"}
	d := membersData{Mail: c.Operator().Mail}
	if d.Members, err = c.Store.Members(r.Context(), who.Actor, o.ID, registry.List{Cursor: r.URL.Query().Get("cursor"), Search: r.URL.Query().Get("search")}); err != nil {
		return v, d, err
	}
	if v.May(registry.ActionMemberInvite) {
		if d.Invites, err = c.Store.Invites(r.Context(), who.Actor, o.ID); err != nil {
			return v, d, err
		}
	}
	if v.May(registry.ActionSupportRead) {
		d.Support, err = c.Store.Supports(r.Context(), who.Actor, o.ID)
	}
	if err == nil {
		d.Approvals, err = c.Store.Approvals(r.Context(), who.Actor, o.ID)
	}
	d.Ask = v.May(registry.ActionSupportRequest) && o.Role == ""
	v.Data = d
	return v, d, err
}

func (c *Console) membersPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.membersView(r, who)
	if err != nil {
		return err
	}
	if _, err := c.takeShown(r, who, &d.Invited); err != nil {
		return err
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "members.html", v)
}

func (c *Console) invite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	if !registry.Allows(who.Actor, o.Role, registry.ActionMemberInvite) {
		return registry.Errorf(registry.CodeForbidden, "", "Only an admin of the org invites people.")
	}
	made, err := c.inviteAll(r, who, o.ID)
	return c.invited(w, r, who, o, made, err)
}

// reinvite invites somebody again.
func (c *Console) reinvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	i, err := c.Identity.Reinvite(r.Context(), who.Actor, o.ID, r.PathValue("invite"))
	return c.invited(w, r, who, o, []identity.Invitation{i}, err)
}

// invited shows the links of invitations just made, or to whom they were mailed, or who waits.
func (c *Console) invited(w http.ResponseWriter, r *http.Request, who web.Caller, o registry.OrgView, made []identity.Invitation, err error) error {
	if err != nil {
		v, _, err2 := c.membersView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "members.html", v, err)
	}
	var d invited
	for _, i := range made {
		switch {
		case i.Invite.ID == "":
			d.Waiting = append(d.Waiting, i.Approval.Email)
		case i.Link == "":
			d.Mailed = append(d.Mailed, i.Invite.Email)
		default:
			d.Links = append(d.Links, invitationLink{i.Invite.Email, i.Link})
		}
	}
	return c.redirectShown(w, r, who, "/orgs/"+o.Slug+"/members", d)
}

// maxInvites bounds how many people are invited at once.
const maxInvites = 100

// inviteAll invites every address in the form. All are checked before the first is invited.
func (c *Console) inviteAll(r *http.Request, who web.Caller, org registry.OrgID) (made []identity.Invitation, err error) {
	role := registry.Role(r.PostForm.Get("role"))
	emails := strings.FieldsFunc(r.PostForm.Get("email"), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	if len(emails) == 0 || len(emails) > maxInvites {
		return nil, registry.Errorf(registry.CodeInvalid, "email", "Write 1 to %d e-mail addresses.", maxInvites)
	}
	for _, e := range emails {
		if _, err := registry.CleanEmail(e); err != nil {
			return nil, err
		}
	}
	for _, e := range emails {
		i, err := c.Identity.InviteOrAsk(r.Context(), who.Actor, org, e, role)
		if err != nil {
			return made, err
		}
		made = append(made, i)
	}
	return made, nil
}

func (c *Console) revokeInvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.RevokeInvite(ctx, who.Actor, o.ID, r.PathValue("invite"))
	})
}

func (c *Console) setRole(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		_, err := c.Identity.SetRoleOrAsk(ctx, who.Actor, o.ID, registry.UserID(r.PathValue("user")), registry.Role(r.PostForm.Get("role")))
		return err
	})
}

type removeData struct {
	Member  registry.Member
	Runners []registry.Runner // what the person enrolled
	Self    bool
}

// removePage asks before a member is removed, and names what the person enrolled.
func (c *Console) removePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	self := registry.UserID(r.PathValue("user")) == who.Actor.User
	action := registry.ActionMemberRemove
	if self { // everybody may leave
		action = registry.ActionOrgRead
	}
	v, err := c.orgView(r, who, "members", action)
	if err != nil {
		return err
	}
	d := removeData{Self: self}
	if d.Member, err = c.Store.Member(r.Context(), who.Actor, v.Org.ID, registry.UserID(r.PathValue("user"))); err != nil {
		return err
	}
	p, err := c.Store.Runners(r.Context(), who.Actor, v.Org.ID, registry.RunnerList{List: registry.List{Limit: registry.MaxPage}, EnrolledBy: d.Member.UserID})
	if err != nil {
		return err
	}
	d.Runners = p.Items
	v.Title, v.Data = "Remove "+d.Member.Name, d
	if self {
		v.Title = "Leave " + v.Org.Name
	}
	return c.show(w, r, http.StatusOK, "remove-member.html", v)
}

func (c *Console) removeMember(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	id := registry.UserID(r.PathValue("user"))
	if _, err := c.Store.RemoveMember(r.Context(), who.Actor, o.ID, id, registry.MemberRemoval{RevokeRunners: r.PostForm.Get("runners") == "revoke"}); err != nil {
		return err
	}
	to := "/orgs/" + o.Slug + "/members"
	if id == who.Actor.User && !who.Actor.Platform() { // there is nothing to see there any more
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (c *Console) auditPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	l := auditOf(r.URL.Query())
	if l.Cursor, err = c.Identity.ShowCursor(o.ID, l.Cursor); err != nil {
		return err
	}
	entries, err := c.Store.Audit(r.Context(), who.Actor, o.ID, l)
	if err != nil {
		return err
	}
	entries.Next = c.Identity.HideCursor(o.ID, entries.Next)
	return c.show(w, r, http.StatusOK, "audit.html", view{Title: o.Name + " audit", Who: who, Org: &o, Tab: "audit", Form: r.URL.Query(), Data: entries})
}
