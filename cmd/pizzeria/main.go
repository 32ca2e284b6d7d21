// Command pizzeria is Caddy with Pizzeria's modules.
package main

import (
	"os"
	"slices"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/pizzaface/pizzeria/caddymodule"
)

// main inserts the word "pizzeria" before its own commands, so that
// `pizzeria org list` is `caddy pizzeria org list`. Caddy's commands stay.
func main() {
	if len(os.Args) > 1 && slices.Contains(caddymodule.Commands(), os.Args[1]) {
		os.Args = slices.Insert(os.Args, 1, "pizzeria")
	}
	if len(os.Args) > 1 && (os.Args[1] == "run" || os.Args[1] == "start") {
		// The default config listens on a socket in ./data, which Caddy does not make.
		_ = os.MkdirAll("data", 0o700)
	}
	caddycmd.Main()
}
