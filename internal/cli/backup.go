package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func (c *client) backup() *cobra.Command {
	return &cobra.Command{
		Use: "backup <file>", Short: "Writes a copy of the database to a new file, while the server runs", Args: cobra.ExactArgs(1),
		Long: "Writes a copy of the database to a new file, while the server runs. Over the admin socket only. The secret key is not in it: keep a copy of that apart, once.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is there already: name a new file", args[0])
			}
			body, err := c.socket(c.adminAddress(), "/pizzeria").open(cmd.Context(), "GET", "/backup", nil)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			f, err := os.OpenFile(args[0]+".partial", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			n, err := io.Copy(f, body)
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				return errors.Join(fmt.Errorf("the backup is not whole: %w", err), os.Remove(args[0]+".partial"))
			}
			if err := os.Rename(args[0]+".partial", args[0]); err != nil {
				return err
			}
			fmt.Printf("%s\t%d bytes; it opens with the secret key of this installation only\n", args[0], n)
			return nil
		},
	}
}
