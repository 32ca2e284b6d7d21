package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var instanceTable = table(
	column[registry.Instance]{"STATE", stateOf},
	column[registry.Instance]{"WANTED", func(i registry.Instance) string { return string(i.Desired) }},
	column[registry.Instance]{"GENERATION", func(i registry.Instance) string { return fmt.Sprint(i.Generation) }},
	column[registry.Instance]{"PROVIDER", func(i registry.Instance) string { return i.Provider }},
	column[registry.Instance]{"SINCE", func(i registry.Instance) string { return when(i.ChangedAt) }},
	column[registry.Instance]{"DETAIL", func(i registry.Instance) string { return i.Detail }},
)

// stateOf is an instance's state, and whether it is outdated.
func stateOf(i registry.Instance) string {
	if i.Outdated {
		return string(i.State) + " (outdated)"
	}
	return string(i.State)
}

// showInstance prints the table, and below it what an unhealthy instance printed last.
func showInstance(w io.Writer, b []byte) error {
	if err := instanceTable(w, b); err != nil {
		return err
	}
	var v struct {
		Outdated bool      `json:"outdated"`
		RetryAt  time.Time `json:"retry_at"`
		Log      string    `json:"log"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Outdated {
		fmt.Fprintln(w, "\nIt keeps an earlier configuration. `pizzeria instance restart` applies the present one.")
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
		return c.show("GET", orgPath(args[0])+"/instance", nil, showInstance)
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
		_, err = io.Copy(os.Stdout, body)
		return err
	})
	logs.Flags().IntVarP(&lines, "lines", "n", 200, "how many of the newest lines, at most 10000")
	logs.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	i.AddCommand(show, restart, logs)
	return i
}
