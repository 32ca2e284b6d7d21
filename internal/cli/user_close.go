package cli

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const runnersFlag = "revoke the runners that the person enrolled, too"

func (c *client) userDisable() *cobra.Command {
	var reason string
	var runners, lastOwner bool
	cmd := c.on("disable <user>", "Signs somebody out everywhere, revokes their own keys, and keeps them from signing in", cobra.ExactArgs(1), func(args []string) error {
		in := map[string]any{"reason": reason, "revoke_runners": runners, "even_last_owner": lastOwner}
		return c.show("POST", userPath(args[0])+"/disable", in, userTable.show)
	})
	cmd.ValidArgsFunction = nil
	cmd.Flags().StringVar(&reason, "reason", "", "why; platform admins see it")
	cmd.Flags().BoolVar(&runners, "revoke-runners", false, runnersFlag)
	cmd.Flags().BoolVar(&lastOwner, "even-last-owner", false, "even if an org loses its last owner who can act")
	return cmd
}

func (c *client) userEnable() *cobra.Command {
	cmd := c.on("enable <user>", "Lets somebody sign in again whose account was disabled", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", userPath(args[0])+"/enable", nil, userTable.show)
	})
	cmd.ValidArgsFunction = nil
	return cmd
}

func (c *client) userDelete() *cobra.Command {
	var confirm string
	var runners bool
	cmd := c.on("delete <user>", "Deletes an account and its personal data for good", cobra.ExactArgs(1), func(args []string) error {
		if confirm == "" {
			return c.app.wrongUse(c.cmd, errors.New("--confirm is missing: give the account's e-mail address, to confirm"))
		}
		q := url.Values{"confirm": {confirm}, "revoke_runners": {strconv.FormatBool(runners)}}
		return c.show("DELETE", userPath(args[0])+"?"+q.Encode(), nil, nil)
	})
	cmd.ValidArgsFunction = nil
	cmd.Flags().StringVar(&confirm, "confirm", "", "the account's e-mail address, to confirm")
	cmd.Flags().BoolVar(&runners, "revoke-runners", false, runnersFlag)
	return cmd
}
