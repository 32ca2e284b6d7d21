//go:build linux || darwin

package process

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/processtree"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Provider runs instances as processes. It keeps no state of its own.
type Provider struct {
	c            Config
	installation registry.InstallationID
	ofAll        bool            // see OfAll
	mounting     *sync.WaitGroup // of mountRest, which Release waits for
}

// maxSocketPath is the shortest limit of the supported systems: 104 bytes with the final NUL on
// macOS. Linux allows 4 more.
const maxSocketPath = 103

// New checks the config.
func New(c Config) (*Provider, error) {
	if len(c.Command) == 0 || len(c.Shim) == 0 {
		return nil, errors.New("process: the command is missing")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	c.Dir = dir
	if err := agent.CheckProfile(c.Profile); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	if c.Profile == agent.Direct {
		c.Profile = ""
	}
	p := &Provider{c: c}
	longest := filepath.Join(p.runDir(provision.Ref{OrgID: registry.OrgID(registry.NewID()), Generation: 999_999}), appSocket)
	if over := len(longest) - maxSocketPath; over > 0 {
		return nil, fmt.Errorf("process: the data directory %s is %d characters too long for the Unix sockets below it: use a shorter path", dir, over)
	}
	return p, nil
}

// Name implements provision.Provider.
func (*Provider) Name() string { return "process" }

// Grace implements provision.Provider.
func (p *Provider) Grace() time.Duration { return p.c.Grace }

// Enforces implements provision.Provider.
func (p *Provider) Enforces(name registry.LimitName) bool {
	m := p.means()
	switch name {
	case registry.LimitCPU:
		return m.limits.CPU
	case registry.LimitMemory:
		return m.limits.Memory
	case registry.LimitPIDs:
		return m.limits.PIDs || m.way == sandbox.Namespaces
	case registry.LimitDisk:
		return m.way == sandbox.Users && p.noVolumes() == nil
	}
	return false
}

// Configuration implements provision.Provider.
func (p *Provider) Configuration() string { return fingerprint(p.c, p.means().way) }

// fingerprint tells configurations apart by what an instance keeps of them.
func fingerprint(c Config, way sandbox.Way) string {
	command := slices.Clone(c.Command)
	if command[0] == c.Self {
		command[0] = "" // this program, wherever it lies: `go run` builds it somewhere else each time
	}
	kept := []any{command, c.Env}
	if c.Profile != "" || c.Required || len(c.Sidecars) > 0 { // otherwise as in earlier versions
		kept = append(kept, c.Profile, c.Required, c.Sidecars)
	}
	if way != sandbox.None {
		kept = append(kept, way, c.Files, c.Egress, c.Allow)
	}
	b, _ := json.Marshal(kept) // strings in lists and maps, which have an order in JSON
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Place implements provision.Keeper.
func (p *Provider) Place() string { return p.c.Dir }

// Isolation implements provision.Provider.
func (p *Provider) Isolation() string {
	network := "and a network of its own"
	switch p.c.Egress {
	case EgressAllow:
		network = "and a network of its own, with a proxy to " + strings.Join(p.c.Allow, ", ")
	case EgressOpen:
		network = "and the server's network, where it reaches whatever listens without asking who it is"
	}
	switch p.means().way {
	case sandbox.Users:
		return "each org's instance has its own user, file system and processes, " + network
	case sandbox.Namespaces:
		return "each org's instance has its own file system and processes, " + network +
			"; all have the server's user, so a fault of the kernel is all that separates them. Run the server as root to give each its own"
	}
	return "processes of one user share a file system and a network: all orgs are one trust domain. Use it for development, or where every org trusts every other"
}

// Limits implements provision.Limited.
func (p *Provider) Limits() string {
	said := processtree.Limits
	if m := p.means(); m.way == sandbox.None && p.c.Isolation != IsolationOff {
		said = strings.TrimPrefix(said+"; instances are not isolated: "+m.why.Error(), "; ")
	}
	return said
}

// key is an org's ID in 26 characters, since socket paths are short.
func key(org registry.OrgID) string {
	id, err := uuid.Parse(string(org))
	if err != nil {
		return "invalid"
	}
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}

func (p *Provider) runDir(r provision.Ref) string {
	return filepath.Join(p.c.Dir, "run", key(r.OrgID)+"-"+strconv.FormatInt(r.Generation, 10))
}

// LogFile is where an org's instance writes its output.
func (p *Provider) LogFile(org registry.OrgID) string {
	return filepath.Join(p.orgDir(org), "logs", "instance.log")
}

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(path, b)
}

// writeFile replaces a file as a whole.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // others may write the same
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// UsesRedis implements provision.RedisUser. PizzaPi's names are the same everywhere, so it brings its own.
func (p *Provider) UsesRedis() bool { return p.c.Profile != agent.PizzaPi }
