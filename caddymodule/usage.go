package caddymodule

import (
	"errors"
	"fmt"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// exitWrongUse is the exit status for arguments that mean nothing; 1 is for what failed.
const exitWrongUse = 2

// strict makes a command and its children exit with status 2 on wrong use: arguments,
// flags, unknown children.
func strict(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return wrongUse(c, err)
			}
			return nil
		}
	}
	cmd.SetFlagErrorFunc(wrongUse)
	if cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return wrongUse(c, fmt.Errorf("there is no command %q", args[0]))
		}
	}
	for _, child := range cmd.Commands() {
		strict(child)
	}
}

// wrongUse says what is wrong and how the command is used.
func wrongUse(cmd *cobra.Command, err error) error {
	cmd.PrintErrf("Error: %v\n\nUsage: %s\n", err, cmd.UseLine())
	for _, child := range cmd.Commands() {
		cmd.PrintErrf("  %-12s %s\n", child.Name(), child.Short)
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return exitWrongUse, nil })(cmd, nil)
}

var errAway = errors.New("the server does not answer")
