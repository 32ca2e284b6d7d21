package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var planTable = table[registry.Plan]{
	{"NAME", func(p registry.Plan) string { return p.Name }},
	{"TITLE", func(p registry.Plan) string { return p.Title }},
	{"ORGS", func(p registry.Plan) string { return strconv.Itoa(p.Orgs) }},
	{"FROM", func(p registry.Plan) string {
		if p.Configured {
			return "Caddyfile"
		}
		return "API"
	}},
	{"SESSIONS", func(p registry.Plan) string { return p.Sessions.Text() }},
	{"LIMITS", func(p registry.Plan) string { return p.Limits.String() }},
}

// limitArgs reads name=value arguments.
func (c *client) limitArgs(cmd *cobra.Command, args []string) (registry.LimitChanges, error) {
	out := registry.LimitChanges{}
	for _, pair := range args {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, c.app.wrongUse(cmd, fmt.Errorf("%q is not limit=value", pair))
		}
		v, err := registry.ParseLimit(registry.LimitName(name), value)
		if err != nil {
			return nil, c.app.wrongUse(cmd, err)
		}
		out[registry.LimitName(name)] = v
	}
	return out, nil
}

func planPath(name string) string { return "/plans/" + url.PathEscape(name) }

func (c *client) plans() *cobra.Command {
	plan := &cobra.Command{Use: "plan", Short: "Manages plans: what orgs may use"}
	list := &cobra.Command{
		Use:   "list",
		Short: "Lists the plans",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return c.showList("/plans", planTable)
		},
	}
	show := &cobra.Command{
		Use:   "show <plan>",
		Short: "Shows a plan",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.show("GET", planPath(args[0]), nil, planTable.show)
		},
	}

	var title, description, provider string
	var idle, lifetime string
	// sessions adds the lifetimes that flags name.
	sessions := func(cmd *cobra.Command, in map[string]any) error {
		said := map[string]registry.Seconds{}
		for flag, f := range map[string]struct{ member, text string }{
			"session-idle":     {"idle_seconds", idle},
			"session-lifetime": {"lifetime_seconds", lifetime},
		} {
			if !cmd.Flags().Changed(flag) {
				continue
			}
			n, err := seconds(f.text)
			if err != nil {
				return c.app.wrongUse(cmd, fmt.Errorf("--%s: %w", flag, err))
			}
			said[f.member], in["sessions"] = n, said
		}
		return nil
	}
	texts := func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&idle, "session-idle", "", "of a session that nobody uses, such as 15m; default is the installation's")
		cmd.Flags().StringVar(&lifetime, "session-lifetime", "", "of a session, such as 8h; default is the installation's")
		cmd.Flags().StringVar(&title, "title", "", "what people see")
		cmd.Flags().StringVar(&description, "description", "", "what it is for")
		cmd.Flags().StringVar(
			&provider, "provider", "",
			"what makes the instances of its orgs (default: the configured one)",
		)
	}
	create := &cobra.Command{
		Use:   "create <plan> [limit=value]...",
		Short: "Defines a plan",
		Args:  cobra.MinimumNArgs(1),
	}
	create.RunE = func(cmd *cobra.Command, args []string) error {
		changes, err := c.limitArgs(cmd, args[1:])
		if err != nil {
			return err
		}
		limits, err := registry.Limits{}.Changed(changes)
		if err != nil {
			return c.app.wrongUse(cmd, err)
		}
		in := some(
			"name", args[0], "title", title, "description", description, "provider", provider,
		)
		in["limits"] = limits
		if err := sessions(cmd, in); err != nil {
			return err
		}
		return c.show("POST", "/plans", in, planTable.show)
	}
	update := &cobra.Command{
		Use:   "update <plan> [limit=value]...",
		Short: "Changes a plan; its orgs follow at once",
		Args:  cobra.MinimumNArgs(1),
	}
	update.RunE = func(cmd *cobra.Command, args []string) error {
		limits, err := c.limitArgs(cmd, args[1:])
		if err != nil {
			return err
		}
		in := map[string]any{}
		for name, value := range map[string]string{"title": title, "description": description, "provider": provider} {
			if cmd.Flags().Changed(name) {
				in[name] = value
			}
		}
		if len(limits) > 0 {
			in["limits"] = limits
		}
		if err := sessions(cmd, in); err != nil {
			return err
		}
		if len(in) == 0 {
			return c.app.wrongUse(
				cmd,
				errors.New(
					"say what to change: limit=value, limit=none, --title, --description, --provider, --session-idle or --session-lifetime",
				),
			)
		}
		return c.show("PATCH", planPath(args[0]), in, planTable.show)
	}
	texts(create)
	texts(update)
	del := &cobra.Command{
		Use:   "delete <plan>",
		Short: "Deletes a plan that no org has",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := c.call("DELETE", planPath(args[0]), nil)
			return err
		},
	}
	plan.AddCommand(named(list), show, create, update, del)
	return plan
}

