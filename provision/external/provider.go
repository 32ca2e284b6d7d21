package external

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Config of a Provider.
type Config struct {
	// Instances are addresses by org, as "host:port" or "unix//path".
	Instances map[registry.OrgID]string
	// ChecksAssertions says that all that listens at TCP addresses checks assertions.
	ChecksAssertions bool
	// TLS is how instances at TCP addresses are talked to; nil: in plain HTTP.
	TLS *tls.Config
}

// Provider leads to instances elsewhere.
type Provider struct {
	c         Config
	addresses map[string]bool // that are stated
}

// New checks the config.
func New(c Config) (*Provider, error) {
	taken := map[string]bool{}
	for org, address := range c.Instances {
		if !registry.ValidID(string(org)) {
			return nil, fmt.Errorf("external: %q is not the ID of an org, which `org show -o json` "+
				"says: a slug can be another org's later", org)
		}
		if err := c.check(address); err != nil {
			return nil, fmt.Errorf("external: %q: %w", address, err)
		}
		if taken[address] {
			return nil, fmt.Errorf("external: %q is the address of two orgs: each needs an instance "+
				"of its own", address)
		}
		taken[address] = true
	}
	return &Provider{c, taken}, nil
}

func (c Config) check(address string) error {
	network, at := provision.SplitAddress(address)
	if network == "unix" {
		if !filepath.IsAbs(at) || filepath.Clean(at) != at {
			return errors.New("write the absolute path of the socket, as in unix//run/app.sock")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(at)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 || strings.ContainsAny(host, "/@ ") {
		return errors.New("write a host and a port, as in 10.0.0.5:8080, or unix/ and the path of a socket")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if err := sockets.CheckAddr(ip); err != nil {
			return err
		}
	}
	if !c.ChecksAssertions && c.TLS == nil {
		return errors.New("whatever listens at a TCP address gets the org's requests: use `tls`, or " +
			"say `checks_assertions` if the app there checks assertions, or pizzeria-agent in front " +
			"of it does")
	}
	return nil
}

// Name implements provision.Provider.
func (*Provider) Name() string { return "external" }

// For implements provision.Provider. What runs elsewhere carries no name of ours.
func (p *Provider) For(registry.InstallationID) provision.Provider { return p }

// Grace implements provision.Provider.
func (*Provider) Grace() time.Duration { return 0 }

// Enforces implements provision.Provider.
func (*Provider) Enforces(registry.LimitName) bool { return false }

// Configuration implements provision.Provider: instances elsewhere keep nothing of it.
func (*Provider) Configuration() string { return "" }

// Isolation implements provision.Provider.
func (*Provider) Isolation() string {
	return "instances run elsewhere, and whoever runs them separates them"
}

// Ensure implements provision.Provider: the address must take a connection. Errors: none is stated
// for the org, nobody listens there, it is none of an instance's.
func (p *Provider) Ensure(ctx context.Context, s provision.Spec) (provision.Observed, error) {
	address, ok := p.c.Instances[s.OrgID]
	if !ok {
		return provision.Observed{}, fmt.Errorf("external: no address is stated for this org: add "+
			"`instance %s <address>` to the provider", s.OrgID)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	network, at := provision.SplitAddress(address)
	if network == "unix" {
		if err := sockets.CheckSocket(at); err != nil {
			return provision.Observed{}, fmt.Errorf("external: %w", err)
		}
	}
	c, err := sockets.Dialer(ctx, network, at)
	if config := p.TLS(at); err == nil && config != nil {
		c, err = sockets.Secure(ctx, c, config)
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("external: the instance does not answer: %w", err)
	}
	return p.see(s.Ref), c.Close()
}

// TLS implements provision.Secured.
func (p *Provider) TLS(address string) *tls.Config {
	if p.c.TLS == nil || !p.addresses[address] {
		return nil
	}
	c := p.c.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(address)
	}
	return c
}

const dialTimeout = 5 * time.Second

func (p *Provider) see(r provision.Ref) provision.Observed {
	address, ok := p.c.Instances[r.OrgID]
	if !ok {
		return provision.Observed{Detail: "no address is stated for this org"}
	}
	if p.TLS(address) != nil {
		address = "tls/" + address
	}
	return provision.Observed{Running: true, Address: address, Elsewhere: true}
}

// Observe implements provision.Provider.
func (p *Provider) Observe(_ context.Context, r provision.Ref) (provision.Observed, error) {
	return p.see(r), nil
}

// Stop implements provision.Provider. It is not ours to end.
func (*Provider) Stop(context.Context, registry.OrgID, int64) error { return nil }

// List implements provision.Provider. Nothing is there of which generations could be known: the
// instances that somebody wants are looked at one by one.
func (*Provider) List(context.Context) ([]provision.Seen, error) { return nil, nil }

// Watch implements provision.Watcher. There is nothing to tell: only another config ends an
// instance here, and health checks see one that does not answer.
func (*Provider) Watch(ctx context.Context, _ func(provision.Ref)) error {
	<-ctx.Done()
	return nil
}

// Elsewhere implements provision.Remote.
func (*Provider) Elsewhere() bool { return true }

// Logs implements provision.Provider.
func (*Provider) Logs(context.Context, registry.OrgID, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("This instance runs elsewhere, and so does its log.\n")), nil
}

// Interface guards
var (
	_ provision.Provider = (*Provider)(nil)
	_ provision.Watcher  = (*Provider)(nil)
	_ provision.Secured  = (*Provider)(nil)
	_ provision.Remote   = (*Provider)(nil)
)
