package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// withData is what the page shows that asks before it leads to a provider.
type withData struct {
	ID, Name string
	Org      string // whose provider it is; "" of everybody's
	Host     string // where it leads
	Again    bool
}

// withView is the page that asks before a sign-in at a provider begins. A link from elsewhere leads
// no further: it could sign the person in as somebody else.
func (c *Console) withView(r *http.Request, who web.Caller, form url.Values) (view, error) {
	k, org, err := c.Identity.ConnectionOf(r.Context(), registry.ConnectionID(r.PathValue("connection")))
	if err != nil {
		return view{}, err
	}
	d := withData{ID: string(k.ID), Name: k.Name, Org: org, Again: form.Has("again")}
	if u, err := url.Parse(k.Issuer); err == nil {
		d.Host = u.Host
	}
	f := url.Values{"return": {returnTo(form.Get("return"))}, "email": {hint(form.Get("email"))}}
	return view{Title: "Sign in", Who: who, Form: f, Data: d, Orgs: []registry.OrgView{}}, nil
}

func (c *Console) signInWithPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.withView(r, who, r.URL.Query())
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "with.html", v)
}

// signInWith sends the browser to a provider. It changes nothing here but the browser's own attempt.
func (c *Console) signInWith(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.withView(r, who, r.PostForm)
	if err != nil {
		return err
	}
	d := v.Data.(withData)
	e := identity.External{Back: v.Form.Get("return"), Again: d.Again, Hint: v.Form.Get("email")}
	if err := c.begin(w, r, who, d.ID, d.Name, e); err != nil {
		return c.again(w, r, "with.html", v, err)
	}
	return nil
}

// begin begins a sign-in at a provider that the person asked for by a form of ours.
func (c *Console) begin(
	w http.ResponseWriter, r *http.Request, who web.Caller, id, name string, e identity.External,
) error {
	a, err := c.Identity.BeginExternal(r.Context(), registry.ConnectionID(id), e, who.Client)
	if err != nil {
		return err
	}
	keepAttempt(w, r, a)
	return c.goOn(w, r, web.Caller{}, name, a.Redirect)
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
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return registry.Errorf(registry.CodeInvalid, "", "The provider's answer is malformed.")
	}
	id := identity.AttemptOf(q.Get("state"))
	l, back, err := c.Identity.FinishExternal(r.Context(), registry.ConnectionID(r.PathValue("connection")), q, attemptOf(r, id), who.Actor, who.Client)
	if err != nil {
		return c.notSignedIn(w, r, who, back, err)
	}
	dropAttempt(w, r, id)
	switch {
	case l.Other != "":
		return c.showOther(w, r, who, l, back)
	case l.Second != "":
		return c.showSecond(w, r, view{Form: url.Values{"return": {back}, "second": {l.Second}}}, nil)
	case l.Token == "":
		wire.GoTo(w, back)
		return nil
	}
	return c.signedIn(w, r, who, l, back)
}

// notSignedIn answers a sign-in that did not work, and leads to another. Other errors are the
// caller's.
func (c *Console) notSignedIn(
	w http.ResponseWriter, r *http.Request, who web.Caller, back string, err error,
) error {
	switch registry.ErrorCode(err) {
	case registry.CodeGone, registry.CodeForbidden, registry.CodeConflict:
	default:
		return err
	}
	// A tab that was left open, in a browser that signed in meanwhile, goes on. It cannot come back
	// here: only a provider leads here.
	if registry.ErrorCode(err) == registry.CodeGone && back != "" && who.Session.ID != "" && r.Method == http.MethodGet {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	_, message := wire.Message(err)
	return c.show(w, r, wire.Status(err), "external.html", view{
		Title: "Not signed in", Who: who, Orgs: []registry.OrgView{}, Error: message,
		Form: url.Values{"return": {returnTo(back)}},
	})
}

// showOther asks whether somebody who is signed in wants to be somebody else.
func (c *Console) showOther(
	w http.ResponseWriter, r *http.Request, who web.Caller, l identity.Login, back string,
) error {
	c.destination(w, r, back)
	return c.show(w, r, http.StatusOK, "other.html", view{
		Title: "Change accounts", Who: who, Orgs: []registry.OrgView{}, Data: l.User.Email,
		Form: url.Values{"return": {back}, "other": {l.Other}},
	})
}

// continueAs makes somebody who is signed in somebody else, as they wanted.
func (c *Console) continueAs(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	l, err := c.Identity.ContinueAs(r.Context(), r.PostForm.Get("other"), who.Actor, who.Client)
	switch {
	case err != nil:
		return c.notSignedIn(w, r, who, back, err)
	case l.Second != "":
		return c.showSecond(w, r, view{Form: url.Values{"return": {back}, "second": {l.Second}}}, nil)
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
	e := identity.External{Back: returnTo(r.PostForm.Get("return")), Hint: hint(email)}
	if err := c.begin(w, r, who, string(k.ID), k.Name, e); err != nil {
		return c.again(w, r, "company.html", view{Title: "Sign in"}, err)
	}
	return nil
}

// linkIdentity links the account to one at a provider, which signs the person in first.
func (c *Console) linkIdentity(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	e := identity.External{Back: "/account?done=linked", Link: who.Actor, Hint: who.User.Email}
	if err := c.begin(w, r, who, r.PathValue("connection"), "", e); err != nil {
		return c.onAccount(w, r, who, "", func() error { return err })
	}
	return nil
}

func (c *Console) removeIdentity(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "unlinked", func() error {
		return c.Store.RemoveIdentity(r.Context(), who.Actor, who.Actor.User, registry.ConnectionID(r.PathValue("connection")))
	})
}

// unlinkUser takes a link from somebody's account.
func (c *Console) unlinkUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	if !registry.Allows(who.Actor, "", registry.ActionUserUpdate) {
		return registry.Errorf(registry.CodeForbidden, "", "Only a platform admin unlinks others' accounts.")
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
	// Managing an org asks for less than entering it: a platform admin may do the one alone.
	err := c.Identity.Entry(r.Context(), who.Session.ID, registry.OrgID(r.PathValue("org")))
	if lack := registry.LackOf(err); lack != "" {
		return c.more(w, r, who, lack, back)
	}
	if registry.ErrorCode(err) != "" { // those who do not see it are not told that it is there
		if _, err := c.org(r, who); err != nil {
			return err
		}
	}
	wire.GoTo(w, back)
	return nil
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
	case registry.LackRecent:
		q := url.Values{"return": {back}, "over": {r.PathValue("org")}}
		http.Redirect(w, r, "/sign-in?"+q.Encode(), http.StatusSeeOther)
		return nil
	case registry.LackSecond:
		factors, err := c.Identity.Factors(r.Context(), who.Actor)
		if err != nil {
			return err
		}
		if len(factors) == 0 {
			http.Redirect(w, r, "/account?"+url.Values{"done": {"needs-second"}, "return": {back}}.Encode()+"#second-step", http.StatusSeeOther)
			return nil
		}
	}
	c.signInAgain(w, r, back)
	return nil
}
