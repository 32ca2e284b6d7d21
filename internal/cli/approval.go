package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var approvalTable = table[registry.Approval]{
	{"KIND", func(p registry.Approval) string { return string(p.Kind) }},
	{"ABOUT", func(p registry.Approval) string { return p.Email }},
	{"ROLE", func(p registry.Approval) string { return string(p.Role) }},
	{"ASKED BY", func(p registry.Approval) string { return p.AskedBy }},
	{"STATE", func(p registry.Approval) string { return string(p.State) }},
	{"EFFECTIVE", func(p registry.Approval) string {
		if p.EffectiveAt.IsZero() {
			return ""
		}
		return when(p.EffectiveAt)
	}},
	{"ID", func(p registry.Approval) string { return string(p.ID) }},
}

// approval is `pizzeria approval`.
func (c *client) approval() *cobra.Command {
	a := &cobra.Command{Use: "approval",
		Short: "Answers what people outside an org want to change about who gets in"}
	path := func(args []string) string {
		return orgPath(args[0]) + "/approvals/" + url.PathEscape(args[1])
	}
	list := c.on("list <org>",
		"Lists requests, newest first",
		cobra.ExactArgs(1), func(args []string) error {
			return c.showList(orgPath(args[0])+"/approvals", approvalTable)
		})
	approve := c.on("approve <org> <request ID>",
		"Approves a request, and prints the link of an invitation; for an owner, signed in with "+
			"`login`",
		cobra.ExactArgs(2), func(args []string) error {
			return c.show("POST", path(args)+"/approve", nil, func(w io.Writer, b []byte) error {
				var v struct{ Link string }
				if err := json.Unmarshal(b, &v); err != nil || v.Link == "" {
					return err
				}
				_, err := fmt.Fprintln(w, v.Link)
				return err
			})
		})
	refuse := c.on("refuse <org> <request ID>",
		"Refuses a request; for an owner, signed in with `login`",
		cobra.ExactArgs(2), func(args []string) error {
			return c.show("POST", path(args)+"/refuse", nil, nil)
		})
	end := c.on("end <org> <request ID>",
		"Takes a request back",
		cobra.ExactArgs(2), func(args []string) error {
			return c.show("DELETE", path(args), nil, nil)
		})
	a.AddCommand(named(list), approve, refuse, end)
	return a
}

// breakGlass is `pizzeria org break-glass`.
func (c *client) breakGlass() *cobra.Command {
	var owner string
	b := c.on("break-glass <org>",
		"Makes somebody an owner of an org whose owners are gone, after 72 hours in which they can "+
			"refuse; on the admin socket only",
		cobra.ExactArgs(1), func(args []string) error {
			return c.show("POST", orgPath(args[0])+"/break-glass", some("owner", owner), approvalTable.show)
		})
	b.Flags().StringVar(&owner, "owner", "", "e-mail address of the account that becomes an owner")
	_ = b.MarkFlagRequired("owner")
	return b
}

const waitsForOwner = "waits for the approval of an owner"

// invitedBy says what became of an invitation.
func invitedBy(b []byte) (string, error) {
	var v struct {
		Link     string
		Approval *registry.Approval
	}
	err := json.Unmarshal(b, &v)
	switch {
	case v.Approval != nil:
		return waitsForOwner, err
	case v.Link == "":
		return "invited by mail", err
	}
	return v.Link, err
}
