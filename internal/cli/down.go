package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (c *client) down() *cobra.Command {
	var dataDir string
	cmd := &cobra.Command{
		Use: "down", Short: "Stops all instances; they start again with the server",
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		address := c.adminAddress()
		var v struct{ Stopped int }
		body, err := c.socket(address, "/pizzeria").open(cmd.Context(), "POST", "/down", nil)
		dir := dataDir
		if path, ok := strings.CutPrefix(address, "unix/"); ok && dir == "" {
			dir = filepath.Dir(path)
		}
		if dir != "" && errors.Is(err, errAway) {
			v.Stopped, err = c.app.Down(dir)
		} else if err == nil {
			defer func() { _ = body.Close() }()
			err = json.NewDecoder(body).Decode(&v)
		}
		if err != nil {
			return err
		}
		fmt.Printf("stopped %d instances\n", v.Stopped)
		return nil
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "the data directory, if no server runs (default: that of the admin socket)")
	return cmd
}
