package edge

import (
	"context"
	"fmt"
	"net/url"

	"github.com/pizzaface/pizzeria/registry"
)

// Exists returns nil when a host's name is the control plane's, or an org's that
// is there. Names are remembered as routes are: in bounded memory, also those
// that do not exist.
func (n *Node) Exists(ctx context.Context, name string) error {
	s := n.Tokens.Site()
	if u, err := url.Parse(s.Issuer); err == nil && registry.SameHost(u.Hostname(), name) {
		return nil
	}
	slug, err := registry.SlugFromAuthority(name, s.Domain)
	if err != nil {
		return err
	}
	rt, err := n.Routes.Lookup(ctx, slug)
	if err != nil {
		return err
	}
	if rt.Status == registry.RouteQuarantined && rt.RedirectTo == "" {
		return fmt.Errorf("the org %q is gone", slug)
	}
	return nil
}
