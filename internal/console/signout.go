package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// signOut ends the session, and goes on to where an app asked for, if one did.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	to := "/signed-out"
	if request := r.PostForm.Get("request"); request != "" {
		q, err := url.ParseQuery(request)
		if err != nil {
			return registry.Errorf(registry.CodeInvalid, "", "The request to sign out is malformed.")
		}
		e, err := c.Identity.EndSession(r.Context(), q, sessionOf(who))
		if err != nil {
			return err
		}
		if e.Refuse == "" && e.Redirect != "" {
			to = e.Redirect
		}
	}
	return c.leave(w, r, who, to)
}

func (c *Console) leave(w http.ResponseWriter, r *http.Request, who web.Caller, to string) error {
	if who.Session.ID != "" {
		if err := c.Identity.SignOut(r.Context(), who.Session.ID); err != nil {
			return err
		}
	}
	web.SetSession(w, "", 0)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func sessionOf(who web.Caller) *registry.Session {
	if who.Session.ID == "" {
		return nil
	}
	return &who.Session
}

// endSessionFor signs out for an app (OpenID Connect RP-Initiated Logout), and asks first unless the app shows that it means this session.
func (c *Console) endSessionFor(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return registry.Errorf(registry.CodeInvalid, "", "The request to sign out is malformed.")
	}
	e, err := c.Identity.EndSession(r.Context(), q, sessionOf(who))
	switch {
	case err != nil:
		return err
	case e.Refuse != "":
		return registry.Errorf(registry.CodeInvalid, "", "This request to sign out is not valid: %s.", e.Refuse)
	case e.Ask:
		if e.Redirect != "" {
			u, err := url.Parse(e.Redirect)
			if err != nil {
				return err
			}
			c.secure(w, u.Scheme+"://"+u.Host)
		}
		return c.show(w, r, http.StatusOK, "sign-out.html", view{Title: "Sign out", Who: who, Data: r.URL.RawQuery})
	case e.Redirect == "":
		e.Redirect = "/signed-out"
	}
	return c.leave(w, r, who, e.Redirect)
}

func (c *Console) signedOut(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	return c.show(w, r, http.StatusOK, "signed-out.html", view{Title: "Signed out"})
}
