// Command agent stands beside an instance: it is the shim that the process provider starts for each,
// without the server that is otherwise in the same program. So an instance costs 2 MiB of memory
// more, and not 12.
//
//	pizzeria-agent shim <dir>
//
// The server finds it by the name pizzeria-agent beside its own executable, then in $PATH, or by the
// option agent of the process provider.
package main

import (
	"fmt"
	"os"

	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision/process"
)

func main() {
	var err error
	switch {
	case len(os.Args) >= 3 && os.Args[1] == "shim":
		err = process.Shim(os.Args[2:]...)
	case len(os.Args) == 2 && os.Args[1] == "sandbox":
		err = sandbox.Enter()
	case len(os.Args) == 3 && os.Args[1] == "intruder":
		err = intruder.Main(os.Args[2], os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, "usage: pizzeria-agent shim <dir>\n\nThe server starts it, for each instance. See docs/guide/install.md.")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pizzeria-agent:", err)
		os.Exit(1)
	}
}
