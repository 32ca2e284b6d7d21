package cli

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var supportTable = table[registry.Support]{
	{"WHO", func(p registry.Support) string { return p.Email }},
	{"AS", func(p registry.Support) string { return string(p.Role) }},
	{"FOR", func(p registry.Support) string { return fmt.Sprint(time.Duration(p.Hours) * time.Hour) }},
	{"STATE", func(p registry.Support) string { return string(p.State) }},
	{"ENDS", func(p registry.Support) string {
		if p.EndsAt.IsZero() {
			return ""
		}
		return when(p.EndsAt)
	}},
	{"WHY", func(p registry.Support) string { return p.Reason }},
	{"ID", func(p registry.Support) string { return string(p.ID) }},
}

// support is `pizzeria support`.
func (c *client) support() *cobra.Command {
	s := &cobra.Command{Use: "support", Short: "Manages the access of platform admins to an org for a while, which an owner approves"}
	path := func(args []string) string { return orgPath(args[0]) + "/support/" + url.PathEscape(args[1]) }
	var reason, role string
	var hours int
	request := c.on("request <org>", "Asks an org's owners for access", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", orgPath(args[0])+"/support", map[string]any{"role": role, "reason": reason, "hours": hours}, supportTable.show)
	})
	request.Flags().StringVar(&reason, "reason", "", "what for; the owners read it")
	request.Flags().StringVar(&role, "role", "member", "member or admin")
	request.Flags().IntVar(&hours, "hours", 4, "how long it lasts, from the approval on")
	list := c.on("list <org>", "Lists requests and accesses, newest first", cobra.ExactArgs(1), func(args []string) error {
		return c.showList(orgPath(args[0])+"/support", supportTable)
	})
	approve := c.on("approve <org> <request ID>", "Gives access; for an owner, signed in with `login`", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", path(args)+"/approve", nil, supportTable.show)
	})
	deny := c.on("deny <org> <request ID>", "Refuses access; for an owner, signed in with `login`", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", path(args)+"/deny", nil, supportTable.show)
	})
	end := c.on("end <org> <request ID>", "Ends access before its time, or takes a request back", cobra.ExactArgs(2), func(args []string) error {
		return c.show("DELETE", path(args), nil, nil)
	})
	s.AddCommand(request, named(list), approve, deny, end)
	return s
}
