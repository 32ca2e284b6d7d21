package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var instanceTable = table(
	column[registry.Instance]{"STATE", func(i registry.Instance) string { return string(i.State) }},
	column[registry.Instance]{"WANTED", func(i registry.Instance) string { return string(i.Desired) }},
	column[registry.Instance]{"GENERATION", func(i registry.Instance) string { return fmt.Sprint(i.Generation) }},
	column[registry.Instance]{"PROVIDER", func(i registry.Instance) string { return i.Provider }},
	column[registry.Instance]{"SINCE", func(i registry.Instance) string { return when(i.ChangedAt) }},
	column[registry.Instance]{"DETAIL", func(i registry.Instance) string { return i.Detail }},
)

func (c *client) instance() *cobra.Command {
	i := &cobra.Command{Use: "instance", Short: "Looks after an org's instance"}
	show := c.on("show <org>", "Shows an org's instance", cobra.ExactArgs(1), func(args []string) error {
		return c.show("GET", orgPath(args[0])+"/instance", nil, instanceTable)
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

// events prints changes as they happen, one JSON object a line.
func (c *client) events() *cobra.Command {
	var after string
	e := c.on("events [org]", "Prints what changes, as it changes, one JSON object a line", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/events"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		body, err := c.open("GET", path+"?after="+url.QueryEscape(after), nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return eachData(body, func(data string) error {
			_, err := fmt.Fprintln(os.Stdout, data)
			return err
		})
	})
	e.Flags().StringVar(&after, "after", "", "begin behind the change with this number (0: the oldest that is kept)")
	return e
}

func (c *client) down() *cobra.Command {
	return &cobra.Command{Use: "down", Short: "Stops all instances; they start again with the server", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		address := c.admin
		if address == "" {
			address = env("PIZZERIA_ADMIN", defaultAdmin)
		}
		var v struct{ Stopped int }
		body, err := socket(address, "/pizzeria").open(cmd.Context(), "POST", "/down", nil)
		if path, ok := strings.CutPrefix(address, "unix/"); ok && errors.Is(err, errAway) {
			v.Stopped, err = c.app.Down(filepath.Dir(path))
		} else if err == nil {
			defer func() { _ = body.Close() }()
			err = json.NewDecoder(body).Decode(&v)
		}
		if err != nil {
			return err
		}
		fmt.Printf("stopped %d instances\n", v.Stopped)
		return nil
	}}
}
