package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

func (c *client) me() *cobra.Command {
	return &cobra.Command{Use: "me", Short: "Shows who you are to the control plane, and your orgs", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return c.show("GET", "/me", nil, func(w io.Writer, b []byte) error {
			var v struct {
				Kind          string
				User          *registry.User
				PlatformAdmin bool `json:"platform_admin"`
				Orgs          []registry.OrgView
			}
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			who := v.Kind
			if v.User != nil {
				who = v.User.Email
			}
			if v.PlatformAdmin {
				who += ", platform admin"
			}
			fmt.Fprintln(w, registry.Printable(who))
			for _, o := range v.Orgs {
				fmt.Fprintf(w, "%s\t%s\t%s\n", o.Slug, registry.Printable(o.Name), o.Role)
			}
			return nil
		})
	}}
}
