package console

import (
	"context"
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

type membersData struct {
	Members registry.Page[registry.Member]
	Invites []registry.Link
	Invited invited
	Mail    bool // whether mail is sent
	Support []registry.Support
	Ask     bool // whether the caller may ask for support access

	Approvals []registry.Approval
}

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
