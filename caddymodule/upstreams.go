package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() { caddy.RegisterModule(Upstream{}) }

// Upstream is the instance of the request's org: one address, the route's, and
// nothing else. No other upstream may stand beside it.
type Upstream struct{}

// CaddyModule returns the Caddy module information.
func (Upstream) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.org", New: func() caddy.Module { return new(Upstream) }}
}

// Provision implements caddy.Provisioner. It refuses static upstreams beside
// it: reverse_proxy falls back to those on an error, which would send one org's
// request, with its identity, to a server of somebody else. Equally it refuses
// any transport but org, without which an instance would get our cookies.
func (Upstream) Provision(ctx caddy.Context) error {
	mods := ctx.Modules()
	for i := len(mods) - 1; i >= 0; i-- {
		h, ok := mods[i].(*reverseproxy.Handler)
		if !ok {
			continue
		}
		if len(h.Upstreams) > 0 {
			return errors.New("`dynamic org` must be the only upstream: remove the addresses after reverse_proxy")
		}
		if _, ok := h.Transport.(*Transport); !ok {
			return errors.New("`dynamic org` needs `transport org` beside it")
		}
		return nil
	}
	return errors.New("`dynamic org` belongs into a reverse_proxy")
}

// GetUpstreams implements reverseproxy.UpstreamSource.
func (Upstream) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	st := stateOf(r)
	if st == nil || st.Route.Address == "" {
		return nil, errors.New("the request has no org: put the org handler before reverse_proxy")
	}
	return []*reverseproxy.Upstream{{Dial: st.Route.Address}}, nil
}

// UnmarshalCaddyfile sets up the source from Caddyfile tokens. Syntax:
//
//	dynamic org
func (*Upstream) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() || d.NextBlock(0) {
		return d.Err("dynamic org takes nothing: the address comes from the org's route")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Upstream)(nil)
	_ reverseproxy.UpstreamSource = (*Upstream)(nil)
	_ caddyfile.Unmarshaler       = (*Upstream)(nil)
)
