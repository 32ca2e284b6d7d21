package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var auditTable = table(
	column[registry.AuditEntry]{"WHEN", func(e registry.AuditEntry) string { return when(e.At) }},
	column[registry.AuditEntry]{"WHO", func(e registry.AuditEntry) string { return e.Actor }},
	column[registry.AuditEntry]{"WHAT", func(e registry.AuditEntry) string { return string(e.Action) }},
	column[registry.AuditEntry]{"TARGET", func(e registry.AuditEntry) string { return e.Target }},
	column[registry.AuditEntry]{"DETAIL", func(e registry.AuditEntry) string { return e.Detail }},
)

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
		return c.print(b, auditTable)
	})
	list.Flags().StringVar(&search, "search", "", "only what has this in who, target or detail")
	list.Flags().StringVar(&actor, "actor", "", "only what this e-mail address did, or operator")
	list.Flags().StringVar(&action, "action", "", "only this, such as member.added")
	list.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 for all")
	verify := &cobra.Command{Use: "verify", Short: "Checks the log's hash chain", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return c.show("GET", "/audit/verify", nil, func(w io.Writer, _ []byte) error {
			_, err := fmt.Fprintln(w, "the audit log is whole")
			return err
		})
	}}
	a.AddCommand(list, verify)
	return a
}

// api calls any route: for what a script needs and no command says better.
func (c *client) api() *cobra.Command {
	var body string
	a := &cobra.Command{
		Use: "api <method> <path>", Short: "Calls a route of the management API and prints the answer", Args: cobra.ExactArgs(2),
		Example: "  pizzeria api GET /orgs?limit=5\n  echo '{\"name\":\"Acme\"}' | pizzeria api PATCH /orgs/acme -d -",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasPrefix(args[1], "/") {
				return c.app.wrongUse(cmd, fmt.Errorf("%q is not a path below /api/v1: begin it with /", args[1]))
			}
			var in any
			if body != "" {
				b := []byte(body)
				if body == "-" {
					var err error
					if b, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<20)); err != nil {
						return err
					}
				}
				if !json.Valid(b) {
					return c.app.wrongUse(cmd, fmt.Errorf("-d is not JSON"))
				}
				in = json.RawMessage(b)
			}
			b, err := c.call(strings.ToUpper(args[0]), args[1], in)
			if err != nil || len(b) == 0 {
				return err
			}
			if c.output == "table" && json.Valid(b) {
				c.output = "json"
			}
			return c.print(b, func(w io.Writer, b []byte) error {
				_, err := w.Write(b)
				return err
			})
		},
	}
	a.Flags().StringVarP(&body, "data", "d", "", "the body, as JSON; - reads it from standard input")
	return a
}

// eachData reads server-sent events and hands over the data of each.
func eachData(r io.Reader, f func(data string) error) error {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			if err := f(data); err != nil {
				return err
			}
		}
	}
	return sc.Err()
}