// orgLimits shows what an org may use, and changes it.
func (c *client) orgLimits() *cobra.Command {
	cmd := c.on(
		"limits <org> [limit=value]...",
		"Shows what an org uses of what it may, or gives it limits of its own; none gives it its plan's again",
		cobra.MinimumNArgs(1), nil,
	)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		limits, err := c.limitArgs(cmd, args[1:])
		if err != nil {
			return err
		}
		if len(limits) > 0 {
			if _, err := c.call(
				"PATCH", orgPath(args[0])+"/limits", map[string]any{"limits": limits},
			); err != nil {
				return err
			}
		}
		q, err := c.quota(args[0])
		if err != nil {
			return err
		}
		return c.print(q, showQuota)
	}
	return cmd
}

// quota reads what an org uses of what it may.
func (c *client) quota(org string) (json.RawMessage, error) {
	b, err := c.call("GET", orgPath(org)+"/usage", nil)
	if err != nil {
		return nil, err
	}
	var v struct {
		Quota json.RawMessage `json:"quota"`
	}
	err = json.Unmarshal(b, &v)
	return v.Quota, err
}

// showOrg shows an org with its limits.
func (c *client) showOrg(org string) error {
	b, err := c.call("GET", orgPath(org), nil)
	if err != nil {
		return err
	}
	q, err := c.quota(org)
	if err != nil {
		return err
	}
	b = fmt.Appendf(bytes.TrimSuffix(bytes.TrimSpace(b), []byte("}")), `,"quota":%s}`, q)
	return c.print(b, func(w io.Writer, b []byte) error {
		return errors.Join(orgTable.show(w, b), showDetail(w, b), showLimits(w, q))
	})
}

// showLimits prints the limits that an org has, and where each comes from.
func showLimits(w io.Writer, b []byte) error {
	var q registry.Quota
	if err := json.Unmarshal(b, &q); err != nil {
		return err
	}
	limits := slices.DeleteFunc(q.Items, func(i registry.QuotaItem) bool { return i.Limit == nil })
	if len(limits) == 0 {
		fmt.Fprintln(w, "\nno limits")
		return nil
	}
	fmt.Fprintln(w, "\nLIMIT\tVALUE\tFROM")
	for _, i := range limits {
		from := "plan " + q.Plan
		if i.Own {
			from = "the org's own"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Name, registry.FormatLimit(i.Name, *i.Limit), from)
	}
	return nil
}

func showQuota(w io.Writer, b []byte) error {
	var q registry.Quota
	if err := json.Unmarshal(b, &q); err != nil {
		return err
	}
	fmt.Fprintln(w, "NAME\tUSED\tLIMIT\tPERCENT\tNOTE")
	for _, i := range q.Items {
		used, most, percent := "-", "none", "-"
		if i.Used != nil {
			used = registry.FormatLimit(i.Name, *i.Used)
		}
		if i.Limit != nil {
			most = registry.FormatLimit(i.Name, *i.Limit)
		}
		if i.Percent != nil {
			percent = strconv.FormatFloat(*i.Percent, 'f', -1, 64)
		}
		fmt.Fprintf(
			w, "%s\t%s\t%s\t%s\t%s\n", i.Name, used, most, percent, strings.Join(i.Notes(), ", "),
		)
	}
	if !q.Defined {
		fmt.Fprintf(w, "\nno plan %q is defined: only the org's own limits count\n", q.Plan)
	}
	return nil
}
