package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/internal/licenses"
)

var licensesTable = table[licenses.Module]{
	{"MODULE", func(m licenses.Module) string { return m.Path }},
	{"VERSION", func(m licenses.Module) string { return m.Version }},
	{"LICENSE", func(m licenses.Module) string {
		switch {
		case m.License == "":
			return "not recorded, see its source code"
		case m.Recorded != "":
			return m.License + " (recorded for " + m.Recorded + ")"
		}
		return m.License
	}},
}

// licenses needs no server: it reads what is built into the program.
func (c *client) licenses() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use: "licenses [module]", Short: "Lists the licenses of the modules in this program, or prints the license texts of one", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := licenses.Parse(licenses.Notice)
			if err != nil {
				return err
			}
			if full {
				if len(args) > 0 {
					return c.app.wrongUse(cmd, errors.New("--full prints all modules: leave the module out"))
				}
				_, err := fmt.Fprint(os.Stdout, licenses.Notice)
				return err
			}
			info, _ := debug.ReadBuildInfo()
			linked := list.Linked(info)
			if len(args) == 0 {
				b, err := json.Marshal(map[string]any{"items": linked})
				if err != nil {
					return err
				}
				return c.print(b, licensesTable.show)
			}
			for _, m := range append(linked, list.Modules...) {
				switch {
				case m.Path != args[0]:
				case m.License == "":
					return fmt.Errorf("the license of %s is not recorded: see its source code", m.Path)
				default:
					_, err := fmt.Fprintf(os.Stdout, "%s %s: %s\n\n%s", m.Path, m.Version, m.License, list.Full(m))
					return err
				}
			}
			return fmt.Errorf("this program has no module %q: see `licenses`", args[0])
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "print all copyright notices and license texts")
	return cmd
}
