package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (c *client) rekey() *cobra.Command {
	var database, key, next string
	cmd := &cobra.Command{Use: "rekey", Short: "Replaces the secret key, while the server is stopped", Args: cobra.NoArgs}
	cmd.Long = "Makes a new secret key and seals everything secret in the database again under it, while the server is stopped. The old key is kept beside it (.old): older backups open with it. " +
		"Where the key was in wrong hands, `signing-key rotate --emergency` belongs to it."
	cmd.RunE = func(*cobra.Command, []string) error {
		dir := "data"
		if path, ok := strings.CutPrefix(c.adminAddress(), "unix/"); ok {
			dir = filepath.Dir(path)
		}
		if database == "" {
			database = filepath.Join(dir, "pizzeria.db")
		}
		if key == "" {
			key = filepath.Join(filepath.Dir(database), "secret.key")
		}
		n, err := c.app.Rekey(c.cmd.Context(), database, key, next)
		if err != nil {
			return err
		}
		if next != "" {
			fmt.Printf("sealed %d secrets again, under %s\n", n, next)
			return nil
		}
		fmt.Printf("sealed %d secrets again; the old key is %s.old\n", n, key)
		return nil
	}
	cmd.Flags().StringVar(&database, "database", "", "the database (default: pizzeria.db beside the admin socket)")
	cmd.Flags().StringVar(&key, "secret-key", "", "the file with the key, or env:NAME (default: secret.key beside the database)")
	cmd.Flags().StringVar(&next, "new-secret-key", "", "the new key of one in the environment, as env:NAME")
	return cmd
}
