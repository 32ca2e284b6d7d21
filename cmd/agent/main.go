// Command agent stands beside an instance. It runs the app, checks who is asking, and reports to
// the host side; see package agent. The process provider starts it for each instance, without the
// server that is otherwise in the same program, so that an instance costs 3 MiB of memory more, and
// not 12.
//
//	pizzeria-agent shim <dir>
//	pizzeria-agent [options] -- command [args...]
//
// The server finds it by the name pizzeria-agent beside its own executable, then in $PATH, or by the
// option agent of the process provider.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision/process"
)

const program = "pizzeria-agent"

// gcPercent makes the collector run at 2 MiB of heap while little is in use; by default it waits for
// 4 MiB. Memory is what limits how many instances a machine holds, so it matters more than the
// processor time of more collections.
const gcPercent = 50

func main() {
	debug.SetGCPercent(gcPercent)
	var err error
	switch args := os.Args[1:]; {
	case len(args) >= 2 && args[0] == "shim":
		err = process.Shim(args[1:]...)
	case len(args) == 1 && args[0] == "sandbox":
		err = sandbox.Enter()
	case len(args) >= 2 && args[0] == "egress":
		err = egress.Listen(args[1], args[2:])
	case len(args) == 2 && args[0] == "intruder":
		err = intruder.Main(args[1], os.Stdout)
	default:
		os.Exit(agent.Main(program, args, os.Stdout, os.Stderr))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, program+":", err)
		os.Exit(1)
	}
}
