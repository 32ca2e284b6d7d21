package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pizzaface/pizzeria/registry"
)

var instanceTable = table[registry.Instance]{
	{"STATE", stateOf},
	{"DESIRED", func(i registry.Instance) string { return string(i.Desired) }},
	{"GENERATION", func(i registry.Instance) string { return fmt.Sprint(i.Generation) }},
	{"PROVIDER", func(i registry.Instance) string { return i.Provider }},
	{"SINCE", func(i registry.Instance) string { return when(i.ChangedAt) }},
	{"DETAIL", func(i registry.Instance) string { return i.Detail }},
}

// stateOf is an instance's state, and whether it is outdated.
func stateOf(i registry.Instance) string {
	if i.Outdated {
		return string(i.State) + " (outdated)"
	}
	return string(i.State)
}

// showDetail prints what the instance of an org waits for, or what is wrong with it.
func showDetail(w io.Writer, b []byte) error {
	var o registry.OrgView
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	if i := o.Instance; i.Detail != "" && i.State != registry.InstanceRunning {
		fmt.Fprintf(w, "\n%s: %s\n", i.State, registry.Printable(i.Detail))
	}
	return nil
}

// showInstance prints the table, and below it what an unhealthy instance printed last.
func (c *client) showInstance(w io.Writer, b []byte) error {
	if err := instanceTable.show(w, b); err != nil {
		return err
	}
	var v struct {
		Outdated  bool                `json:"outdated"`
		RetryAt   time.Time           `json:"retry_at"`
		Log       string              `json:"log"`
		Image     string              `json:"image"`
		Heartbeat *registry.Heartbeat `json:"heartbeat"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Image != "" {
		fmt.Fprintf(w, "\nImage: %s\n", registry.Printable(v.Image))
	}
	if err := showHeartbeat(w, v.Heartbeat); err != nil {
		return err
	}
	if v.Outdated {
		fmt.Fprintf(w, "\nIt keeps an earlier configuration. `%s instance restart` applies the present one.\n", c.app.Name)
	}
	if !v.RetryAt.IsZero() {
		fmt.Fprintf(w, "\nNext attempt: %s\n", when(v.RetryAt))
	}
	if v.Log != "" {
		fmt.Fprintln(w, "\nLast lines of its log:")
		for line := range strings.Lines(v.Log) {
			fmt.Fprintln(w, registry.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return nil
}

func (c *client) instance() *cobra.Command {
	i := &cobra.Command{Use: "instance", Short: "Looks after an org's instance"}
	show := c.on("show <org>", "Shows an org's instance", cobra.ExactArgs(1), func(args []string) error {
		return c.show("GET", orgPath(args[0])+"/instance", nil, c.showInstance)
	})
	var w waiting
	restart := c.on("restart <org>", "Replaces an org's instance by a new one on the same data", cobra.ExactArgs(1), func(args []string) error {
		b, err := c.call("POST", orgPath(args[0])+"/instance/restart", nil)
		if err != nil {
			return err
		}
		return c.changed(b, w)
	})
	w.flags(restart)
	var lines int
	var follow bool
	logs := c.on("logs <org>", "Prints what an org's instance prints", cobra.ExactArgs(1), func(args []string) error {
		body, err := c.open("GET", fmt.Sprintf("%s/instance/logs?lines=%d&follow=%t", orgPath(args[0]), lines, follow), nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return copyLog(os.Stdout, body, term.IsTerminal(int(os.Stdout.Fd())))
	})
	logs.Flags().IntVarP(&lines, "lines", "n", 200, "how many of the newest lines, at most 10000")
	logs.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	i.AddCommand(named(c.instances()), show, restart, logs, c.instanceEnvironment(), c.instanceMetrics())
	return i
}

var instancesTable = table[registry.OrgView]{
	{"SLUG", func(o registry.OrgView) string { return o.Slug }},
	{"STATE", func(o registry.OrgView) string { return stateOf(o.Instance) }},
	{"DESIRED", func(o registry.OrgView) string { return string(o.Instance.Desired) }},
	{"GENERATION", func(o registry.OrgView) string { return fmt.Sprint(o.Instance.Generation) }},
	{"PROVIDER", func(o registry.OrgView) string { return o.Instance.Provider }},
	{"MEMORY", func(o registry.OrgView) string { return memoryOf(o.Instance) }},
	{"BUSY", func(o registry.OrgView) string { return busyOf(o.Instance) }},
	{"SINCE", func(o registry.OrgView) string { return when(o.Instance.ChangedAt) }},
	{"DETAIL", func(o registry.OrgView) string { return o.Instance.Detail }},
}

func (c *client) instances() *cobra.Command {
	var state, sort string
	var outdated bool
	list := &cobra.Command{
		Use: "list", Short: "Lists the instances of all orgs", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			q := values("state", state, "sort", sort)
			if outdated {
				q.Set("outdated", "true")
			}
			b, err := c.list("/orgs", q, 0)
			if err != nil {
				return err
			}
			return c.printList(b, instancesTable)
		},
	}
	list.Flags().StringVar(&state, "state", "", "only "+either(registry.InstanceStates())+" ones")
	list.Flags().StringVar(&sort, "sort", "", "the orgs' name, slug or created_at; with - in front, backwards")
	list.Flags().BoolVar(&outdated, "outdated", false, "only ones that keep an earlier configuration until they are restarted")
	return list
}
