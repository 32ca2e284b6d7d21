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

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/provision/process"
)

const program = "pizzeria-agent"

func main() {
	if len(os.Args) != 3 || os.Args[1] != "shim" {
		os.Exit(agent.Main(program, os.Args[1:], os.Stdout, os.Stderr))
	}
	if err := process.Shim(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, program+":", err)
		os.Exit(1)
	}
}
