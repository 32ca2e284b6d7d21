package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pizzaface/pizzeria/registry"
)

func (c *client) instanceEnvironment() *cobra.Command {
	return c.on("environment <org>", "Prints what an instance that you run elsewhere needs, with its token", cobra.ExactArgs(1), func(args []string) error {
		return c.show("GET", orgPath(args[0])+"/instance/environment", nil, func(_ io.Writer, b []byte) error {
			return writeEnvironment(os.Stdout, b, term.IsTerminal(int(os.Stdout.Fd())))
		})
	})
}

// writeEnvironment writes a file for a shell, for EnvironmentFile= of systemd, or, where no value
// needs quotes, for --env-file of Docker. An org's people choose the values of its settings: a
// terminal does not get their control characters.
func writeEnvironment(w io.Writer, b []byte, terminal bool) error {
	var v struct {
		Environment map[string]string
		Withheld    []string
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	var out strings.Builder
	out.WriteString("# Add PIZZERIA_LISTEN, where the instance listens, and PIZZERIA_DATA_DIR, its directory.\n")
	for _, name := range v.Withheld {
		fmt.Fprintf(&out, "# %s is a secret of the org's: get it from them.\n", registry.Printable(name))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Environment)) {
		value := v.Environment[name]
		if terminal {
			value = registry.Printable(value)
		}
		fmt.Fprintf(&out, "%s=%s\n", name, quoted(value))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]*$`)

// quoted is a value as a shell reads it.
func quoted(value string) string {
	if plain.MatchString(value) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
