package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

// updateOrg changes what of an org is a plain value: each has an operation of its own.
func (c *client) updateOrg() *cobra.Command {
	var name, plan, provider string
	var withoutData bool
	const short = "Changes an org's display name, plan or provider"
	update := c.on("update <org>", short, cobra.ExactArgs(1), nil)
	update.RunE = func(cmd *cobra.Command, args []string) error {
		moves := cmd.Flags().Changed("provider")
		if name == "" && plan == "" && !moves {
			return c.app.wrongUse(cmd, errors.New("say --name, --plan or --provider"))
		}
		org := orgPath(args[0])
		var answer []byte
		for _, change := range []struct {
			wanted       bool
			method, path string
			body         any
		}{
			{plan != "", "PUT", org + "/plan", some("plan", plan)},
			{moves, "PUT", org + "/provider", map[string]any{
				"provider": provider, "without_data": withoutData,
			}},
			{name != "", "PATCH", org, some("name", name)},
		} {
			if !change.wanted {
				continue
			}
			var err error
			if answer, err = c.call(change.method, change.path, change.body); err != nil {
				return err
			}
		}
		return c.print(answer, orgTable.show)
	}
	update.Flags().StringVar(&name, "name", "", "display name")
	update.Flags().StringVar(&plan, "plan", "", "plan, which counts at once; for platform admins")
	update.Flags().StringVar(&provider, "provider", "",
		`provider of its own, to which its instance moves at once; "" for its plan's; for platform admins`)
	update.Flags().BoolVar(&withoutData, "without-data", false,
		"also to a provider that does not have the org's data")
	return update
}
