package cli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the reference instead of comparing it")

// TestReference: the table of commands in docs is what the code declares.
func TestReference(t *testing.T) {
	rows := "| command | what |\n| --- | --- |\n"
	var walk func(prefix string, c *cobra.Command)
	walk = func(prefix string, c *cobra.Command) {
		for _, child := range c.Commands() {
			walk(prefix+c.Name()+" ", child)
		}
		if c.HasSubCommands() {
			return
		}
		var flags strings.Builder
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			kind, _ := pflag.UnquoteUsage(f)
			fmt.Fprintf(&flags, " [%s]", strings.TrimSpace("--"+f.Name+" "+kind))
		})
		if c.Short == "" {
			t.Errorf("%s%s says nothing", prefix, c.Name())
		}
		rows += fmt.Sprintf("| `%s%s%s` | %s |\n", prefix, strings.TrimSuffix(c.Use, " [flags]"), flags.String(), c.Short)
	}
	for _, c := range (App{Name: "pizzeria", Exit: func(int) error { return errors.New("exit") }}).Commands() {
		walk("", c)
	}
	const path = "../../docs/reference/cli.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), "<!-- commands -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- /commands -->")
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the commands", path)
	}
	got := before + "<!-- commands -->\n" + rows + "<!-- /commands -->" + after
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	} else if got != string(text) {
		t.Errorf("%s is not what the code declares: run go test ./internal/cli -update", path)
	}
}

func TestYAML(t *testing.T) {
	b, err := asYAML([]byte(`{"b":1,"a":["x: y",true],"n":"12"}`))
	if want := "b: 1\na:\n    - 'x: y'\n    - true\nn: \"12\"\n"; err != nil || string(b) != want {
		t.Errorf("%q %v", b, err)
	}
}
