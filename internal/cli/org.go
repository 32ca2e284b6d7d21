package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var orgTable = table[registry.OrgView]{
	{"SLUG", func(o registry.OrgView) string { return o.Slug }},
	{"NAME", func(o registry.OrgView) string { return o.Name }},
	{"STATUS", func(o registry.OrgView) string { return string(o.Status) }},
	{"INSTANCE", func(o registry.OrgView) string { return stateOf(o.Instance) }},
	{"PLAN", func(o registry.OrgView) string { return o.Plan }},
	{"ID", func(o registry.OrgView) string { return string(o.ID) }},
}

func orgPath(org string) string { return "/orgs/" + url.PathEscape(org) }

// completeOrgs completes the first argument to a slug.
func (c *client) completeOrgs(cmd *cobra.Command, args []string, typed string) (slugs []string, _ cobra.ShellCompDirective) {
	c.cmd = cmd
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	b, err := c.call("GET", "/orgs?"+url.Values{"limit": {"100"}, "sort": {"slug"}, "search": {typed}}.Encode(), nil)
	var page registry.Page[registry.OrgView]
	if err != nil || json.Unmarshal(b, &page) != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, o := range page.Items {
		slugs = append(slugs, o.Slug+"\t"+o.Name)
	}
	return slugs, cobra.ShellCompDirectiveNoFileComp
}

// waiting is the flags of commands that can wait for an org to come up.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (v *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&v.wait, "wait", false, "wait until it runs, and say what happens meanwhile")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 2*time.Minute, "how long to wait at most")
}

// changed prints the org in b, or waits first until it runs.
func (c *client) changed(b []byte, v waiting) error {
	if !v.wait {
		return c.print(b, orgTable.show)
	}
	var o registry.OrgView
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	said, detail, end := 0, "", time.Now().Add(v.timeout)
	for {
		b, err := c.call("GET", orgPath(string(o.ID)), nil)
		if err != nil {
			return err
		}
		o = registry.OrgView{}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		for ; said < len(o.Instance.Steps); said++ {
			step := o.Instance.Steps[said]
			fmt.Fprintf(os.Stderr, "%s: %s (%s)\n", o.Slug, step.Name, step.At.Sub(o.Instance.Steps[0].At).Round(time.Millisecond))
		}
		if d := o.Instance.Detail; d != detail && d != "" {
			fmt.Fprintf(os.Stderr, "%s: %s\n", o.Slug, registry.Printable(d))
		}
		detail = o.Instance.Detail
		switch {
		case o.Status == registry.OrgActive && o.Instance.State.Serves():
			return c.print(b, orgTable.show)
		case o.Instance.Desired != registry.DesiredRunning:
			return fmt.Errorf("%s is %s: it will not run", o.Slug, o.Status)
		case time.Now().After(end):
			return fmt.Errorf("%s does not run after %s: %s; see `instance logs %s`", o.Slug, v.timeout, o.Instance.Detail, o.Slug)
		}
		time.Sleep(100 * time.Millisecond) // the server is elsewhere: ask again
	}
}

// on makes a command whose first argument is an org.
func (c *client) on(use, short string, args cobra.PositionalArgs, run func(args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, ValidArgsFunction: c.completeOrgs, RunE: func(_ *cobra.Command, args []string) error { return run(args) }}
}

