package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

func (c *Console) setupPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if l, err := c.Identity.Link(r.Context(), registry.AsVisitor(who.Client.Address), r.PathValue("token")); err != nil {
		return err
	} else if l.Kind != registry.LinkSetup {
		return registry.Errorf(registry.Gone, "", "This is not a set-up link.")
	}
	return c.show(w, r, http.StatusOK, "setup.html", view{Title: "Set up Pizzeria"})
}

func (c *Console) setup(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.Identity.Setup(r.Context(), r.PathValue("token"), r.PostForm.Get("email"), r.PostForm.Get("name"), r.PostForm.Get("password"), who.Client)
	if err != nil {
		return c.again(w, r, "setup.html", view{Title: "Set up Pizzeria"}, err)
	}
	web.SetSession(w, l.Token)
	http.Redirect(w, r, "/orgs/new", http.StatusSeeOther)
	return nil
}

// returnTo is where to go after signing in: a page of the console, or back into an authorization request.
func returnTo(v string) string { return web.ReturnPath(v) }

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.URL.Query().Get("return"))
	if who.Actor.Valid() {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	return c.show(w, r, http.StatusOK, "sign-in.html", view{Title: "Sign in", Form: url.Values{"return": {back}}, Data: c.orgOf(r, back)})
}

// orgOf names the org that an authorization request is for.
func (c *Console) orgOf(r *http.Request, back string) string {
	u, err := url.Parse(back)
	if err != nil || u.Path != "/authorize" {
		return ""
	}
	return c.Identity.OrgNameFor(r.Context(), u.Query().Get("client_id"))
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	l, err := c.Identity.SignIn(r.Context(), r.PostForm.Get("email"), r.PostForm.Get("password"), who.Client)
	if err != nil {
		return c.again(w, r, "sign-in.html", view{Title: "Sign in", Data: c.orgOf(r, back)}, err)
	}
	if who.Session.ID != "" { // somebody else was signed in here
		if err := c.Identity.SignOut(r.Context(), who.Session.ID); err != nil {
			return err
		}
	}
	web.SetSession(w, l.Token)
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	if who.Session.ID != "" {
		if err := c.Identity.SignOut(r.Context(), who.Session.ID); err != nil {
			return err
		}
	}
	web.SetSession(w, "")
	http.Redirect(w, r, "/signed-out", http.StatusSeeOther)
	return nil
}

func (c *Console) signedOut(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	return c.show(w, r, http.StatusOK, "signed-out.html", view{Title: "Signed out"})
}

func (c *Console) invitePage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.inviteView(r, who)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "invite.html", v)
}

func (c *Console) inviteView(r *http.Request, who web.Caller) (view, error) {
	a := who.Actor
	if !a.Valid() {
		a = registry.AsVisitor(who.Client.Address)
	}
	l, err := c.Identity.Link(r.Context(), a, r.PathValue("token"))
	if err == nil && l.Kind != registry.LinkInvite {
		err = registry.Errorf(registry.Gone, "", "This is not an invitation.")
	}
	return view{Title: "Join " + l.OrgName, Who: who, Data: l, Form: url.Values{"return": {r.URL.Path}}}, err
}

// acceptInvite makes the signed-in person a member, or an account first for somebody new.
func (c *Console) acceptInvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.inviteView(r, who)
	if err != nil {
		return err
	}
	var l registry.Link
	if who.Actor.Valid() {
		l, err = c.Identity.Accept(r.Context(), who.Actor, r.PathValue("token"))
	} else {
		var login identity.Login
		if login, l, err = c.Identity.AcceptAsNew(r.Context(), r.PathValue("token"), r.PostForm.Get("name"), r.PostForm.Get("password"), who.Client); err == nil {
			web.SetSession(w, login.Token)
		}
	}
	if err != nil {
		return c.again(w, r, "invite.html", v, err)
	}
	http.Redirect(w, r, "/orgs/"+l.OrgSlug, http.StatusSeeOther)
	return nil
}
