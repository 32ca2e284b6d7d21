package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

var policyTable = table[registry.PolicyRow]{
	{"ACTION", func(r registry.PolicyRow) string { return string(r.Action) }},
	{"LEAST ROLE IN THE ORG", func(r registry.PolicyRow) string {
		if r.Role == "" {
			return "-"
		}
		return string(r.Role)
	}},
	{"PLATFORM ADMINS", func(r registry.PolicyRow) string {
		if r.Platform {
			return "yes"
		}
		return "no"
	}},
	{"SCOPE OF KEYS", func(r registry.PolicyRow) string { return string(r.Scope) }},
	{"NEW SIGN-IN", func(r registry.PolicyRow) string {
		if r.Fresh {
			return "yes"
		}
		return "no"
	}},
}

// policy prints the one table that decides, as this program has it. It asks no server.
func (c *client) policy() *cobra.Command {
	p := &cobra.Command{Use: "policy", Short: "Shows who may do what"}
	show := &cobra.Command{Use: "show", Short: "Prints the policy table that decides everything", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		b, err := json.Marshal(map[string]any{"items": registry.Policy()})
		if err != nil {
			return err
		}
		return c.print(b, policyTable.show)
	}}
	p.AddCommand(show)
	return p
}
