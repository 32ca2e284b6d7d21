package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// invited is what became of invitations just made, shown once.
type invited struct {
	Links   []invitationLink
	Mailed  []string // who was invited by mail
	Waiting []string // about whom an owner was asked
}

type invitationLink struct{ Email, URL string }

func (c *Console) invite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	if !registry.Allows(who.Actor, o.Role, registry.ActionMemberInvite) {
		return registry.Errorf(registry.CodeForbidden, "", "Only an admin of the org invites people.")
	}
	made, err := c.inviteAll(r, who, o.ID)
	return c.invited(w, r, who, o, made, err)
}

// reinvite invites somebody again.
func (c *Console) reinvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	o, err := c.org(r, who)
	if err != nil {
		return err
	}
	i, err := c.Identity.Reinvite(r.Context(), who.Actor, o.ID, r.PathValue("invite"))
	return c.invited(w, r, who, o, []identity.Invitation{i}, err)
}

// invited shows the links of invitations just made, or to whom they were mailed, or who waits.
func (c *Console) invited(w http.ResponseWriter, r *http.Request, who web.Caller, o registry.OrgView, made []identity.Invitation, err error) error {
	if err != nil {
		v, _, err2 := c.membersView(r, who)
		if err2 != nil {
			return err2
		}
		return c.again(w, r, "members.html", v, err)
	}
	var d invited
	for _, i := range made {
		switch {
		case i.Invite.ID == "":
			d.Waiting = append(d.Waiting, i.Approval.Email)
		case i.Link == "":
			d.Mailed = append(d.Mailed, i.Invite.Email)
		default:
			d.Links = append(d.Links, invitationLink{i.Invite.Email, i.Link})
		}
	}
	return c.redirectShown(w, r, who, "/orgs/"+o.Slug+"/members", d)
}

// inviteAll invites every address in the form. All are checked before the first is invited.
func (c *Console) inviteAll(r *http.Request, who web.Caller, org registry.OrgID) (made []identity.Invitation, err error) {
	role := registry.Role(r.PostForm.Get("role"))
	emails := strings.FieldsFunc(r.PostForm.Get("email"), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	if len(emails) == 0 || len(emails) > maxInvites {
		return nil, registry.Errorf(registry.CodeInvalid, "email", "Write 1 to %d e-mail addresses.", maxInvites)
	}
	for _, e := range emails {
		if _, err := registry.CleanEmail(e); err != nil {
			return nil, err
		}
	}
	for _, e := range emails {
		i, err := c.Identity.InviteOrAsk(r.Context(), who.Actor, org, e, role)
		if err != nil {
			return made, err
		}
		made = append(made, i)
	}
	return made, nil
}

func (c *Console) revokeInvite(w http.ResponseWriter, r *http.Request, who web.Caller) error {
	return c.act(w, r, who, "/members", func(ctx context.Context, o registry.OrgView) error {
		return c.Store.RevokeInvite(ctx, who.Actor, o.ID, r.PathValue("invite"))
	})
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
