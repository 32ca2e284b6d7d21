package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

// sessionLifetimes is `pizzeria org session-lifetimes`.
func (c *client) sessionLifetimes() *cobra.Command {
	var idle, lifetime string
	cmd := &cobra.Command{
		Use: "session-lifetimes <org>", Short: "Says how long sign-in sessions count for an org, at most as long as for the installation",
		Args: cobra.ExactArgs(1), ValidArgsFunction: c.completeOrgs,
		Example: "  pizzeria org session-lifetimes acme --idle 15m --lifetime 8h",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("idle") && !cmd.Flags().Changed("lifetime") {
			return c.app.wrongUse(cmd, errors.New("--idle or --lifetime is missing"))
		}
		b, err := c.call("GET", orgPath(args[0]), nil)
		if err != nil {
			return err
		}
		var now registry.OrgView
		if err := json.Unmarshal(b, &now); err != nil {
			return err
		}
		in := map[string]any{}
		for _, f := range []struct {
			flag, member, said string
			was                registry.Seconds
		}{
			{"idle", "idle_seconds", idle, now.Sessions.Idle},
			{"lifetime", "lifetime_seconds", lifetime, now.Sessions.Absolute},
		} {
			if cmd.Flags().Changed(f.flag) {
				if f.was, err = seconds(f.said); err != nil {
					return c.app.wrongUse(cmd, fmt.Errorf("--%s: %w", f.flag, err))
				}
			}
			if f.was != 0 {
				in[f.member] = f.was
			}
		}
		return c.show("PUT", orgPath(args[0])+"/session-lifetimes", in, nil)
	}
	cmd.Flags().StringVar(&idle, "idle", "", "of a session that nobody uses, such as 15m; default is the installation's")
	cmd.Flags().StringVar(&lifetime, "lifetime", "", "of a session, such as 8h; default is the installation's")
	return cmd
}

// seconds reads a lifetime; that of the installation is 0.
func seconds(s string) (registry.Seconds, error) {
	if s == "default" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return 0, fmt.Errorf("%q is neither a duration such as 15m or 8h nor default", s)
	}
	return registry.Seconds(d / time.Second), nil
}