func (c *client) org() *cobra.Command {
	org := &cobra.Command{Use: "org", Short: "Manages orgs"}

	var in struct{ name, plan, owner string }
	var w waiting
	create := &cobra.Command{Use: "create <slug>", Short: "Creates an org", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		b, err := c.call("POST", "/orgs", some("slug", args[0], "name", in.name, "plan", in.plan, "owner", in.owner))
		if err != nil {
			return err
		}
		return c.changed(b, w)
	}}
	create.Flags().StringVar(&in.name, "name", "", "display name (default: the slug)")
	create.Flags().StringVar(&in.plan, "plan", "", "plan (default: standard)")
	create.Flags().StringVar(&in.owner, "owner", "", "e-mail address of the account that becomes owner (default: you; over the admin socket nobody: invite one)")
	w.flags(create)

	var l struct{ search, status, state, plan, sort string }
	var mine, outdated bool
	var limit int
	list := &cobra.Command{Use: "list", Short: "Lists orgs", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		q := values("search", l.search, "status", l.status, "state", l.state, "plan", l.plan, "sort", l.sort)
		if mine {
			q.Set("mine", "true")
		}
		if outdated {
			q.Set("outdated", "true")
		}
		b, err := c.list("/orgs", q, limit)
		if err != nil {
			return err
		}
		return c.printList(b, orgTable)
	}}
	list.Flags().StringVar(&l.search, "search", "", "only what has this in its name or slug")
	list.Flags().StringVar(&l.status, "status", "", "only "+either(listedStatuses())+" ones")
	list.Flags().StringVar(&l.state, "state", "", "only with an instance that is "+either(registry.InstanceStates()))
	list.Flags().StringVar(&l.plan, "plan", "", "only of a plan")
	list.Flags().StringVar(&l.sort, "sort", "", "name, slug or created_at; with - in front, backwards")
	list.Flags().BoolVar(&mine, "mine", false, "only those that you are a member of")
	list.Flags().BoolVar(&outdated, "outdated", false, "only with an instance that keeps an earlier configuration until it is restarted")
	list.Flags().IntVar(&limit, "limit", 0, "at most so many (default: all)")

	show := c.on("show <org>", "Shows an org, by slug or ID, with its limits and where each comes from", cobra.ExactArgs(1), func(args []string) error { return c.showOrg(args[0]) })

	update := c.updateOrg()

	rename := c.on("rename <org> <slug>", "Gives an org another address, and restarts its instance; the old address leads there for 14 days", cobra.ExactArgs(2), func(args []string) error {
		return c.show("POST", orgPath(args[0])+"/rename", some("slug", args[1]), orgTable.show)
	})

	var reason string
	suspend := c.on("suspend <org>", "Closes an org and stops its instance; data is kept", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", orgPath(args[0])+"/suspend", some("reason", reason), orgTable.show)
	})
	suspend.Flags().StringVar(&reason, "reason", "", "why, shown to its members")

	var resuming waiting
	resume := c.on("resume <org>", "Opens a suspended org", cobra.ExactArgs(1), func(args []string) error {
		b, err := c.call("POST", orgPath(args[0])+"/resume", nil)
		if err != nil {
			return err
		}
		return c.changed(b, resuming)
	})
	resuming.flags(resume)

	var confirm string
	var now bool
	del := c.on("delete <org>", "Deletes an org: for 7 days it can be kept; its files stay", cobra.ExactArgs(1), func(args []string) error {
		if confirm == "" {
			return c.app.wrongUse(c.cmd, errors.New("--confirm is missing: give the org's slug, to confirm"))
		}
		return c.show("DELETE", orgPath(args[0])+"?"+url.Values{"confirm": {confirm}, "now": {strconv.FormatBool(now)}}.Encode(), nil, orgTable.show)
	})
	del.Flags().StringVar(&confirm, "confirm", "", "the org's slug, to confirm")
	del.Flags().BoolVar(&now, "now", false, "do not keep it for 7 days")
	keep := c.on("keep <org>", "Keeps an org that is being deleted", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", orgPath(args[0])+"/keep", nil, orgTable.show)
	})
	var required bool
	second := &cobra.Command{Use: "second-step <org>", Short: "Says whether everybody in an org needs a second step to sign in", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeOrgs}
	second.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("required") {
			return c.app.wrongUse(cmd, errors.New("say --required=true or --required=false"))
		}
		return c.show("PUT", orgPath(args[0])+"/sign-in", map[string]any{"second_step_required": required}, nil)
	}
	second.Flags().BoolVar(&required, "required", false, "whether it is required")
	org.AddCommand(create, named(list), show, update, rename, suspend, resume, del, keep, second, c.sessionLifetimes(), c.orgLimits(), c.breakGlass())
	return org
}

// some makes a body of the values that are set: name, value, name, value.
func some(pairs ...string) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

func values(pairs ...string) url.Values {
	q := url.Values{"limit": {"200"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// listedStatuses are those of orgs that are in lists: deleted ones are in none.
func listedStatuses() []registry.OrgStatus {
	return slices.DeleteFunc(registry.OrgStatuses(), func(s registry.OrgStatus) bool {
		return s == registry.OrgDeleted
	})
}
