// Command pizzeria is Caddy with Pizzeria's modules.
package main

import (
	"os"
	"path/filepath"
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
		// The default config listens on a socket in ./data, which Caddy does not make;
		// and what Caddy writes about itself belongs there too, not into the home directory.
		_ = os.MkdirAll("data", 0o700)
		if dir, err := filepath.Abs("data"); err == nil && os.Getenv("XDG_DATA_HOME") == "" {
			_ = os.Setenv("XDG_DATA_HOME", dir)
		}
	}
	// Caddy looks for its admin endpoint on a port; ours is where the Caddyfile at hand says.
	if len(os.Args) == 2 && slices.Contains([]string{"stop", "trust", "untrust"}, os.Args[1]) {
		if _, err := os.Stat("Caddyfile"); err == nil {
			os.Args = append(os.Args, "--config", "Caddyfile")
		}
	}
	caddycmd.Main()
}
