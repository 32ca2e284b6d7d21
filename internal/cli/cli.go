package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// App is what the command line needs of the program around it.
type App struct {
	// Name is how people call these commands here: "pizzeria", or "caddy pizzeria".
	Name string
	// Exit returns the error with which a command makes the program end with a status.
	Exit func(code int) error
	// Down stops the instances of a data directory whose server does not run.
	Down func(dir string) (stopped int, err error)
	// Rekey replaces the secret key of an installation whose server does not run.
	Rekey func(ctx context.Context, dataDir, database, key, next string) (sealed int, err error)
	// StoreCopy copies a store to an empty one, while no server uses either. key is the file of the
	// secret key, or env:NAME; "": none.
	StoreCopy func(ctx context.Context, from, to, dataDir, key string) (storecopy.Report, error)
}

const exitWrongUse = 2

// Commands returns the children of the command `pizzeria`.
func (a App) Commands() []*cobra.Command {
	c := &client{app: a}
	all := []*cobra.Command{c.org(), c.plans(), c.member(), c.user(), c.me(), c.login(), c.logout(), c.orgToken(), c.key(), c.clients(), c.connection(), c.domain(), c.support(), c.approval(), c.signingKeys(), c.runner(), c.instance(), c.settings(), c.webhook(), c.audit(), c.policy(), c.usage(), c.platform(), c.events(), c.apply(), c.api(), c.contexts(), c.backup(), c.rekey(), c.store(), c.verify(), c.status(), c.down(), c.licenses()}
	for _, cmd := range all {
		f := cmd.PersistentFlags()
		f.StringVar(&c.admin, "admin", "", "address of Caddy's admin endpoint (default: $PIZZERIA_ADMIN, or unix/./data/admin.sock)")
		f.StringVar(&c.server, "server", "", "URL of a control plane, to reach it with a key instead (default: $PIZZERIA_SERVER)")
		f.StringVar(&c.keyFile, "key-file", "", "file with the API key (default: the key in $PIZZERIA_KEY)")
		f.StringVar(&c.caFile, "ca-file", "", "file with the certificate authority of the server (default: $PIZZERIA_CA_FILE, or the system's)")
		f.StringVar(&c.context, "context", "", "a control plane by its name (default: the one in use; see `context`)")
		f.StringVarP(&c.output, "output", "o", "table", "output: table, json or yaml; for lists also name, which prints what other commands call each item")
		_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
		cmd.PersistentPreRunE = func(running *cobra.Command, _ []string) error { return c.begin(running) }
	}
	return all
}

// begin checks what all commands share.
func (c *client) begin(running *cobra.Command) error {
	c.cmd = running
	running.SilenceUsage = true
	switch {
	case c.output == "name" && running.Annotations[hasNames] == "":
		return c.app.wrongUse(running, errors.New("-o name: only lists have names; use table, json or yaml"))
	case !slices.Contains([]string{"table", "json", "yaml", "name"}, c.output):
		return c.app.wrongUse(running, fmt.Errorf("-o %s: use table, json, yaml or, for a list, name", c.output))
	}
	if c.admin != "" && (c.server != "" || c.context != "") || c.server != "" && c.context != "" {
		return c.app.wrongUse(running, fmt.Errorf("--admin, --server and --context are three ways to name one control plane: use one"))
	}
	return nil
}

// hasNames marks the commands whose output can be names alone.
const hasNames = "names"

func named(list *cobra.Command) *cobra.Command {
	list.Annotations = map[string]string{hasNames: "yes"}
	return list
}

// program is the name of the program, whose own commands come right after it.
func (a App) program() string {
	name, _, _ := strings.Cut(a.Name, " ")
	return name
}

// Strict makes a command and its children exit with status 2 on wrong use: arguments, flags, unknown children.
func (a App) Strict(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return a.wrongUse(c, err)
			}
			return nil
		}
	}
	cmd.SetFlagErrorFunc(a.wrongUse)
	if cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return a.wrongUse(c, fmt.Errorf("there is no command %q", args[0]))
		}
	}
	for _, child := range cmd.Commands() {
		a.Strict(child)
	}
}

// wrongUse says what is wrong and how the command is used.
func (a App) wrongUse(cmd *cobra.Command, err error) error {
	cmd.PrintErrf("Error: %v\n\nUsage: %s\n", err, cmd.UseLine())
	for _, child := range cmd.Commands() {
		if !child.Hidden {
			cmd.PrintErrf("  %-12s %s\n", child.Name(), child.Short)
		}
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return a.Exit(exitWrongUse)
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
