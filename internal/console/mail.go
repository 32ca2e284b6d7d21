package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// forgotPage asks who forgot their password.
func (c *Console) forgotPage(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	q := r.URL.Query()
	v := view{Title: "New password", Data: c.Operator().Mail, Form: url.Values{"email": {q.Get("email")}}}
	if q.Get("done") == "mailed" {
		v.Done = "If this address has an account, a link is on its way there. It works for an hour."
	}
	return c.show(w, r, http.StatusOK, "forgot.html", v)
}

func (c *Console) forgot(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	email := r.PostForm.Get("email")
	if err := c.Identity.ForgotPassword(r.Context(), email, who.Client); err != nil {
		return c.again(w, r, "forgot.html", view{Title: "New password", Data: c.Operator().Mail}, err)
	}
	http.Redirect(w, r, "/forgot?done=mailed", http.StatusSeeOther)
	return nil
}

// accountLink returns what a link about an account is for, when it is of one of these kinds.
func (c *Console) accountLink(r *http.Request, who web.Caller, kinds ...registry.LinkKind) (registry.Link, error) {
	l, err := c.Identity.Link(r.Context(), registry.AsVisitor(who.Client.Address), r.PathValue("token"))
	if err != nil {
		return l, err
	}
	for _, k := range kinds {
		if l.Kind == k {
			return l, nil
		}
	}
	return l, registry.Errorf(registry.CodeGone, "", "This link is for something else.")
}

func (c *Console) resetPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkReset)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "reset.html", view{Title: "New password", Data: l})
}

func (c *Console) reset(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkReset)
	if err != nil {
		return err
	}
	if err := c.Identity.ResetPassword(r.Context(), r.PathValue("token"), r.PostForm.Get("password"), who.Client); err != nil {
		return c.again(w, r, "reset.html", view{Title: "New password", Data: l}, err)
	}
	web.SetSession(w, "", 0)
	http.Redirect(w, r, c.about("/sign-in", l.Email)+"&done=password", http.StatusSeeOther)
	return nil
}

// verifyPage asks for a click, since programs that look through mail follow links, too.
func (c *Console) verifyPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkVerify, registry.LinkEmail)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "verify.html", view{
		Title: "Your address", Who: who, Data: l, Form: url.Values{"return": {r.URL.Path}},
	})
}

func (c *Console) verify(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkVerify, registry.LinkEmail)
	if err != nil {
		return err
	}
	if !who.Actor.Valid() {
		c.toSignInFor(w, r, r.URL.Path)
		return nil
	}
	if _, err := c.Identity.ConfirmEmail(r.Context(), who.Actor, r.PathValue("token")); err != nil {
		return c.again(w, r, "verify.html", view{Title: "Your address", Who: who, Data: l}, err)
	}
	http.Redirect(w, r, "/account?done=verified", http.StatusSeeOther)
	return nil
}

func (c *Console) sendVerification(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "mailed", func() error { return c.Identity.VerifyEmail(r.Context(), who.Actor) })
}

func (c *Console) changeEmail(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.onAccount(w, r, who, "mailed", func() error {
		return c.Identity.ChangeEmail(r.Context(), who.Actor, r.PostForm.Get("old_password"), r.PostForm.Get("new_email"))
	})
}

// passwordLink makes a link for somebody's new password, shown this once.
func (c *Console) passwordLink(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	_, link, err := c.Identity.ResetLink(r.Context(), who.Actor, id)
	if err != nil {
		return err
	}
	return c.redirectShown(w, r, who, "/platform/users/"+string(id), link)
}
