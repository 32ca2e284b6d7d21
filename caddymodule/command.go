package caddymodule

import (
	"context"
	"errors"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/examples/instance/app"
	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/cli"
	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/docker"
	"github.com/pizzaface/pizzeria/provision/process"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

const commandName = "pizzeria"

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: commandName, Usage: "<command>", Short: "Manages orgs, their members and their instances",
		Long: "Manages a running Pizzeria over Caddy's admin socket, or from anywhere with --server and an API key.",
		CobraFunc: func(c *cobra.Command) {
			c.Hidden = branded() // its children are at the root
			commands := commandLine()
			c.SetHelpTemplate(helpTemplate())
			c.AddCommand(commands.Commands()...)
			c.AddCommand(internalCommands()...)
			commands.Strict(c)
		},
	})
}

// registerCommands puts the commands at the root of a program of our own, beside Caddy's.
func registerCommands() {
	for _, own := range append(commandLine().Commands(), internalCommands()...) {
		if _, taken := caddycmd.Commands()[own.Name()]; taken {
			continue // still there after the word "pizzeria"
		}
		caddycmd.RegisterCommand(caddycmd.Command{
			Name: own.Name(), Short: own.Short,
			CobraFunc: func(c *cobra.Command) {
				become(c, own)
				c.SetHelpTemplate(helpTemplate())
				commandLine().Strict(c)
			},
		})
	}
}

// helpTemplate is without what Caddy adds for all commands: its documentation names none of ours.
func helpTemplate() string { return new(cobra.Command).HelpTemplate() }

// become makes c, which Caddy has made, the command that is given.
func become(c, given *cobra.Command) {
	c.Use, c.Long, c.Example, c.Annotations = given.Use, given.Long, given.Example, given.Annotations
	c.Args, c.RunE, c.Run, c.PersistentPreRunE = given.Args, given.RunE, given.Run, given.PersistentPreRunE
	c.Hidden, c.DisableFlagParsing = given.Hidden, given.DisableFlagParsing
	c.ValidArgsFunction = given.ValidArgsFunction
	c.Flags().AddFlagSet(given.Flags())
	c.PersistentFlags().AddFlagSet(given.PersistentFlags())
	c.AddCommand(given.Commands()...)
}

func commandLine() cli.App {
	name := "caddy " + commandName
	if branded() {
		name = binaryName
	}
	return cli.App{
		Name: name,
		Exit: func(code int) error { // Caddy ends with the status of its own error type only
			return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(&cobra.Command{}, nil)
		},
		Down:      stopInstances,
		Rekey:     rekey,
		StoreCopy: copyStore,
	}
}

func branded() bool { return caddy.CustomBinaryName == binaryName }

// internalCommands are those that the server starts itself with.
func internalCommands() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: "shim <dir>", Short: "Runs an instance, for the server", Hidden: true, Args: cobra.RangeArgs(1, 2),
			RunE: func(_ *cobra.Command, args []string) error { return process.Shim(args...) },
		},
		{
			Use: "sandbox", Short: "Isolates an instance, for the server", Hidden: true, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return sandbox.Enter() },
		},
		{
			Use: "egress <socket> [<rules>...]", Short: "Is the proxy of an instance to other networks, for the server", Hidden: true, Args: cobra.MinimumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return egress.Listen(args[0], args[1:]) },
		},
		{
			Use: "intruder <targets>", Short: "Tries what an instance reaches, for the server", Hidden: true, Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return intruder.Main(args[0], os.Stdout) },
		},
		{
			Use:    "agent [options] -- command [args...]",
			Short:  "Runs an app as an instance, behind checks of who is asking",
			Hidden: true, DisableFlagParsing: true,
			Run: func(c *cobra.Command, args []string) {
				os.Exit(agent.Main(c.CommandPath(), args, os.Stdout, os.Stderr))
			},
		},
		{Use: "sample-instance", Short: "Is the sample instance", Hidden: true, Args: cobra.NoArgs, Run: func(*cobra.Command, []string) { app.Main() }},
	}
}

// stopInstances stops the instances of a data directory whose server is not running: they outlive it.
// Docker is asked where $DOCKER_HOST says.
func stopInstances(dir string) (stopped int, err error) {
	processes, err1 := stopProcesses(dir)
	containers, err2 := docker.StopAll(context.Background(), dir, os.Getenv("DOCKER_HOST"))
	return processes + containers, errors.Join(err1, err2)
}

func stopProcesses(dir string) (stopped int, err error) {
	ctx := context.Background()
	p, err := (&Process{}).NewProvider(dir)
	if err != nil {
		return 0, err
	}
	if o, ok := p.(interface{ OfAll() provision.Provider }); ok {
		p = o.OfAll()
	}
	refs, err := p.List(ctx)
	for _, ref := range refs {
		if err = p.Stop(ctx, ref.OrgID, ref.Generation); err != nil {
			break
		}
		stopped++
	}
	if held, ok := p.(provision.Releaser); ok {
		err = errors.Join(err, held.Release())
	}
	return stopped, err
}

// rekey replaces the secret key of an installation whose database is a SQLite file, or a
// connection string of PostgreSQL.
func rekey(ctx context.Context, dataDir, database, keyFile, newKey string) (int, error) {
	var at registry.Location
	var err error
	if cli.IsPostgres(database) {
		at, err = postgres.Parse(database)
	} else {
		at, err = (&SQLite{Path: database}).Location(dataDir)
	}
	if err != nil {
		return 0, err
	}
	return runtime.Rekey(ctx, dataDir, at, keyFile, newKey)
}
