package console

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

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
