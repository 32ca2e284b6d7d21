package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry/storecopy"
)

func (c *client) store() *cobra.Command {
	store := &cobra.Command{Use: "store", Short: "Manages the database, while the server is stopped"}
	store.AddCommand(c.storeCopy())
	return store
}

func (c *client) storeCopy() *cobra.Command {
	var dataDir, key string
	cmd := &cobra.Command{Use: "copy <from> <to>", Short: "Copies everything to an empty database, while the server is stopped", Args: cobra.ExactArgs(2)}
	cmd.Long = "Copies everything in a database to an empty one, while no server uses either, and compares every value. A database is named as sqlite:data/pizzeria.db, by a connection string of PostgreSQL, which the PG* environment variables complete, or as env:NAME, which keeps a password off the command line. " +
		"If the copy fails or is interrupted, the target stays empty. With --data-dir or --secret-key, the audit log is verified as well. The source is not changed."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if key == "" && dataDir != "" {
			key = filepath.Join(dataDir, "secret.key")
		}
		r, err := c.app.StoreCopy(cmd.Context(), args[0], args[1], dataDir, key)
		if err != nil {
			return err
		}
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return c.print(b, func(w io.Writer, _ []byte) error { return showCopy(w, r) })
	}
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "the data directory, with the secret key that the audit log is verified with")
	cmd.Flags().StringVar(&key, "secret-key", "", "the file with the key, or env:NAME (default: secret.key in the data directory)")
	return cmd
}

// showCopy prints what was copied, and what is different or was not verified.
func showCopy(w io.Writer, r storecopy.Report) error {
	_, _ = fmt.Fprintln(w, "TABLE\tROWS") // the writer reports its error when it is flushed
	var rows int64
	for _, t := range r.Tables {
		_, _ = fmt.Fprintf(w, "%s\t%d\n", t.Name, t.N)
		rows += t.N
	}
	_, _ = fmt.Fprintf(w, "\ncopied and compared %d rows of %d tables\n", rows, len(r.Tables))
	for _, c := range r.Replaced {
		_, _ = fmt.Fprintf(w, "%s: %d values had NUL or invalid UTF-8, which is now U+FFFD\n", c.Name, c.N)
	}
	if r.Audit == nil {
		_, err := fmt.Fprintln(w, "the audit log was not verified: give --data-dir or --secret-key, or run `audit verify` later")
		return err
	}
	_, err := fmt.Fprintf(w, "verified the audit log, entries %d to %d\n", r.Audit.First, r.Audit.Head.Seq)
	return err
}
