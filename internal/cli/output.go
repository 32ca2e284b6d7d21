package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pizzaface/pizzeria/registry"
)

// column is one column of a table: its head, and an item's value.
type column[T any] struct {
	head  string
	value func(T) string
}

// table prints a list, or one thing, with the columns.
func table[T any](columns ...column[T]) func(io.Writer, []byte) error {
	return func(w io.Writer, b []byte) error {
		var page struct {
			Items *[]T `json:"items"`
		}
		if err := json.Unmarshal(b, &page); err != nil {
			return err
		}
		if page.Items == nil {
			var one T
			if err := json.Unmarshal(b, &one); err != nil {
				return err
			}
			page.Items = &[]T{one}
		}
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = c.head
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
		for _, item := range *page.Items {
			for i, c := range columns {
				cells[i] = registry.Printable(c.value(item))
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		return nil
	}
}

// print writes an answer in the form that was asked for; nothing without a table.
func (c *client) print(b []byte, table func(io.Writer, []byte) error) error {
	switch {
	case len(b) == 0:
		return nil
	case c.output == "json":
		var out bytes.Buffer
		if err := json.Indent(&out, b, "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintln(os.Stdout, strings.TrimSpace(out.String()))
		return err
	case c.output == "yaml":
		out, err := asYAML(b)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(out)
		return err
	case table == nil:
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	return errors.Join(table(w, b), w.Flush())
}

// asYAML rewrites JSON as YAML in block style, in the same order.
func asYAML(b []byte) ([]byte, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return nil, err
	}
	var plain func(*yaml.Node)
	plain = func(n *yaml.Node) {
		n.Style = 0
		for _, c := range n.Content {
			plain(c)
		}
	}
	plain(&n)
	return yaml.Marshal(&n)
}

// show calls the API and prints the answer.
func (c *client) show(method, path string, in any, table func(io.Writer, []byte) error) error {
	b, err := c.call(method, path, in)
	if err != nil {
		return err
	}
	return c.print(b, table)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
