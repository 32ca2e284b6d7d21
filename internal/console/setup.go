package console

import (
	"net/http"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func (c *Console) setupPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if l, err := c.Identity.Link(r.Context(), registry.AsVisitor(who.Client.Address), r.PathValue("token")); err != nil {
		return err
	} else if l.Kind != registry.LinkSetup {
		return registry.Errorf(registry.CodeGone, "", "This is not a set-up link.")
	}
	return c.show(w, r, http.StatusOK, "setup.html", view{Title: "Set up Pizzeria"})
}

func (c *Console) setup(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.Identity.Setup(r.Context(), r.PathValue("token"), r.PostForm.Get("email"), r.PostForm.Get("name"), r.PostForm.Get("password"), who.Client)
	if err != nil {
		return c.again(w, r, "setup.html", view{Title: "Set up Pizzeria"}, err)
	}
	web.SignedIn(w, l)
	http.Redirect(w, r, "/orgs/new", http.StatusSeeOther)
	return nil
}
