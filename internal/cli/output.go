package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
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

// table says how things of one kind are printed.
type table[T any] []column[T]

// show prints a list, or one thing, with a head.
func (t table[T]) show(w io.Writer, b []byte) error {
	items, err := itemsOf[T](b)
	if err != nil {
		return err
	}
	cells := make([]string, len(t))
	for i, c := range t {
		cells[i] = c.head
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
	for _, item := range items {
		for i, c := range t {
			cells[i] = registry.Printable(c.value(item))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return nil
}

// names prints what other commands call each thing, one a line.
func (t table[T]) names(w io.Writer, b []byte) error {
	items, err := itemsOf[T](b)
	if err != nil {
		return err
	}
	name := t[0]
	if last := t[len(t)-1]; strings.HasSuffix(last.head, "ID") && !slices.Contains(namedBy, name.head) {
		name = last
	}
	for _, item := range items {
		fmt.Fprintln(w, registry.Printable(name.value(item)))
	}
	return nil
}

// namedBy are the columns that commands take in place of an ID.
var namedBy = []string{"SLUG", "EMAIL", "DOMAIN"}

func itemsOf[T any](b []byte) ([]T, error) {
	var page struct {
		Items *[]T `json:"items"`
	}
	if err := json.Unmarshal(b, &page); err != nil {
		return nil, err
	}
	if page.Items != nil {
		return *page.Items, nil
	}
	one := make([]T, 1)
	return one, json.Unmarshal(b, &one[0])
}

// showList reads a list to its end and prints it.
func (c *client) showList(path string, t listed) error {
	b, err := c.list(path, url.Values{}, 0)
	if err != nil {
		return err
	}
	return c.printList(b, t)
}

// listed is a table of any kind.
type listed interface {
	show(w io.Writer, b []byte) error
	names(w io.Writer, b []byte) error
}

// printList is print for a list, whose names alone can be asked for.
func (c *client) printList(b []byte, t listed) error {
	if c.output == "name" {
		return t.names(os.Stdout, b)
	}
	return c.print(b, t.show)
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

// either lists words as the values of a flag.
func either[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}
