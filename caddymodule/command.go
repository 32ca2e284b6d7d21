package caddymodule

import (
	"context"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/examples/instance/app"
	"github.com/pizzaface/pizzeria/internal/cli"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/provision/process"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "pizzeria", Usage: "<command>", Short: "Manages orgs, their members and their instances",
		Long: "Manages a running Pizzeria over Caddy's admin socket, or from anywhere with --server and an API key.",
		CobraFunc: func(c *cobra.Command) {
			c.AddCommand(children()...)
			commandLine.Strict(c)
		},
	})
}

var commandLine = cli.App{
	Exit: func(code int) error { // Caddy ends with the status of its own error type only
		return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(&cobra.Command{}, nil)
	},
	Down:  stopProcesses,
	Rekey: runtime.Rekey,
}

// Commands are the names of the children of the command `pizzeria`.
func Commands() []string {
	var names []string
	for _, c := range children() {
		names = append(names, c.Name())
	}
	return names
}

func children() []*cobra.Command {
	return append(commandLine.Commands(),
		&cobra.Command{Use: "shim <dir>", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error { return process.Shim(args[0]) }},
		&cobra.Command{Use: "sample-instance", Hidden: true, Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { app.Main() }})
}

// stopProcesses stops the instances of a data directory whose server is not running: they outlive it.
func stopProcesses(dir string) (stopped int, err error) {
	ctx := context.Background()
	p, err := (&Process{}).NewProvider(dir)
	if err != nil {
		return 0, err
	}
	refs, err := p.List(ctx)
	for _, ref := range refs {
		if err = p.Stop(ctx, ref.OrgID, ref.Generation); err != nil {
			break
		}
		stopped++
	}
	return stopped, err
}
