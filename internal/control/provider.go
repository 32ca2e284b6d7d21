package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// provider is the provider of the config that counts now. Providers keep no state of their own, so
// another config's goes on where the last one's was.
type provider struct{ tunables func() *Tunables }

func (p provider) now() provision.Provider { return p.tunables().Provider }

// Name implements provision.Provider.
func (p provider) Name() string { return p.now().Name() }

// Ensure implements provision.Provider.
func (p provider) Ensure(ctx context.Context, s provision.Spec) (provision.Observed, error) {
	return p.now().Ensure(ctx, s)
}

// Observe implements provision.Provider.
func (p provider) Observe(ctx context.Context, ref provision.Ref) (provision.Observed, error) {
	return p.now().Observe(ctx, ref)
}

// Stop implements provision.Provider.
func (p provider) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	return p.now().Stop(ctx, org, upTo)
}

// List implements provision.Provider.
func (p provider) List(ctx context.Context) ([]provision.Seen, error) { return p.now().List(ctx) }

// Watch implements provision.Watcher. It ends when another config's provider counts.
func (p provider) Watch(ctx context.Context, changed func(provision.Ref)) error {
	now := p.now()
	w, ok := now.(provision.Watcher)
	if !ok {
		return errors.ErrUnsupported
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for p.now() == now {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		cancel()
	}()
	return w.Watch(ctx, changed)
}

// Logs implements provision.Provider.
func (p provider) Logs(
	ctx context.Context, org registry.OrgID, lines int, follow bool,
) (io.ReadCloser, error) {
	return p.now().Logs(ctx, org, lines, follow)
}

// Configuration implements provision.Provider.
func (p provider) Configuration() string { return p.now().Configuration() }

// Enforces implements provision.Provider.
func (p provider) Enforces(name registry.LimitName) bool { return p.now().Enforces(name) }

// Grace implements provision.Provider.
func (p provider) Grace() time.Duration { return p.now().Grace() }

// Isolation implements provision.Provider.
func (p provider) Isolation() string { return p.now().Isolation() }

// configuration identifies all of the config that an instance keeps from its start: the provider's
// part, and the addresses in its environment.
func (c *Control) configuration() string {
	t := c.Tunables()
	parts := []string{t.Provider.Configuration(), t.Site.Issuer, t.Site.OrgURL("")}
	if c.elsewhere() {
		parts = append(parts, c.tokens.KeyID()) // with another secret key, their tokens are void
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// Interface guards
var (
	_ provision.Provider = provider{}
	_ provision.Watcher  = provider{}
)
