package caddymodule

import (
	"errors"
	"log/slog"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/docker"
)

func init() { caddy.RegisterModule(Docker{}) }

// Docker runs each org's instance as a container of the Docker engine on this machine, without a
// network and with a user of its own. The server needs to be root. See the reference.
type Docker struct {
	// The image of the instances. Required.
	Image string `json:"image,omitempty"`

	// The command that starts the app, with its arguments. Default: the entrypoint and the command of
	// the image.
	Command []string `json:"command,omitempty"`

	// Where the org's data directory is in the container. Default: the volume of the image, if it has
	// exactly one, otherwise `/data`.
	Data string `json:"data,omitempty"`

	// Directories of the container that instances may write to and that are forgotten when an instance
	// ends, besides `/tmp`. Each takes at most 64 MiB of the memory. Default: none.
	Tmpfs []string `json:"tmpfs,omitempty"`

	// Variables added to those of the image and of the instance contract. Default: none.
	Env map[string]string `json:"env,omitempty"`

	// How instances learn who is asking: as with the process provider. Default: `direct`.
	Profile agent.Profile `json:"profile,omitempty"`

	// Whether the agent refuses requests without an assertion, such as those that `org_auth except`
	// lets through, other than health checks. Needs a profile other than `direct`. Default: `false`.
	Required bool `json:"required,omitempty"`

	// Commands of the image that run beside each instance, such as a database of its own. They have the
	// instance's environment, start before it, start again when they end, and end after it. Default:
	// none.
	Sidecars [][]string `json:"sidecars,omitempty"`

	// Whom instances run as: `org`, a user for each org; or `root`, root of the container without any
	// capability, which needs Docker's userns-remap. Default: `org`.
	User string `json:"user,omitempty"`

	// How long an instance may take to stop before it is killed. Default: `15s`.
	Grace *caddy.Duration `json:"grace,omitempty"`

	// The path of pizzeria-agent, a static program that is the first process of each container.
	// Default: the one beside this program, then the one in $PATH, then this program itself, which costs
	// more memory.
	Agent string `json:"agent,omitempty"`

	// The address of the engine: `unix://` and the path of its socket. Default:
	// `unix:///var/run/docker.sock`.
	Host string `json:"host,omitempty"`

	// When the image is pulled: `start`, when the server starts or its config is loaded, and when it
	// is missing; `missing`; `never`. Default: `start`.
	Pull docker.Pull `json:"pull,omitempty"`

	// The name that the image's registry knows. Default: none.
	RegistryUsername string `json:"registry_username,omitempty"`

	// The password for it; use a placeholder such as {env.NAME} or {file.PATH}. Default: none.
	RegistryPassword string `json:"registry_password,omitempty"`

	// A config.json of the docker command, with the credentials of registries. Helpers are not called.
	// It is read at each pull. Default: none.
	RegistryConfig string `json:"registry_config,omitempty"`

	// Which networks instances reach: `none`, but a loopback interface of their own; `allow`, what
	// `allow` says, through a proxy. Default: `none`.
	Egress docker.Egress `json:"egress,omitempty"`

	// What instances reach with `egress` `allow`: names of public hosts, such as `api.example.com`,
	// `*.example.com` or `*`, on the ports 80 and 443 or on the one that is given; and networks that are
	// reached though they are not of the public Internet, as IP prefixes.
	EgressAllow []string `json:"allow,omitempty"`

	log *slog.Logger
}

// The choices of Docker.User.
const (
	userOrg  = "org"
	userRoot = "root"
)

// CaddyModule returns the Caddy module information.
func (Docker) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria.providers.docker", New: func() caddy.Module { return new(Docker) }}
}

// Provision implements caddy.Provisioner.
func (p *Docker) Provision(ctx caddy.Context) error {
	p.log = ctx.Slogger()
	if err := expandAll(p); err != nil {
		return err
	}
	if err := p.options().check(); err != nil {
		return err
	}
	if err := errors.Join(
		checkWord("user", p.User, []string{userOrg, userRoot}), checkWord("pull", p.Pull, docker.Pulls()),
		checkEgress(p.Egress, p.EgressAllow, docker.Egresses()),
	); err != nil {
		return err
	}
	if (p.RegistryUsername == "") != (p.RegistryPassword == "") {
		return errors.New("registry_username and registry_password need each other")
	}
	if p.RegistryUsername != "" && p.RegistryConfig != "" {
		return errors.New("there are registry_username and registry_config: use one")
	}
	return nil
}

func (p *Docker) options() appOptions {
	return appOptions{&p.Command, &p.Env, &p.Profile, &p.Required, &p.Sidecars, &p.Grace, &p.Agent}
}

// NewProvider implements Provider.
func (p *Docker) NewProvider(dataDir string) (provision.Provider, error) {
	command, err := findAgent(p.Agent)
	if err != nil {
		return nil, err
	}
	if len(command) > 1 {
		command = append(command, "agent")
	}
	return docker.New(docker.Config{
		Dir: dataDir, Host: p.Host, Image: p.Image, Command: p.Command, Data: p.Data, Tmpfs: p.Tmpfs, Env: p.Env,
		Sidecars: p.Sidecars, Profile: p.Profile, Required: p.Required, Root: p.User == userRoot, Agent: command,
		Grace: time.Duration(valueOr(p.Grace, defaultGrace)), Pull: p.Pull, Egress: p.Egress, Allow: p.EgressAllow,
		Auth: docker.Auth{Username: p.RegistryUsername, Password: p.RegistryPassword, File: p.RegistryConfig}, Log: p.log,
	})
}

// UnmarshalCaddyfile sets up the provider from Caddyfile tokens. Syntax:
//
//	provider docker {
//		image    <name>
//		command  <program> [<args...>]
//		data     <path>
//		tmpfs    <path...>
//		env      <name> <value>
//		profile  direct|assertion|bearer|trusted-headers|pizzapi
//		required
//		sidecar  <program> [<args...>]
//		user     org|root
//		grace    <duration>
//		agent    <path>
//		host     <unix:///path>
//		pull     start|missing|never
//		registry_username <name>
//		registry_password <password>
//		registry_config   <file>
//		egress   none|allow <rules...>
//	}
func (p *Docker) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	texts := map[string]*string{
		"image": &p.Image, "data": &p.Data, "host": &p.Host, "registry_username": &p.RegistryUsername,
		"registry_password": &p.RegistryPassword, "registry_config": &p.RegistryConfig,
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if ok, err := p.options().unmarshal(d); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		name := d.Val()
		if into, ok := texts[name]; ok {
			if *into != "" {
				return d.Errf("%s is given twice", name)
			}
			if !d.AllArgs(into) || *into == "" {
				return d.ArgErr()
			}
			continue
		}
		var err error
		switch name {
		case "tmpfs":
			paths := d.RemainingArgs()
			if len(paths) == 0 {
				return d.ArgErr()
			}
			p.Tmpfs = append(p.Tmpfs, paths...)
		case "user":
			err = wordArg(d, &p.User, []string{userOrg, userRoot})
		case "pull":
			err = wordArg(d, &p.Pull, docker.Pulls())
		case "egress":
			err = egressArg(d, &p.Egress, &p.EgressAllow, docker.Egresses())
		default:
			err = d.Errf("unknown option %q: use image, command, data, tmpfs, env, profile, required, sidecar, user, grace, "+
				"agent, host, pull, registry_username, registry_password, registry_config or egress", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Docker)(nil)
	_ Provider              = (*Docker)(nil)
	_ caddyfile.Unmarshaler = (*Docker)(nil)
)
