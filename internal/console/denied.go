package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// deniedData is what the page shows to somebody who may not enter the org that they are going to.
type deniedData struct {
	Name string // of the org; "" where nobody is told which orgs there are
	Held bool   // a member, who has to be confirmed
}

// denied says as whom somebody is signed in who may not enter an org, and lets them sign in as
// somebody else. It is on this host since an org's app reads every page of its own.
func (c *Console) denied(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.URL.Query().Get("return"))
	q := authorization(back)
	if q == nil {
		return registry.Errorf(registry.CodeInvalid, "", "This address names no organization.")
	}
	d, status := deniedData{}, http.StatusForbidden
	to := c.Identity.Destination(r.Context(), q)
	if to.Org != "" {
		err := c.Identity.Entry(r.Context(), who.Session.ID, to.Org)
		if registry.ErrorCode(err) != registry.CodeForbidden {
			if err == nil || registry.ErrorCode(err) == registry.CodeReauthenticationNeeded {
				http.Redirect(w, r, back, http.StatusSeeOther)
				return nil
			}
			return err
		}
		d.Name = to.Name
		waiting, err := c.Store.Returns(r.Context(), who.Actor, who.Actor.User)
		if err != nil {
			return err
		}
		for _, p := range waiting {
			d.Held = d.Held || p.OrgID == to.Org
		}
	} else {
		status = http.StatusNotFound
	}
	return c.show(w, r, status, "denied.html", view{
		Title: "No access", Who: who, Data: d, Form: url.Values{"return": {back}},
	})
}
