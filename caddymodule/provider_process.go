package caddymodule

import (
	"errors"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/process"
)

func init() { caddy.RegisterModule(Process{}) }

// Process runs each org's instance as a process on this machine. All of them
// are one trust domain: see the reference.
type Process struct {
	// The command that starts an instance, with its arguments. Default: the sample instance.
	Command []string `json:"command,omitempty"`

	// Variables added to the instances' otherwise clean environment. Default: none.
	Env map[string]string `json:"env,omitempty"`

	// How long an instance may take to stop before it is killed. Default: `15s`.
	Grace *caddy.Duration `json:"grace,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Process) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.providers.process", New: func() caddy.Module { return new(Process) }}
}

// Provision implements caddy.Provisioner.
func (p *Process) Provision(caddy.Context) error {
	if p.Grace != nil && *p.Grace < 0 {
		return errors.New("grace must not be negative")
	}
	return expandAll(p)
}

// defaultGrace is how long an instance may take to stop.
const defaultGrace = caddy.Duration(15 * time.Second)

// NewProvider implements Provider. The shim, and the sample instance, are this same program.
func (p *Process) NewProvider(dataDir string) (provision.Provider, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := p.Command
	if len(command) == 0 {
		command = []string{self, "pizzeria", "sample-instance"}
	}
	return process.New(process.Config{
		Dir: dataDir, Command: command, Env: p.Env, Grace: time.Duration(valueOr(p.Grace, defaultGrace)),
		Shim: []string{self, "pizzeria", "shim"},
	})
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	provider process {
//		command <program> [<args...>]
//		env     <name> <value>
//		grace   <duration>
//	}
func (p *Process) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "command":
			if p.Command != nil {
				return d.Err("command is given twice")
			}
			if p.Command = d.RemainingArgs(); len(p.Command) == 0 {
				return d.ArgErr()
			}
		case "env":
			var name, value string
			if !d.AllArgs(&name, &value) {
				return d.ArgErr()
			}
			if p.Env == nil {
				p.Env = map[string]string{}
			}
			if _, ok := p.Env[name]; ok {
				return d.Errf("env %s is given twice", name)
			}
			p.Env[name] = value
		case "grace":
			if p.Grace != nil {
				return d.Err("grace is given twice")
			}
			if err := durationArg(d, &p.Grace); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q: use command, env or grace", d.Val())
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Process)(nil)
	_ Provider              = (*Process)(nil)
	_ caddyfile.Unmarshaler = (*Process)(nil)
)
