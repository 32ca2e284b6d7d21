package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// run runs a command line and returns the exit status and what it printed.
func run(name string, args ...string) (status int, printed string) {
	exit := errors.New("exit")
	app := App{Name: name, Exit: func(code int) error { status = code; return exit }}
	root := &cobra.Command{Use: app.program(), SilenceUsage: true, SilenceErrors: true}
	top := root
	if _, child, has := strings.Cut(name, " "); has {
		top = &cobra.Command{Use: child}
		root.AddCommand(top)
		args = append([]string{child}, args...)
	}
	top.AddCommand(app.Commands()...)
	app.Strict(top)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	if err := root.Execute(); err != nil && !errors.Is(err, exit) {
		status = 1
	}
	return status, out.String()
}

// leaves returns the command lines of all commands that do something.
func leaves() (lines [][]string) {
	var walk func(line []string, c *cobra.Command)
	walk = func(line []string, c *cobra.Command) {
		line = append(line[:len(line):len(line)], c.Name())
		for _, child := range c.Commands() {
			walk(line, child)
		}
		if !c.HasSubCommands() {
			lines = append(lines, line)
		}
	}
	for _, c := range (App{Exit: func(int) error { return nil }}).Commands() {
		walk(nil, c)
	}
	return lines
}

// TestWrongUse: every command ends with 2 when it is used wrongly, and says how it is used.
func TestWrongUse(t *testing.T) {
	t.Setenv("PIZZERIA_CONFIG", t.TempDir()+"/none.yaml")
	nine := strings.Fields("1 2 3 4 5 6 7 8 9")
	all := leaves()
	if len(all) < 90 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, line := range all {
		name := strings.Join(line, " ")
		for what, more := range map[string][]string{
			"an unknown flag": {"--no-such-flag"}, "an unknown output": {"-o", "xml"}, "no server": {"--server"},
		} {
			fits := false
			for n := range 4 { // as many arguments as it takes
				status, printed := run("pizzeria", append(append([]string{}, line...), append(nine[:n:n], more...)...)...)
				if status != exitWrongUse || strings.Count(printed, "Usage: pizzeria "+name) != 1 {
					t.Errorf("%s with %s and %d arguments: status %d\n%s", name, what, n, status, printed)
				}
				fits = fits || !strings.Contains(printed, "arg(s)")
			}
			if !fits {
				t.Errorf("%s takes more than 3 arguments", name)
			}
		}
		if name == "member invite" || name == "settings unset" { // any number
			continue
		}
		if status, printed := run("caddy pizzeria", append(append([]string{}, line...), nine...)...); status != exitWrongUse ||
			!strings.Contains(printed, "Usage: caddy pizzeria "+name) {
			t.Errorf("%s with nine arguments: status %d\n%s", name, status, printed)
		}
	}
	for _, line := range []string{"nonsense", "org nonsense", "apply", "org update x", "org show x -o name", "webhook update x"} {
		if status, printed := run("pizzeria", strings.Fields(line)...); status != exitWrongUse || !strings.HasPrefix(printed, "Error: ") {
			t.Errorf("%s: status %d\n%s", line, status, printed)
		}
	}
}

// TestNames: what -o name prints is what other commands take.
func TestNames(t *testing.T) {
	for name, row := range map[string]struct {
		table listed
		json  string
		want  string
	}{
		"orgs":       {orgTable, `{"items":[{"slug":"acme","id":"1"},{"slug":"globex","id":"2"}]}`, "acme\nglobex\n"},
		"people":     {userTable, `{"items":[{"email":"ada@example.com","id":"1"}]}`, "ada@example.com\n"},
		"members":    {memberTable, `{"items":[{"email":"ada@example.com","user_id":"1"}]}`, "ada@example.com\n"},
		"domains":    {domainTable, `{"items":[{"domain":"example.com"}]}`, "example.com\n"},
		"keys":       {keyTable, `{"items":[{"name":"ci","id":"1"}]}`, "1\n"},
		"runners":    {runnerTable, `{"items":[{"name":"build","id":"1"}]}`, "1\n"},
		"sessions":   {sessionTable, `{"items":[{"id":"1"}]}`, "1\n"},
		"identities": {identityTable, `{"items":[{"connection":"Corp","connection_id":"1"}]}`, "1\n"},
		"contexts":   {contextTable, `{"items":[{"name":"prod"}]}`, "prod\n"},
		"none":       {orgTable, `{"items":[]}`, ""},
		"one":        {orgTable, `{"slug":"acme"}`, "acme\n"},
		"controls":   {keyTable, `{"items":[{"id":"1\u001b\n2"}]}`, "1  2\n"},
	} {
		var out bytes.Buffer
		if err := row.table.names(&out, []byte(row.json)); err != nil || out.String() != row.want {
			t.Errorf("%s: %q %v, want %q", name, out.String(), err, row.want)
		}
	}
}
