package cli

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/tmaxmax/go-sse"
)

// events prints changes as they happen, one JSON object a line.
func (c *client) events() *cobra.Command {
	var after string
	e := c.on("events [org]", "Prints changes as they happen, one JSON object per line", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/events"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		if after != "" {
			path += "?after=" + url.QueryEscape(after)
		}
		return c.follow(path, func(e sse.Event) error {
			if e.Type == "reset" {
				fmt.Fprintln(os.Stderr, "some changes before the next one are no longer kept")
				return nil
			}
			_, err := fmt.Fprintln(os.Stdout, e.Data)
			return err
		}, func(err error, wait time.Duration) {
			fmt.Fprintf(os.Stderr, "connection lost, retrying in %s: %v\n", wait.Round(100*time.Millisecond), err)
		})
	})
	e.Long = "Prints changes as they happen, one JSON object per line. When the connection is lost it reconnects,\n" +
		"and continues after the last change that it printed."
	e.Flags().StringVar(&after, "after", "", "start after the change with this ID (0: with the oldest that is kept)")
	return e
}
