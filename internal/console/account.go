package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

func (c *Console) accountView(r *http.Request, who web.Caller) (view, keysData, error) {
	d := keysData{Base: "/account/keys", Mail: c.Operator().Mail}
	for _, s := range registry.Scopes() {
		if s != registry.ScopePlatform || who.Actor.Platform() {
			d.Scopes = append(d.Scopes, s)
		}
	}
	var err error
	if d.Sessions, err = c.Store.Sessions(r.Context(), who.Actor, who.Actor.User); err != nil {
		return view{}, d, err
	}
	if d.Factors, err = c.Identity.Factors(r.Context(), who.Actor); err != nil {
		return view{}, d, err
	}
	if d.Linked, err = c.Store.Identities(r.Context(), who.Actor, who.Actor.User); err != nil {
		return view{}, d, err
	}
	if d.Others, err = c.Identity.ConnectionsFor(r.Context(), ""); err != nil {
		return view{}, d, err
	}
	d.Others = slices.DeleteFunc(d.Others, func(k registry.Connection) bool {
		return slices.ContainsFunc(d.Linked, func(i registry.Identity) bool { return i.ConnectionID == k.ID })
	})
	d.Keys, err = c.Store.APIKeys(r.Context(), who.Actor, "")
	done := map[string]string{
		"password": "Your password is changed. All your other sessions have ended.", "name": "Your name is changed.",
		"sessions": "You are signed out there.", "key": "The key is revoked.",
		"mailed": "A link is on its way to you. It works for a day.", "verified": "Your address is verified.",
		"second": "The second step is added.", "second-removed": "The second step is removed.",
		"linked": "The account is linked: you can sign in with it.", "unlinked": "The link is removed.",
		"needs-second": "The organization you are going to requires two-factor authentication. Add a passkey or an authenticator app to continue.",
	}[r.URL.Query().Get("done")]
	return view{Title: "Account", Who: who, Data: d, Done: done, Form: backForm(r)}, d, err
}

func (c *Console) accountPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, d, err := c.accountView(r, who)
	if err != nil {
		return err
	}
	if _, err := c.takeShown(r, who, &d.Secret); err != nil {
		return err
	}
	v.Data = d
	return c.show(w, r, http.StatusOK, "account.html", v)
}

// onAccount runs a change of the account and comes back to its page; what is refused is said there.
func (c *Console) onAccount(w http.ResponseWriter, r *http.Request, who web.Caller, done string, f func() error) error {
	if err := f(); err != nil {
		v, _, err2 := c.accountView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "account.html", v, err)
	}
	http.Redirect(w, r, "/account?done="+done, http.StatusSeeOther)
	return nil
}

func (c *Console) changeName(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "name", func() error {
		name := r.PostForm.Get("name")
		return c.Store.UpdateUser(r.Context(), who.Actor, who.Actor.User, registry.UserChange{Name: &name})
	})
}

func (c *Console) changePassword(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "password", func() error {
		l, err := c.Identity.ChangePassword(r.Context(), who.Actor, r.PostForm.Get("old_password"), r.PostForm.Get("password"), who.Client)
		if err == nil {
			web.SignedIn(w, l)
		}
		return err
	})
}

func (c *Console) endSession(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "sessions", func() error {
		id := registry.SessionID(r.PathValue("session"))
		list, err := c.Store.Sessions(r.Context(), who.Actor, who.Actor.User)
		if err != nil {
			return err
		}
		for _, s := range list { // a platform admin's own page ends nobody else's
			if s.ID == id {
				return c.Store.RevokeSession(r.Context(), who.Actor, id)
			}
		}
		return registry.Errorf(registry.CodeNotFound, "", "This session has ended already.")
	})
}

func (c *Console) endSessions(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "sessions", func() error {
		if err := c.Store.RevokeSessions(r.Context(), who.Actor, who.Actor.User, who.Session.ID); err != nil {
			return err
		}
		device, err := c.Identity.Remember(r.Context(), who.Client, who.Actor.User) // this browser goes on
		web.SetDevice(w, device)
		return err
	})
}

// setTheme keeps the theme that somebody chose in a cookie, so that pages come in it at once.
func (c *Console) setTheme(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	theme := r.PostForm.Get("theme")
	cookie := &http.Cookie{Name: themeCookie, Value: theme, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600}
	if theme != "light" && theme != "dark" {
		cookie.Value, cookie.MaxAge = "", -1
	}
	http.SetCookie(w, cookie)
	wire.GoTo(w, returnTo(r.PostForm.Get("return")))
	return nil
}

const themeCookie = "__Host-pizzeria-theme"

func themeOf(r *http.Request) string {
	theme, _ := wire.OneCookie(r, themeCookie)
	if theme != "light" && theme != "dark" {
		return ""
	}
	return theme
}

// device says a browser and its system as people do.
func device(agent string) string {
	if strings.HasPrefix(agent, "pizzeria on ") {
		return agent
	}
	name := func(pairs ...string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	browser := name("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := name("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS", "macOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "Another program"
}
