package caddymodule

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/spf13/pflag"
)

// checkNotRunning refuses arguments that start a server whose admin socket another one serves.
// Caddy would take the socket away first, and learn only then that the data directory is in use:
// the other server would run on, out of reach.
func checkNotRunning(args []string) error {
	if len(args) < 2 || args[1] != "run" && args[1] != "start" {
		return nil
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {} // Caddy shows it
	file := flags.StringP("config", "c", "Caddyfile", "")
	if err := flags.Parse(args[2:]); err != nil {
		return nil //nolint:nilerr // Caddy says what is wrong
	}
	socket := adminSocket(*file)
	if socket == "" {
		return nil
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil //nolint:nilerr // nobody is there
	}
	_ = c.Close()
	return errors.New("a server is already running: it answers at " + socket +
		". Apply a changed configuration with `pizzeria reload --config " + *file +
		"`, or stop it with `pizzeria stop`")
}

// adminSocket is the path of the Unix socket that a config file names for administration, if any.
func adminSocket(file string) string {
	b, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return ""
	}
	var config struct {
		Admin struct {
			Listen string `json:"listen"`
		} `json:"admin"`
	}
	if json.Unmarshal(b, &config) != nil {
		config.Admin.Listen = caddyfileAdmin(file, b)
	}
	a, err := caddy.ParseNetworkAddress(config.Admin.Listen)
	if err != nil || a.Network != "unix" {
		return ""
	}
	path, _, _ := strings.Cut(a.Host, "|") // its mode follows
	return path
}

// caddyfileAdmin is what the global option admin of a Caddyfile says. It needs no directive to be
// registered: this runs before Caddy.
func caddyfileAdmin(file string, b []byte) string {
	blocks, err := caddyfile.Parse(file, b)
	if err != nil || len(blocks) == 0 || len(blocks[0].Keys) > 0 {
		return ""
	}
	for _, s := range blocks[0].Segments {
		if s.Directive() == "admin" && len(s) > 1 {
			return s[1].Text
		}
	}
	return ""
}
