package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
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
	if who.Actor.Valid() && !r.URL.Query().Has("again") && c.over(r, who) == "" {
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
	return c.showSignIn(w, r, who, v, nil)
}

// signInData is what the page to sign in shows.
type signInData struct {
	To      string // the name of the org or app that the person is going to
	As      string // the address of who is signed in
	Passkey identity.Ceremony
	Own     []registry.Connection // of the org that the person is going to
	Others  []registry.Connection // for everybody
	Back    string                // where the person goes then
	Again   bool                  // whoever is signed in is asked again
	Over    string                // why a session is over for the org
}

// showSignIn shows the page to sign in, after an error with what was typed.
func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request, who web.Caller, v view, err error) error {
	back := v.Form.Get("return")
	if err != nil {
		back = returnTo(r.PostForm.Get("return"))
	}
	d := signInData{To: c.destination(w, r, back), As: who.User.Email}
	var err2 error
	if d.Passkey, err2 = c.Identity.AskPasskey(); err2 != nil {
		return err2
	}
	if d.Own, d.Others, err2 = c.connectionsTo(r, who, back); err2 != nil {
		return err2
	}
	d.Back, d.Again, d.Over = back, r.URL.Query().Has("again"), c.over(r, who)
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

// connectionsTo are the connections by which somebody may sign in who is going somewhere.
// The one that they are signed in by comes first.
func (c *Console) connectionsTo(r *http.Request, who web.Caller, back string) (own, others []registry.Connection, err error) {
	if u, err := url.Parse(back); err == nil && u.Path == "/authorize" {
		if id := c.Identity.OrgOf(r.Context(), u.Query()); id != "" {
			if own, err = c.Identity.ConnectionsFor(r.Context(), id); err != nil {
				return nil, nil, err
			}
		}
	}
	if others, err = c.Identity.ConnectionsFor(r.Context(), ""); err != nil || who.Session.ConnectionID == "" {
		return own, others, err
	}
	is := func(k registry.Connection) bool { return k.ID == who.Session.ConnectionID }
	mine, err := c.Identity.Connection(r.Context(), who.Session.ConnectionID)
	if err != nil {
		return nil, nil, err
	}
	return append([]registry.Connection{mine}, slices.DeleteFunc(own, is)...), slices.DeleteFunc(others, is), nil
}

// destination names the org or app that an authorization request is for, and lets the form lead to it.
func (c *Console) destination(w http.ResponseWriter, r *http.Request, back string) string {
	u, err := url.Parse(back)
	if err != nil || u.Path != "/authorize" {
		return ""
	}
	name, origin := c.Identity.Destination(r.Context(), u.Query())
	if origin != "" {
		c.secure(w, origin)
	}
	return name
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	back := returnTo(r.PostForm.Get("return"))
	l, err := c.Identity.SignIn(r.Context(), r.PostForm.Get("email"), r.PostForm.Get("password"), who.Client)
	if err != nil {
		return c.showSignIn(w, r, who, view{}, err)
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
		return c.showSignIn(w, r, who, view{}, late(err))
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
		err = registry.Errorf(registry.CodeGone, "", "This is not an invitation.")
	}
	if err != nil {
		return view{}, err
	}
	d := inviteData{Link: l}
	u := who.User
	if u.Email == l.Email && !u.EmailVerified && l.Role.AtLeast(registry.RoleAdmin) {
		d.Waits = !l.Mailed // who followed a mailed link has shown that mail arrives
		d.MadeBy, err = c.madeBy(r, u)
	}
	return view{
		Title: "Join " + l.OrgName, Who: who, Data: d, Form: url.Values{"return": {r.URL.Path}},
	}, err
}

// inviteData is what the page of an invitation shows.
type inviteData struct {
	registry.Link
	Waits  bool   // the role, until the address of the account is verified
	MadeBy string // the org whose invitation made the account, "" for none
}

// madeBy names the org whose invitation or provider made an account, "" for none that there is.
func (c *Console) madeBy(r *http.Request, u registry.User) (string, error) {
	if u.MadeByOrg == "" {
		return "", nil
	}
	o, err := c.Store.Org(r.Context(), registry.AsSystem("invitations"), u.MadeByOrg)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return "an organization that was deleted", nil
	}
	return o.Name, err
}

// declineInvite ends an invitation that somebody does not want.
func (c *Console) declineInvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, err := c.inviteView(r, who)
	if err == nil {
		err = c.Identity.Decline(r.Context(), r.PathValue("token"), who.Client)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, c.about("/declined", v.Data.(inviteData).OrgName), http.StatusSeeOther)
	return nil
}

func (c *Console) declined(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.show(w, r, http.StatusOK, "declined.html", view{
		Title: "Declined", Who: who, Data: c.aboutOf(r),
	})
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
			web.SignedIn(w, login)
		}
	}
	if err != nil {
		return c.again(w, r, "invite.html", v, err)
	}
	http.Redirect(w, r, "/orgs/"+l.OrgSlug, http.StatusSeeOther)
	return nil
}
