package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// events prints changes as they happen, one JSON object a line.
func (c *client) events() *cobra.Command {
	var after string
	e := c.on("events [org]", "Prints what changes, as it changes, one JSON object a line", cobra.MaximumNArgs(1), func(args []string) error {
		path := "/events"
		if len(args) == 1 {
			path = orgPath(args[0]) + path
		}
		body, err := c.open("GET", path+"?after="+url.QueryEscape(after), nil)
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		return eachData(body, func(data string) error {
			_, err := fmt.Fprintln(os.Stdout, data)
			return err
		})
	})
	e.Flags().StringVar(&after, "after", "", "begin behind the change with this ID (0: the oldest that is kept)")
	return e
}

// eachData reads server-sent events and hands over the data of each.
func eachData(r io.Reader, f func(data string) error) error {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			if err := f(data); err != nil {
				return err
			}
		}
	}
	return sc.Err()
}
