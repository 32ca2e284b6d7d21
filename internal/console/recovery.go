package console

import (
	"net/http"
	"net/url"

	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

const reviewPath = "/account/review"

// toReview leads somebody whose account was recovered to its review, and then on.
func (c *Console) toReview(w http.ResponseWriter, r *http.Request, back string) {
	http.Redirect(w, r, reviewPath+"?"+url.Values{"return": {back}}.Encode(), http.StatusSeeOther)
}

// beforeReview reports whether a page is for somebody whose account was recovered, too.
func beforeReview(rt Route) bool {
	return rt.Public || rt.Pattern == reviewPath || rt.Pattern == "/theme"
}

// reviewGroups are the kinds of items in the order of the page.
var reviewGroups = []struct {
	Title string
	kinds []registry.RecoveryKind
}{
	{
		"Passkeys and authenticator apps",
		[]registry.RecoveryKind{registry.RecoveryPasskey, registry.RecoveryTOTP},
	},
	{"Linked accounts, which sign you in", []registry.RecoveryKind{registry.RecoveryIdentity}},
	{"API keys of organizations that you created", []registry.RecoveryKind{registry.RecoveryKey}},
	{"Runners that you enrolled", []registry.RecoveryKind{registry.RecoveryRunner}},
	{"Invitations that you sent", []registry.RecoveryKind{registry.RecoveryInvite}},
}

type reviewGroup struct {
	Title string
	Items []registry.RecoveryItem
}

// Factors reports whether recovery codes go with the items.
func (g reviewGroup) Factors() bool {
	k := g.Items[0].Kind
	return k == registry.RecoveryPasskey || k == registry.RecoveryTOTP
}

func (c *Console) reviewView(r *http.Request, who web.Caller,
) (view, []registry.RecoveryItem, error) {
	items, err := c.Store.RecoveryItems(r.Context(), who.Actor)
	if err != nil {
		return view{}, nil, err
	}
	var groups []reviewGroup
	for _, g := range reviewGroups {
		group := reviewGroup{Title: g.Title}
		for _, k := range g.kinds {
			for _, i := range items {
				if i.Kind == k {
					group.Items = append(group.Items, i)
				}
			}
		}
		if len(group.Items) > 0 {
			groups = append(groups, group)
		}
	}
	form := url.Values{"return": {returnTo(r.URL.Query().Get("return"))}}
	return view{
		Title: "Review your account", Who: who, Orgs: []registry.OrgView{}, Form: form, Data: groups,
	}, items, nil
}

func (c *Console) reviewPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, _, err := c.reviewView(r, who)
	if err != nil {
		return err
	}
	if !who.Actor.MustReview() {
		wire.GoTo(w, v.Form.Get("return"))
		return nil
	}
	c.destination(w, r, v.Form.Get("return"))
	return c.show(w, r, http.StatusOK, "review.html", v)
}

// review takes what an account keeps after its password was reset.
func (c *Console) review(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	v, items, err := c.reviewView(r, who)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, i := range items {
		switch r.PostForm.Get(i.Key()) {
		case "keep":
			keep[i.Key()] = true
		case "remove":
			keep[i.Key()] = false
		}
	}
	back := returnTo(r.PostForm.Get("return"))
	codes, err := c.Identity.Review(r.Context(), who.Actor, keep)
	if err != nil {
		c.destination(w, r, back)
		return c.again(w, r, "review.html", v, err)
	}
	if codes != nil { // the review is over: read the session as it is now
		if who, err = web.Who(c.Identity, r); err != nil {
			return err
		}
	}
	return c.toRecovery(w, r, who, codes, back)
}

// stopPage asks for a click, since programs that look through mail follow links, too.
func (c *Console) stopPage(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkStop)
	if err != nil {
		return err
	}
	return c.show(w, r, http.StatusOK, "stop.html", view{Title: "Your address", Data: l})
}

// stop keeps the address of an account as it is. It tells what to do next, and signs nobody in.
func (c *Console) stop(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	l, err := c.accountLink(r, who, registry.LinkStop)
	if err == nil {
		err = c.Identity.StopEmailChange(r.Context(), r.PathValue("token"), who.Client)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, c.about("/stopped", l.Email), http.StatusSeeOther)
	return nil
}

func (c *Console) stopped(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
	return c.show(w, r, http.StatusOK, "stop.html", view{
		Title: "Your address", Data: registry.Link{Email: c.aboutOf(r)},
		Done: "Your account keeps its address.",
	})
}

// verifyUser marks an address as its holder's.
func (c *Console) verifyUser(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	id := registry.UserID(r.PathValue("user"))
	if err := c.Store.VerifyUser(r.Context(), who.Actor, id); err != nil {
		return err
	}
	http.Redirect(w, r, "/platform/users/"+string(id), http.StatusSeeOther)
	return nil
}
