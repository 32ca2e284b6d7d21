package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// maxReturn holds an authorization request from an org's gateway, whose state holds a path of
// web.MaxPath, sealed and in base64.
const maxReturn = 2 * wire.MaxPath

// returnTo is where to go after signing in: a page of the console, or back into an authorization request.
// The browser takes its fragment along to the page that the request leads to.
func returnTo(v string) string { return wire.ReturnPathMax(v, maxReturn) }

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.URL.Query().Get("return"))
	if who.Actor.MustReview() && !r.URL.Query().Has("again") {
		c.toReview(w, r, back)
		return nil
	}
	over := c.over(r, who)
	if who.Actor.Valid() && !r.URL.Query().Has("again") && over == "" {
		wire.GoTo(w, back)
		return nil
	}
	form := url.Values{"return": {back}, "email": {who.User.Email}}
	if r.URL.Query().Has("other") {
		form.Del("email")
	}
	v := view{Form: form}
	if r.URL.Query().Get("done") == "password" {
		form.Set("email", c.aboutOf(r))
		v.Done = "Your password is changed and all your sessions have ended. Sign in with the new password."
	}
	return c.showSignIn(w, r, who, v, over, nil)
}

// signInData is what the page to sign in shows.
type signInData struct {
	identity.SignInPage
	As      string // the address of who is signed in
	Passkey identity.Ceremony
	Back    string // where the person goes then
	Again   bool   // whoever is signed in is asked again
	Over    string // why a session is over for the org
}

// showSignIn shows the page to sign in, after an error with what was typed. over is why a session
// is over for the org that somebody is going to.
func (c *Console) showSignIn(
	w http.ResponseWriter, r *http.Request, who web.Caller, v view, over string, err error,
) error {
	back := v.Form.Get("return")
	if err != nil {
		back = returnTo(r.PostForm.Get("return"))
	}
	d := signInData{
		As: who.User.Email, Back: back, Again: r.URL.Query().Has("again"), Over: over,
	}
	var err2 error
	if d.Passkey, err2 = c.Identity.AskPasskey(); err2 != nil {
		return err2
	}
	d.SignInPage, err2 = c.Identity.SignInPage(
		r.Context(), authorization(back), who.Session.ConnectionID)
	if err2 != nil {
		return err2
	}
	c.leadsTo(w, d.Destination)
	v.Title, v.Data = "Sign in", d
	if err != nil {
		return c.again(w, r, "sign-in.html", v, err)
	}
	return c.show(w, r, http.StatusOK, "sign-in.html", v)
}

// over is why the session of who is signed in is over for the org that they are going to, "" where it
// is not.
func (c *Console) over(r *http.Request, who web.Caller) string {
	org := registry.OrgID(r.URL.Query().Get("over"))
	if org == "" || who.Session.ID == "" {
		return ""
	}
	if !registry.ValidID(string(org)) {
		var err error
		if org, err = c.Store.OrgID(r.Context(), who.Actor, string(org)); err != nil {
			return ""
		}
	}
	// Entering an org and managing it ask for different things of a platform admin.
	err := c.Identity.Entry(r.Context(), who.Session.ID, org)
	if registry.LackOf(err) != registry.LackRecent {
		_, err = c.Store.Org(r.Context(), who.Actor, org)
	}
	if registry.LackOf(err) != registry.LackRecent {
		return ""
	}
	_, why := wire.Message(err)
	return why
}

// authorization is the authorization request that a page leads to, nil for none.
func authorization(back string) url.Values {
	if u, err := url.Parse(back); err == nil && u.Path == "/authorize" {
		return u.Query()
	}
	return nil
}

// destination lets the forms of a page lead to the app that an authorization request is for.
func (c *Console) destination(w http.ResponseWriter, r *http.Request, back string) {
	if q := authorization(back); q != nil {
		c.leadsTo(w, c.Identity.Destination(r.Context(), q))
	}
}

func (c *Console) leadsTo(w http.ResponseWriter, d identity.Destination) {
	if d.Origin != "" {
		c.secure(w, d.Origin)
	}
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	l, err := c.Identity.SignIn(r.Context(), r.PostForm.Get("email"), r.PostForm.Get("password"), who.Client)
	if err != nil {
		return c.showSignIn(w, r, who, view{}, "", err)
	}
	if l.Second != "" {
		return c.showSecond(w, r, view{Form: url.Values{"return": {back}, "second": {l.Second}}}, nil)
	}
	return c.signedIn(w, r, who, l, back)
}

// signInSecond takes the second step, after the password.
func (c *Console) signInSecond(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	p := identity.Proof{Code: r.PostForm.Get("code"), Sealed: r.PostForm.Get("sealed"), Answer: r.PostForm.Get("response")}
	l, err := c.Identity.SignInSecond(r.Context(), r.PostForm.Get("second"), p, who.Client)
	if err != nil {
		return c.showSecond(w, r, view{Form: r.PostForm}, late(err))
	}
	return c.signedIn(w, r, who, l, back)
}

// secondStepData is what the page of the second step shows: what the person has.
type secondStepData struct {
	Code    bool
	Passkey *identity.Ceremony
}

func (c *Console) showSecond(w http.ResponseWriter, r *http.Request, v view, err error) error {
	code, passkey, err2 := c.Identity.SecondSteps(r.Context(), v.Form.Get("second"))
	back := returnTo(v.Form.Get("return"))
	if registry.ErrorCode(err2) == registry.CodeGone {
		return c.notSignedIn(w, r, web.Caller{}, back, err2)
	}
	if err2 != nil {
		return err2
	}
	c.destination(w, r, back)
	d := secondStepData{Code: code}
	if passkey {
		ask, err := c.Identity.AskPasskey()
		if err != nil {
			return err
		}
		d.Passkey = &ask
	}
	v.Title, v.Data = "Sign in", d
	if err != nil {
		r.PostForm.Del("code")
		return c.again(w, r, "second.html", v, err)
	}
	return c.show(w, r, http.StatusOK, "second.html", v)
}

// signInPasskey signs the holder of a passkey in, without a password.
func (c *Console) signInPasskey(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	l, err := c.Identity.SignInPasskey(r.Context(), r.PostForm.Get("sealed"), r.PostForm.Get("response"), who.Client)
	if err != nil {
		return c.showSignIn(w, r, who, view{}, "", late(err))
	}
	return c.signedIn(w, r, who, l, back)
}

// signedIn gives the browser its session, and goes on to where it was going.
func (c *Console) signedIn(w http.ResponseWriter, r *http.Request, who web.Caller, l identity.Login, back string) error {
	if who.Session.ID != "" { // somebody else was signed in here
		if err := c.Identity.SignOut(r.Context(), who.Session.ID); err != nil {
			return err
		}
	}
	web.SignedIn(w, l)
	wire.GoTo(w, back)
	return nil
}
