package cli

import (
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var auditTable = table[registry.AuditEntry]{
	{"WHEN", func(e registry.AuditEntry) string { return when(e.At) }},
	{"WHO", func(e registry.AuditEntry) string { return e.Shown("actor") }},
	{"WHAT", func(e registry.AuditEntry) string { return string(e.Action) }},
	{"TARGET", func(e registry.AuditEntry) string { return e.Shown("target") }},
	{"DETAIL", func(e registry.AuditEntry) string { return e.Shown("detail") }},
}

func (c *client) audit() *cobra.Command {
	a := &cobra.Command{Use: "audit", Short: "Reads the audit log"}
	var search, actor, action string
	var limit int
	list := c.on("list [org]", "Lists the newest entries, of an org or of all", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/audit"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		b, err := c.list(path, values("search", search, "actor", actor, "action", action), limit)
		if err != nil {
			return err
		}
		return c.print(b, auditTable.show)
	})
	list.Flags().StringVar(&search, "search", "", "only what has this in who, target or detail")
	list.Flags().StringVar(&actor, "actor", "", "only what this e-mail address did, or operator")
	list.Flags().StringVar(&action, "action", "", "only this, such as member.added")
	list.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 for all")
	var after string
	export := c.on("export [org]", "Prints the log as JSON lines, oldest first, of an org or of all", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/audit/export"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		body, err := c.open("GET", path+"?after="+url.QueryEscape(after), nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		_, err = io.Copy(os.Stdout, body)
		return err
	})
	export.Flags().StringVar(&after, "after", "0", "only what follows the entry with this id, or seq of the whole log")
	a.AddCommand(list, export, c.auditVerify())
	return a
}
