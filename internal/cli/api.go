package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// api calls any route: for what a script needs and no command says better.
func (c *client) api() *cobra.Command {
	var body string
	a := &cobra.Command{
		Use: "api <method> <path>", Short: "Calls a route of the management API and prints the answer", Args: cobra.ExactArgs(2),
		Example: fmt.Sprintf("  %s api GET /orgs?limit=5\n  echo '{\"name\":\"Acme\"}' | %[1]s api PATCH /orgs/acme -d -", c.app.Name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasPrefix(args[1], "/") {
				return c.app.wrongUse(cmd, fmt.Errorf("%q is not a path below /api/v1: begin it with /", args[1]))
			}
			var in any
			if body != "" {
				b := []byte(body)
				if body == "-" {
					var err error
					if b, err = io.ReadAll(io.LimitReader(os.Stdin, 1<<20)); err != nil {
						return err
					}
				}
				if !json.Valid(b) {
					return c.app.wrongUse(cmd, fmt.Errorf("-d is not JSON"))
				}
				in = json.RawMessage(b)
			}
			b, err := c.call(strings.ToUpper(args[0]), args[1], in)
			if err != nil || len(b) == 0 {
				return err
			}
			if c.output == "table" && json.Valid(b) {
				c.output = "json"
			}
			return c.print(b, func(w io.Writer, b []byte) error {
				_, err := w.Write(b)
				return err
			})
		},
	}
	a.Flags().StringVarP(&body, "data", "d", "", "the body, as JSON; - reads it from standard input")
	return a
}
