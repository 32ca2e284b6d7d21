package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/process"
)

func init() { caddy.RegisterModule(Process{}) }

// Process runs each org's instance as a process on this machine. On Linux they are isolated from each
// other: as root with a user each, otherwise where users may have namespaces. See the reference.
type Process struct {
	// The command that starts an instance, with its arguments. Default: the sample instance.
	Command []string `json:"command,omitempty"`

	// Variables added to the instances' otherwise clean environment. Default: none.
	Env map[string]string `json:"env,omitempty"`

	// How instances learn who is asking: `direct` (the app listens at PIZZERIA_LISTEN and checks
	// assertions itself), or an app that listens at PORT, behind the agent, and gets the assertion in
	// its header (`assertion`) or as a bearer token (`bearer`), or X-Forwarded-User and such
	// (`trusted-headers`); or PizzaPi, which is signed in to (`pizzapi`). Default: `direct`.
	Profile agent.Profile `json:"profile,omitempty"`

	// Whether the agent refuses requests without an assertion, such as those that `org_auth except`
	// lets through, other than health checks. Needs a profile other than `direct`. Default: `false`.
	Required bool `json:"required,omitempty"`

	// Commands that run beside each instance, such as a database of its own. They have the instance's
	// environment, start before it, start again when they end, and end after it. Default: none.
	Sidecars [][]string `json:"sidecars,omitempty"`

	// How long an instance may take to stop before it is killed. Default: `15s`.
	Grace *caddy.Duration `json:"grace,omitempty"`

	// The path of pizzeria-agent, which stands beside each instance. Default: the one beside this
	// program, then the one in $PATH, then this program itself, which costs more memory.
	Agent string `json:"agent,omitempty"`

	// Whether instances are isolated from each other and from the server: `auto`, where this machine
	// can; `on`, or they do not start; `off`. Default: `auto`.
	Isolation process.Isolation `json:"isolation,omitempty"`

	// Files and directories that isolated instances may read, besides the system's programs and
	// libraries and the program of the command. Default: none.
	Files []string `json:"files,omitempty"`

	// Which networks isolated instances reach: `none`, but a loopback interface of their own; `allow`,
	// what `allow` says, through a proxy; `open`, all that the server reaches, its own loopback
	// interface included. Default: `none`.
	Egress process.Egress `json:"egress,omitempty"`

	// How the disks of orgs are limited whose plan has such a limit, as root: `reserve` takes the space
	// from the machine at once, `sparse` when it is used, `off` limits no org that is not limited yet.
	// Default: `reserve`.
	Disk process.Disk `json:"disk,omitempty"`

	// What instances reach with `egress` `allow`: names of public hosts, such as `api.example.com`,
	// `*.example.com` or `*`, on the ports 80 and 443 or on the one that is given; and networks that are
	// reached though they are not of the public Internet, as IP prefixes.
	EgressAllow []string `json:"allow,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Process) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.providers.process", New: func() caddy.Module { return new(Process) }}
}

// Provision implements caddy.Provisioner.
func (p *Process) Provision(ctx caddy.Context) error {
	if err := expandAll(p); err != nil {
		return err
	}
	if err := p.options().check(); err != nil {
		return err
	}
	if err := checkWord("isolation", p.Isolation, process.Isolations()); err != nil {
		return err
	}
	if err := checkWord("disk", p.Disk, process.Disks()); err != nil {
		return err
	}
	if err := checkEgress(p.Egress, p.EgressAllow, process.Egresses()); err != nil {
		return err
	}
	if p.Profile == agent.PizzaPi && p.Egress == process.EgressOpen {
		return errors.New("profile pizzapi needs a network of its own, since PizzaPi listens at every address: use egress none or allow")
	}
	for _, path := range p.Files {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("files: %s is not an absolute path", path)
		}
	}
	shim, err := p.shim()
	if err == nil && len(shim) > 2 {
		ctx.Slogger().Info("instances use more memory without " + agentName +
			": put it beside this program")
	}
	return err
}

func (p *Process) options() appOptions {
	return appOptions{&p.Command, &p.Env, &p.Profile, &p.Required, &p.Sidecars, &p.Grace, &p.Agent}
}

// shim is the command that starts a shim: of the agent, or of this same program.
func (p *Process) shim() ([]string, error) {
	command, err := findAgent(p.Agent)
	return append(command, "shim"), err
}

// NewProvider implements Provider. The sample instance is this same program.
func (p *Process) NewProvider(dataDir string) (provision.Provider, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := p.Command
	if len(command) == 0 {
		command = []string{self, "pizzeria", "sample-instance"}
	}
	shim, err := p.shim()
	if err != nil {
		return nil, err
	}
	helper := append(slices.Clone(shim[:len(shim)-1]), "sandbox")
	var made provision.Provider
	made, err = process.New(process.Config{
		Dir: dataDir, Command: command, Env: p.Env, Grace: time.Duration(valueOr(p.Grace, defaultGrace)),
		Self: self, Shim: shim, Profile: p.Profile, Required: p.Required, Sidecars: p.Sidecars,
		Sandbox: helper, Isolation: p.Isolation, Files: p.Files, Egress: p.Egress, Disk: p.Disk,
		Allow: p.EgressAllow, Proxy: append(slices.Clone(shim[:len(shim)-1]), "egress"),
	})
	if c, ok := made.(interface{ Check() error }); ok && err == nil {
		err = c.Check()
	}
	return made, err
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	provider process {
//		command <program> [<args...>]
//		env     <name> <value>
//		profile direct|assertion|bearer|trusted-headers|pizzapi
//		required
//		sidecar <program> [<args...>]
//		grace   <duration>
//		agent   <path>
//		isolation auto|on|off
//		files   <path...>
//		egress  none|open|allow <rules...>
//		disk    reserve|sparse|off
//	}
func (p *Process) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if ok, err := p.options().unmarshal(d); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		switch d.Val() {
		case "isolation":
			if err := wordArg(d, &p.Isolation, process.Isolations()); err != nil {
				return err
			}
		case "files":
			paths := d.RemainingArgs()
			if len(paths) == 0 {
				return d.ArgErr()
			}
			for _, path := range paths {
				if !filepath.IsAbs(path) && !strings.HasPrefix(path, "{") {
					return d.Errf("files: %s is not an absolute path", path)
				}
			}
			p.Files = append(p.Files, paths...)
		case "egress":
			if err := egressArg(d, &p.Egress, &p.EgressAllow, process.Egresses()); err != nil {
				return err
			}
		case "disk":
			if err := wordArg(d, &p.Disk, process.Disks()); err != nil {
				return err
			}
		default:
			return d.Errf(
				"unknown option %q: use command, env, profile, required, sidecar, grace, agent, isolation, files, egress or disk",
				d.Val(),
			)
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
