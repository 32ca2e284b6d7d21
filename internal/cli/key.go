package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var keyTable = table[registry.APIKey]{
	{"NAME", func(k registry.APIKey) string { return k.Name }},
	{"ROLE", func(k registry.APIKey) string { return string(k.Role) }},
	{"SCOPES", func(k registry.APIKey) string { return strings.Trim(fmt.Sprint(k.Scopes), "[]") }},
	{"ENDS", func(k registry.APIKey) string { return when(k.ExpiresAt) }},
	{"LAST USED", func(k registry.APIKey) string { return when(k.LastUsedAt) }},
	{"FROM", func(k registry.APIKey) string { return k.LastUsedAddress }},
	{"ID", func(k registry.APIKey) string { return string(k.ID) }},
}

// keyDays is how long keys live unless somebody says otherwise.
const keyDays = 90

func (c *client) key() *cobra.Command {
	k := &cobra.Command{Use: "key", Short: "Manages an org's own API keys; your own are made in the console"}
	var name, role string
	var scopes []string
	var days int
	create := c.on("create <org>", "Makes a key of an org's own, and prints it, this once", cobra.ExactArgs(1), nil)
	create.RunE = func(cmd *cobra.Command, args []string) error {
		if name == "" || len(scopes) == 0 {
			return c.app.wrongUse(cmd, errors.New("--name and --scope are needed"))
		}
		in := map[string]any{"name": name, "role": role, "scopes": scopes, "days": days}
		return c.show("POST", orgPath(args[0])+"/keys", in, func(w io.Writer, b []byte) error {
			var v struct{ Secret string }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, v.Secret)
			return err
		})
	}
	create.Flags().StringVar(&name, "name", "", "what it is for")
	create.Flags().StringVar(&role, "role", "member", "member or admin")
	create.Flags().StringSliceVar(&scopes, "scope", nil, "what it may do, such as org:read,member:write")
	create.Flags().IntVar(&days, "days", keyDays, "how many days it lives")
	list := c.on("list <org>", "Lists an org's keys", cobra.ExactArgs(1), func(args []string) error {
		return c.showList(orgPath(args[0])+"/keys", keyTable)
	})
	revoke := c.on("revoke <org> <key ID>", "Revokes a key", cobra.ExactArgs(2), func(args []string) error {
		return c.show("DELETE", orgPath(args[0])+"/keys/"+url.PathEscape(args[1]), nil, nil)
	})
	k.AddCommand(create, named(list), revoke)
	return k
}
