package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

func (c *client) rekey() *cobra.Command {
	var dataDir, database, key, next string
	cmd := &cobra.Command{Use: "rekey", Short: "Replaces the secret key, while the server is stopped", Args: cobra.NoArgs}
	cmd.Long = "Makes a new secret key and seals everything secret in the database again under it, while the server is stopped. The old key is kept beside it (.old): older backups open with it. " +
		"Where the key was in wrong hands, `signing-key rotate --emergency` belongs to it."
	cmd.RunE = func(*cobra.Command, []string) error {
		database, err := FromEnvironment(database)
		if err != nil {
			return err
		}
		if dataDir == "" {
			dataDir = c.dataDir(database)
		}
		dataDir, err = filepath.Abs(dataDir)
		if err != nil {
			return err
		}
		if key == "" {
			key = filepath.Join(dataDir, "secret.key")
		}
		n, err := c.app.Rekey(c.cmd.Context(), dataDir, database, key, next)
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
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "the data directory (default: that of the database or the admin socket)")
	cmd.Flags().StringVar(&database, "database", "", "the database: a file, a connection string of PostgreSQL, or env:NAME (default: pizzeria.db in the data directory)")
	cmd.Flags().StringVar(&key, "secret-key", "", "the file with the key, or env:NAME (default: secret.key in the data directory)")
	cmd.Flags().StringVar(&next, "new-secret-key", "", "the new key of one in the environment, as env:NAME")
	return cmd
}

// FromEnvironment returns what env:NAME stands for, or the value itself.
func FromEnvironment(value string) (string, error) {
	name, ok := strings.CutPrefix(value, "env:")
	if !ok {
		return value, nil
	}
	if value = os.Getenv(name); value == "" {
		return "", fmt.Errorf("the environment variable %s is not set", name)
	}
	return value, nil
}

// IsPostgres reports whether a database is named by a connection string of PostgreSQL, and not a
// file.
func IsPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://") ||
		pairs.MatchString(database)
}

// pairs are keyword=value pairs of a connection string. A file name has none of these words.
var pairs = regexp.MustCompile(`(^|\s)(host|hostaddr|dbname|port|user|password|service|passfile|sslmode)\s*=`)

// dataDir is the data directory of an installation on this machine, with what is known of it.
func (c *client) dataDir(database string) string {
	if database != "" && !IsPostgres(database) {
		return filepath.Dir(database)
	}
	if path, ok := strings.CutPrefix(c.adminAddress(), "unix/"); ok {
		return filepath.Dir(path)
	}
	return "data"
}
