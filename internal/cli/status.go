package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func (c *client) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Says whether the server runs, for health checks", Args: cobra.NoArgs,
		Long: "Exits with 0 if the server runs and serves, otherwise with 1. Over the admin socket only. The number is that of the newest change that the gateway knows.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			body, err := c.socket(c.adminAddress(), "/pizzeria").open(cmd.Context(), "GET", "/status", nil)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			var v struct{ Revision int64 }
			if err := json.NewDecoder(body).Decode(&v); err != nil {
				return err
			}
			fmt.Printf("running, at change %d\n", v.Revision)
			return nil
		},
	}
}
