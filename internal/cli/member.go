package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var memberTable = table[registry.Member]{
	{"EMAIL", func(m registry.Member) string { return m.Email }},
	{"NAME", func(m registry.Member) string { return m.Name }},
	{"ROLE", roleOf},
	{"SINCE", func(m registry.Member) string { return when(m.CreatedAt) }},
	{"ID", func(m registry.Member) string { return string(m.UserID) }},
}

// roleOf is a member's role, with the one that waits until the address is verified.
func roleOf(m registry.Member) string {
	if m.WantedRole == "" {
		return string(m.Role)
	}
	return string(m.Role) + " (" + string(m.WantedRole) + " once verified)"
}

var inviteTable = table[registry.Link]{
	{"EMAIL", func(l registry.Link) string { return l.Email }},
	{"ROLE", func(l registry.Link) string { return string(l.Role) }},
	{"ENDS", func(l registry.Link) string { return when(l.ExpiresAt) }},
	{"ID", func(l registry.Link) string { return l.ID }},
}

func (c *client) member() *cobra.Command {
	m := &cobra.Command{Use: "member", Short: "Manages an org's members and invitations"}
	var search string
	list := c.on("list <org>", "Lists members", cobra.ExactArgs(1), func(args []string) error {
		b, err := c.list(orgPath(args[0])+"/members", values("search", search), 0)
		if err != nil {
			return err
		}
		return c.printList(b, memberTable)
	})
	list.Flags().StringVar(&search, "search", "", "only who has this in name or address")

	var role string
	invite := c.on("invite <org> <email>...", "Invites people: by mail, or with a one-time link for each that it prints", cobra.MinimumNArgs(2), func(args []string) error {
		for _, email := range args[1:] {
			if err := c.show("POST", orgPath(args[0])+"/invites", some("email", email, "role", role), func(w io.Writer, b []byte) error {
				became, err := invitedBy(b)
				if err != nil {
					return err
				}
				if len(args) == 2 && strings.Contains(became, "://") {
					_, err = fmt.Fprintln(w, became)
				} else {
					_, err = fmt.Fprintf(w, "%s\t%s\n", email, became)
				}
				return err
			}); err != nil {
				return fmt.Errorf("%s: %w", email, err)
			}
		}
		return nil
	})
	invite.Flags().StringVar(&role, "role", "member", "member, admin or owner")
	invites := c.on("invites <org>", "Lists open invitations", cobra.ExactArgs(1), func(args []string) error {
		return c.showList(orgPath(args[0])+"/invites", inviteTable)
	})
	reinvite := c.on("reinvite <org> <email>", "Sends an invitation again, with a new link; takes an address or an invitation's ID", cobra.ExactArgs(2), func(args []string) error {
		id, err := c.invitation(args[0], args[1])
		if err != nil {
			return err
		}
		return c.show("POST", orgPath(args[0])+"/invites/"+url.PathEscape(id)+"/resend", nil, func(w io.Writer, b []byte) error {
			became, err := invitedBy(b)
			if err == nil {
				_, err = fmt.Fprintln(w, became)
			}
			return err
		})
	})
	uninvite := c.on("uninvite <org> <email>", "Revokes an invitation; takes an address or an invitation's ID", cobra.ExactArgs(2), func(args []string) error {
		id, err := c.invitation(args[0], args[1])
		if err != nil {
			return err
		}
		return c.show("DELETE", orgPath(args[0])+"/invites/"+url.PathEscape(id), nil, nil)
	})
	set := c.on("role <org> <user> <role>", "Makes a member a member, admin or owner", cobra.ExactArgs(3), func(args []string) error {
		return c.show("PATCH", memberPath(args), some("role", args[2]), func(w io.Writer, b []byte) error {
			if len(b) == 0 {
				return nil
			}
			_, err := fmt.Fprintln(w, waitsForOwner)
			return err
		})
	})
	var revoke bool
	remove := c.on("remove <org> <user>", "Removes a member, by ID or e-mail address, and lists what they enrolled", cobra.ExactArgs(2), func(args []string) error {
		path, became := memberPath(args), "Still enrolled by them; end one with `runner revoke`:\n"
		if revoke {
			path, became = path+"?runners=revoke", "Revoked with them:\n"
		}
		return c.show("DELETE", path, nil, func(w io.Writer, b []byte) error {
			var v struct{ Runners []registry.Runner }
			if err := json.Unmarshal(b, &v); err != nil || len(v.Runners) == 0 {
				return err
			}
			list, err := json.Marshal(map[string]any{"items": v.Runners})
			if err != nil {
				return err
			}
			fmt.Fprint(w, became)
			return runnerTable.show(w, list)
		})
	})
	remove.Flags().BoolVar(&revoke, "revoke-runners", false, "revoke the runners that they enrolled, too")
	transfer := c.on("transfer <org> <user>", "Hands an org over: the member becomes an owner, and you an admin; for an owner, signed in with `login`", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", memberPath(args)+"/transfer", nil, nil)
	})
	m.AddCommand(transfer, named(list), invite, named(invites), reinvite, uninvite, set, remove)
	return m
}

// invitation returns the ID of an open invitation, which is named by it or by its address.
func (c *client) invitation(org, name string) (string, error) {
	if !strings.Contains(name, "@") {
		return name, nil
	}
	address, err := registry.CleanEmail(name)
	if err != nil {
		return "", err
	}
	b, err := c.list(orgPath(org)+"/invites", url.Values{}, 0)
	if err != nil {
		return "", err
	}
	links, err := itemsOf[registry.Link](b)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if l.Email == address {
			return l.ID, nil
		}
	}
	return "", fmt.Errorf("%s has no open invitation from %s", address, org)
}

func memberPath(args []string) string {
	return orgPath(args[0]) + "/members/" + url.PathEscape(args[1])
}
