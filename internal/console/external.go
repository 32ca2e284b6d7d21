package console

import (
	"net/http"
	"net/url"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// externalCookie keeps a sign-in at a provider that the browser is on.
const externalCookie = "__Host-pizzeria-external"

func keepExternal(w http.ResponseWriter, sealed string) {
	c := &http.Cookie{Name: externalCookie, Value: sealed, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(15 * time.Minute / time.Second)}
	if sealed == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// signInWith sends the browser to a provider. It changes nothing here but the browser's own attempt.
func (c *Console) signInWith(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	q := r.URL.Query()
	to, sealed, err := c.Identity.BeginExternal(r.Context(), registry.ConnectionID(r.PathValue("connection")), identity.External{
		Back: returnTo(q.Get("return")), Again: q.Has("again"), Hint: hint(q.Get("email")),
	})
	if err != nil {
		return err
	}
	keepExternal(w, sealed)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// hint is an e-mail address that a provider may fill its form with.
func hint(email string) string {
	clean, err := registry.CleanEmail(email)
	if err != nil {
		return ""
	}
	return clean
}

// signedInWith takes what the browser brings back from a provider.
func (c *Console) signedInWith(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	sealed, _ := web.OneCookie(r, externalCookie)
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return registry.Errorf(registry.Invalid, "", "The provider's answer is malformed.")
	}
	l, back, err := c.Identity.FinishExternal(r.Context(), registry.ConnectionID(r.PathValue("connection")), q, sealed, who.Actor, who.Client)
	if err != nil {
		if registry.ErrorCode(err) == registry.Gone || registry.ErrorCode(err) == registry.Forbidden || registry.ErrorCode(err) == registry.Conflict {
			_, message := web.Message(err)
			return c.show(w, r, web.Status(err), "external.html", view{Title: "Not signed in", Error: message})
		}
		return err
	}
	keepExternal(w, "")
	switch {
	case l.Second != "":
		return c.showSecond(w, r, view{Form: url.Values{"return": {back}, "second": {l.Second}}}, nil)
	case l.Token == "": // linked
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	return c.signedIn(w, r, who, l, back)
}

// goOn leads the browser to an address that a form may not: the page's policy bounds forms, not links.
func (c *Console) goOn(w http.ResponseWriter, r *http.Request, who web.Caller, name, to string) error {
	return c.show(w, r, http.StatusOK, "go.html", view{Title: "Sign in", Who: who, Data: struct{ Name, To string }{name, to}})
}

func (c *Console) companyPage(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	q := r.URL.Query()
	return c.show(w, r, http.StatusOK, "company.html", view{Title: "Sign in", Form: url.Values{"return": {returnTo(q.Get("return"))}}})
}

// company finds the provider of the company that an address belongs to.
func (c *Console) company(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	email := r.PostForm.Get("email")
	k, err := c.Identity.ConnectionOfEmail(r.Context(), email, who.Client)
	if err != nil {
		return c.again(w, r, "company.html", view{Title: "Sign in"}, err)
	}
	to := url.Values{"return": {returnTo(r.PostForm.Get("return"))}, "email": {hint(email)}}
	return c.goOn(w, r, web.Caller{}, k.Name, "/sign-in/with/"+string(k.ID)+"?"+to.Encode())
}

// linkIdentity links the account to one at a provider, which signs the person in first.
func (c *Console) linkIdentity(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.ConnectionID(r.PathValue("connection"))
	to, sealed, err := c.Identity.BeginExternal(r.Context(), id, identity.External{Back: "/account?done=linked", Account: who.Actor.User, Hint: who.User.Email})
	if err != nil {
		return c.onAccount(w, r, who, "", func() error { return err })
	}
	keepExternal(w, sealed)
	return c.goOn(w, r, who, "", to)
}

func (c *Console) removeIdentity(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "unlinked", func() error {
		return c.Store.RemoveIdentity(r.Context(), who.Actor, who.Actor.User, registry.ConnectionID(r.PathValue("connection")))
	})
}

// unlinkUser takes a link from somebody's account.
func (c *Console) unlinkUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	if !registry.Allows(who.Actor, "", registry.UserUpdate) {
		return registry.Errorf(registry.Forbidden, "", "Only a platform admin unlinks others' accounts.")
	}
	if err := c.Store.RemoveIdentity(r.Context(), who.Actor, id, registry.ConnectionID(r.PathValue("connection"))); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/users/"+string(id), http.StatusSeeOther)
	return nil
}

// signInFor asks somebody who is signed in for what an org asks for beyond that, and then leads on.
func (c *Console) signInFor(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.URL.Query().Get("return"))
	_, err := c.org(r, who)
	if lack := registry.LackOf(err); lack != "" {
		return c.more(w, r, who, lack, back)
	}
	if err == nil {
		http.Redirect(w, r, back, http.StatusSeeOther)
	}
	return err
}

// more asks for what a sign-in lacks for the org of the address, and comes back.
func (c *Console) more(w http.ResponseWriter, r *http.Request, who web.Caller, lack registry.Lack, back string) error {
	switch lack {
	case registry.LackSSO:
		k, err := c.Identity.RequiredConnection(r.Context(), r.PathValue("org"))
		if err != nil {
			return err
		}
		http.Redirect(w, r, "/sign-in/with/"+string(k.ID)+"?"+url.Values{"return": {back}}.Encode(), http.StatusSeeOther)
		return nil
	case registry.LackSecond:
		factors, err := c.Identity.Factors(r.Context(), who.Actor)
		if err != nil {
			return err
		}
		if len(factors) == 0 {
			http.Redirect(w, r, "/account?done=needs-second#second-step", http.StatusSeeOther)
			return nil
		}
	}
	c.signInAgain(w, r, back)
	return nil
}
