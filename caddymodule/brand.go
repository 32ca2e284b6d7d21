package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/caddyserver/caddy/v2"
)

// binaryName is the name of this project's own builds. cmd/pizzeria asks for it by calling Brand,
// the distribution by setting caddy.CustomBinaryName in xcaddy.json. Anyone else's Caddy with this
// module keeps its name and its arguments.
const binaryName = "pizzeria"

func init() {
	if caddy.CustomBinaryName == binaryName {
		Brand()
	}
}

const longDescription = `Pizzeria gives every organization its own server behind one front door.

It is Caddy with the modules of Pizzeria. Start it with the Caddyfile in the working directory:

	$ pizzeria run

Then manage organizations, people and instances, here or from another machine:

	$ pizzeria org create acme
	$ pizzeria login --server https://pizzeria.example.com
	$ pizzeria org list

The commands below are these, and Caddy's own, which work as in any other Caddy.
`

// Brand makes this program Pizzeria's own build: its name, version and description, its commands
// at the root, without the word "pizzeria" before them, and its default directories. Call it before Caddy's
// main function.
func Brand() {
	caddy.CustomBinaryName = binaryName
	caddy.CustomLongDescription = longDescription
	if caddy.CustomVersion == "" {
		bi, _ := debug.ReadBuildInfo()
		caddy.CustomVersion = versionOf(bi) + " with Caddy" // Caddy's version follows
	}
	registerCommands()
	os.Args = arguments(os.Args)
	if err := checkNotRunning(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
	if len(os.Args) > 1 && (os.Args[1] == "run" || os.Args[1] == "start") {
		// The default config listens on a socket in ./data, which Caddy does not create. Caddy's
		// own state belongs there too, not in the home directory.
		_ = os.MkdirAll("data", 0o700)
		if dir, err := filepath.Abs("data"); err == nil && os.Getenv("XDG_DATA_HOME") == "" {
			_ = os.Setenv("XDG_DATA_HOME", dir)
		}
	}
}

// arguments returns args as Caddy understands them.
func arguments(args []string) []string {
	// Caddy looks for its admin endpoint on a port. Ours is where the Caddyfile here says.
	if len(args) == 2 && slices.Contains([]string{"stop", "trust", "untrust"}, args[1]) {
		if _, err := os.Stat("Caddyfile"); err == nil {
			return append(slices.Clone(args), "--config", "Caddyfile")
		}
	}
	return args
}

const (
	modulePath = "github.com/pizzaface/pizzeria"
	unknown    = "devel"
)

// versionOf returns this module's version, as the main module or as a dependency, or "devel".
func versionOf(bi *debug.BuildInfo) string {
	if bi == nil {
		return unknown
	}
	v := ""
	if bi.Main.Path == modulePath {
		v = bi.Main.Version
	}
	for _, m := range bi.Deps {
		if m.Path != modulePath {
			continue
		}
		v = m.Version
		if m.Replace != nil && m.Replace.Version != "" && m.Replace.Version != "(devel)" { // (devel) is a directory
			v = m.Replace.Version
		}
	}
	if v != "" && v != "(devel)" && v != "v0.0.0" { // v0.0.0 stands for a directory
		return v
	}
	for _, s := range bi.Settings {
		if bi.Main.Path == modulePath && s.Key == "vcs.revision" {
			return unknown + "-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return unknown
}
