//go:build linux

package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/google/uuid"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Provider runs instances as containers. It keeps no state of its own but what it knows of the engine.
type Provider struct {
	c            Config
	engine       *engine
	installation registry.InstallationID
}

// New checks the config. It does not talk to the engine.
func New(c Config) (*Provider, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	c.Dir = dir
	c.Host, c.Pull, c.Egress = cmp.Or(c.Host, DefaultHost), cmp.Or(c.Pull, PullStart), cmp.Or(c.Egress, EgressNone)
	c.SayEvery, c.Quiet = cmp.Or(c.SayEvery, sayEvery), cmp.Or(c.Quiet, quiet)
	c.Profile = cmp.Or(c.Profile, agent.Direct)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	cli, err := client.New(client.WithHost(c.Host))
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	return &Provider{c: c, engine: &engine{c: cli}}, nil
}

func (c *Config) check() error {
	if !strings.HasPrefix(c.Host, "unix:///") {
		return fmt.Errorf("the host %q is no Unix socket, such as %s: instances are reached on the "+
			"engine's machine alone", c.Host, DefaultHost)
	}
	if c.Image == "" {
		return errors.New("the image is missing")
	}
	if _, err := reference.ParseAnyReference(c.Image); err != nil {
		return fmt.Errorf("the image %q: %w", c.Image, err)
	}
	if len(c.Agent) == 0 {
		return errors.New("the agent is missing")
	}
	if err := agent.CheckProfile(c.Profile); err != nil {
		return err
	}
	for _, at := range append([]string{cmp.Or(c.Data, defaultData)}, c.Tmpfs...) {
		if !path.IsAbs(at) || path.Clean(at) != at || at == "/" || at == own || strings.HasPrefix(at, own+"/") || strings.ContainsAny(at, ":,") {
			return fmt.Errorf("%q is no place in a container: use the absolute path of a directory other than / and %s", at, own)
		}
	}
	if _, err := egress.ParseRules(c.Allow); err != nil {
		return fmt.Errorf("egress: %w", err)
	}
	return nil
}

// Name implements provision.Provider.
func (*Provider) Name() string { return "docker" }

// For implements provision.Provider.
func (p *Provider) For(id registry.InstallationID) provision.Provider {
	bound := *p
	bound.installation = id
	return &bound
}

// Grace implements provision.Provider.
func (p *Provider) Grace() time.Duration { return p.c.Grace }

// Place implements provision.Keeper.
func (p *Provider) Place() string { return p.c.Dir }

// templateVersion changes with the template: instances of an earlier one are outdated.
const templateVersion = 2

// Configuration implements provision.Provider.
func (p *Provider) Configuration() string {
	c := p.c
	b, _ := json.Marshal([]any{ // strings in lists and maps, which have an order in JSON
		templateVersion, c.Image, c.Command, c.Data, c.Tmpfs, c.Env, c.Sidecars, c.Profile, c.Required, c.Root, c.Egress, c.Allow,
	})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Isolation implements provision.Provider.
func (p *Provider) Isolation() string {
	network := "and no network"
	if p.c.Egress == EgressAllow {
		network = "and no network but a proxy to " + strings.Join(p.c.Allow, ", ")
	}
	if p.c.Root {
		return "each org's instance is a container with its own file system and processes, " + network +
			"; all are root of one user namespace, which has no rights on the machine"
	}
	return "each org's instance is a container with its own user, file system and processes, " + network
}

// Enforces implements provision.Provider. While the engine is away nothing is known to be enforced.
func (p *Provider) Enforces(name registry.LimitName) bool {
	info := p.engine.lately()
	switch name {
	case registry.LimitCPU:
		return info.CPUCfsQuota
	case registry.LimitMemory:
		return info.MemoryLimit
	case registry.LimitPIDs:
		return info.PidsLimit
	}
	return false
}

// Limits implements provision.Limited.
func (p *Provider) Limits() string {
	info := p.engine.lately()
	if info.ID == "" {
		return "Docker does not answer at " + p.c.Host
	}
	var lacks []string
	for _, l := range []struct {
		has  bool
		what string
	}{{info.MemoryLimit, "memory"}, {info.CPUCfsQuota, "cpu"}, {info.PidsLimit, "pids"}} {
		if !l.has {
			lacks = append(lacks, l.what)
		}
	}
	if len(lacks) > 0 {
		return "this machine lacks control groups for " + strings.Join(lacks, ", ")
	}
	return ""
}

// key is an org's ID in 26 characters, since socket paths are short.
func key(org registry.OrgID) string {
	id, err := uuid.Parse(string(org))
	if err != nil {
		return "invalid"
	}
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}

func baseName(r provision.Ref) string {
	return key(r.OrgID) + "-" + strconv.FormatInt(r.Generation, 10)
}

// containerName names the container of an instance for ever.
func (p *Provider) containerName(r provision.Ref) string {
	return fmt.Sprintf("pizzeria-%s-%s-%d", p.installation, r.OrgID, r.Generation)
}

func (p *Provider) runDir(r provision.Ref) string {
	return filepath.Join(p.c.Dir, "run", "docker", baseName(r))
}

func (p *Provider) orgDir(org registry.OrgID) string {
	return filepath.Join(p.c.Dir, "orgs", string(org))
}

// LogFile is where an org's instance writes its output.
func (p *Provider) LogFile(org registry.OrgID) string {
	return filepath.Join(p.orgDir(org), "logs", logName)
}

// Logs implements provision.Provider.
func (p *Provider) Logs(ctx context.Context, org registry.OrgID, lines int, follow bool) (io.ReadCloser, error) {
	return hostside.Logs(ctx, p.LogFile(org), lines, follow)
}

// Interface guards
var (
	_ provision.Provider = (*Provider)(nil)
	_ provision.Keeper   = (*Provider)(nil)
	_ provision.Limited  = (*Provider)(nil)
)

// UsesRedis implements provision.RedisUser. PizzaPi's names are the same everywhere, so it brings its own.
func (p *Provider) UsesRedis() bool { return p.c.Profile != agent.PizzaPi }
