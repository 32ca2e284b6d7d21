package console

import (
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// closingData is what the pages that disable and delete an account show.
type closingData struct {
	User registry.User
	Self bool
	Base string // where its page is
}

// closing is the page that closes the account in the path, or one's own.
func (c *Console) closing(r *http.Request, who web.Caller, verb string) (view, closingData, error) {
	d := closingData{User: who.User, Self: true, Base: "/account"}
	if id := registry.UserID(r.PathValue("user")); id != "" {
		if !registry.Allows(who.Actor, "", registry.ActionUserUpdate) {
			return view{}, d, registry.Errorf(registry.CodeForbidden, "", "Only platform admins change other accounts.")
		}
		u, err := c.Store.User(r.Context(), who.Actor, id)
		if err != nil {
			return view{}, d, err
		}
		d = closingData{User: u, Self: u.ID == who.Actor.User, Base: "/platform/users/" + string(u.ID)}
	}
	title := verb + " " + d.User.Name
	if d.Self {
		title = verb + " your account"
	}
	return view{Title: title, Who: who, Section: "users", Data: d}, d, nil
}

func (c *Console) disablePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.closing(r, who, "Disable")
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "disable-user.html", v)
}

func (c *Console) disableUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.closing(r, who, "Disable")
	if err != nil {
		return err
	}
	_, err = c.Store.DisableUser(r.Context(), who.Actor, d.User.ID, registry.UserDisabling{
		Reason: r.PostForm.Get("reason"), RevokeRunners: r.PostForm.Get("runners") == "revoke",
		LastOwner: r.PostForm.Get("last_owner") == "1",
	})
	if err != nil {
		return c.again(w, r, "disable-user.html", v, err)
	}
	http.Redirect(w, r, d.Base, http.StatusSeeOther)
	return nil
}

func (c *Console) enableUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	_, d, err := c.closing(r, who, "Enable")
	if err == nil {
		_, err = c.Store.EnableUser(r.Context(), who.Actor, d.User.ID)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, d.Base, http.StatusSeeOther)
	return nil
}

func (c *Console) deleteUserPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.closing(r, who, "Delete")
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "delete-user.html", v)
}

func (c *Console) deleteUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.closing(r, who, "Delete")
	if err != nil {
		return err
	}
	if err = d.User.Confirm(r.PostForm.Get("confirm")); err == nil {
		_, err = c.Store.DeleteUser(r.Context(), who.Actor, d.User.ID, registry.UserDeletion{RevokeRunners: r.PostForm.Get("runners") == "revoke"})
	}
	if err != nil {
		return c.again(w, r, "delete-user.html", v, err)
	}
	if d.Self {
		web.SetSession(w, "", 0) // the session is gone with the account
		http.Redirect(w, r, "/signed-out", http.StatusSeeOther)
		return nil
	}
	http.Redirect(w, r, "/platform/users", http.StatusSeeOther)
	return nil
}
