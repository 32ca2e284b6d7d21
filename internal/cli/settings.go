package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var settingTable = table[registry.Setting]{
	{"NAME", func(s registry.Setting) string { return s.Name }},
	{"VALUE", func(s registry.Setting) string {
		if s.Secret {
			return "(secret)"
		}
		return s.Value
	}},
	{"SET", func(s registry.Setting) string { return when(s.UpdatedAt) }},
	{"BY", func(s registry.Setting) string { return s.UpdatedBy }},
}

func (c *client) settings() *cobra.Command {
	s := &cobra.Command{Use: "settings", Short: "Manages the settings of an org's instance"}
	show := c.on("show <org>", "Shows an org's settings, secrets without their values", cobra.ExactArgs(1), func(args []string) error {
		return c.show("GET", orgPath(args[0])+"/settings", nil, settingTable.show)
	})
	schema := c.on("schema <org>", "Shows what may be set", cobra.ExactArgs(1), func(args []string) error {
		return c.show("GET", orgPath(args[0])+"/settings", nil, func(w io.Writer, b []byte) error {
			var v struct{ Schema registry.Schema }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			fmt.Fprintln(w, "NAME\tTYPE\tWHAT")
			for _, f := range v.Schema.Fields {
				fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, f.Type, registry.Printable(strings.TrimSpace(f.Label+" "+f.Help)))
			}
			for _, p := range v.Schema.Allow {
				fmt.Fprintf(w, "%s\ttext\tanything\n", p)
			}
			return nil
		})
	})
	var secret string
	var restart bool
	set := c.on("set <org> [NAME=value]...", "Sets variables; with --secret one whose value is read from standard input", cobra.MinimumNArgs(1), nil)
	set.RunE = func(cmd *cobra.Command, args []string) error {
		values, secrets := map[string]string{}, map[string]string{}
		for _, pair := range args[1:] {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return c.app.wrongUse(cmd, fmt.Errorf("%q is not NAME=value", pair))
			}
			values[name] = value
		}
		if secret != "" {
			v, err := readPassword()
			if err != nil {
				return err
			}
			secrets[secret] = v
		}
		if len(values)+len(secrets) == 0 {
			return c.app.wrongUse(cmd, errors.New("say what to set: NAME=value, or --secret NAME"))
		}
		return c.show("PATCH", orgPath(args[0])+"/settings", map[string]any{"values": values, "secrets": secrets, "restart": restart}, settingTable.show)
	}
	unset := c.on("unset <org> NAME...", "Unsets variables", cobra.MinimumNArgs(2), func(args []string) error {
		values := map[string]any{}
		for _, name := range args[1:] {
			values[name] = nil
		}
		return c.show("PATCH", orgPath(args[0])+"/settings", map[string]any{"values": values, "restart": restart}, settingTable.show)
	})
	set.Flags().StringVar(&secret, "secret", "", "the variable whose value is read from standard input, and never shown again")
	for _, cmd := range []*cobra.Command{set, unset} {
		cmd.Flags().BoolVar(&restart, "restart", false, "restart the instance, so that it gets them now")
	}
	s.AddCommand(show, schema, set, unset)
	return s
}
