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

// auditFilter says which entries are asked for.
type auditFilter struct{ actor, action, since, until string }

func (f *auditFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.actor, "actor", "", "only what this e-mail address did, or operator")
	cmd.Flags().StringVar(&f.action, "action", "", "only this, such as member.added")
	cmd.Flags().StringVar(&f.since, "since", "", "only entries from this time on, such as 2026-01-31T12:00:00Z")
	cmd.Flags().StringVar(&f.until, "until", "", "only entries before this time")
}

func (f *auditFilter) values(more ...string) url.Values {
	return values(append(more, "actor", f.actor, "action", f.action, "since", f.since, "until", f.until)...)
}

func (c *client) audit() *cobra.Command {
	a := &cobra.Command{Use: "audit", Short: "Reads the audit log"}
	var search string
	var f auditFilter
	var limit int
	list := c.on("list [org]", "Lists the newest entries, of an org or of all", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/audit"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		b, err := c.list(path, f.values("search", search), limit)
		if err != nil {
			return err
		}
		return c.print(b, auditTable.show)
	})
	list.Flags().StringVar(&search, "search", "", "only what has this in who, target or detail")
	f.flags(list)
	list.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 for all")
	var after string
	var exported auditFilter
	export := c.on("export [org]", "Prints the log as JSON lines, oldest first, of an org or of all", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/audit/export"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		q := exported.values("after", after)
		q.Del("limit") // it goes to the log's end
		body, err := c.open("GET", path+"?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		_, err = io.Copy(os.Stdout, body)
		return err
	})
	exported.flags(export)
	export.Flags().StringVar(&after, "after", "0", "only what follows the entry with this id, or seq of the whole log")
	a.AddCommand(list, export, c.auditVerify())
	return a
}
