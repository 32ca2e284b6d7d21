package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/registry"
)

func init() { caddy.RegisterModule(MatchOrg{}) }

// MatchOrg matches requests by their org, after the `org` handler, and by the
// role of who is signed in, after `org_auth`. All given fields must match, each with one of its values.
type MatchOrg struct {
	// Slugs. Default: any.
	Slug []string `json:"slug,omitempty"`
	// Plans. Default: any.
	Plan []string `json:"plan,omitempty"`
	// Statuses of the route: `serving`, `starting`. Default: any.
	Status []registry.RouteStatus `json:"status,omitempty"`
	// The least role of who is signed in. Default: none is needed.
	Role registry.Role `json:"role,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (MatchOrg) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.org", New: func() caddy.Module { return new(MatchOrg) }}
}

// Provision implements caddy.Provisioner.
func (m *MatchOrg) Provision(caddy.Context) error { return expandAll(m) }

// Validate implements caddy.Validator.
func (m *MatchOrg) Validate() error {
	for _, s := range m.Status {
		if s != registry.RouteServing && s != registry.RouteStarting {
			return fmt.Errorf("%q is not a status that passes the org handler: use serving or starting", s)
		}
	}
	if m.Role != "" {
		return registry.CheckLeast(m.Role)
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchOrg) MatchWithError(r *http.Request) (bool, error) {
	st := stateOf(r)
	if st == nil {
		return false, caddyhttp.Error(http.StatusInternalServerError, errors.New("the org matcher needs the org handler before it"))
	}
	return (len(m.Slug) == 0 || slices.Contains(m.Slug, st.Route.Slug)) &&
		(len(m.Plan) == 0 || slices.Contains(m.Plan, st.Route.Plan)) &&
		(len(m.Status) == 0 || slices.Contains(m.Status, st.Route.Status)) &&
		(m.Role == "" || st.SignedIn() && st.Claims.Role.AtLeast(m.Role)), nil
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	org slug|plan|status|role <values...>
//	org {
//		slug   <values...>
//		plan   <values...>
//		status <values...>
//		role   <value>
//	}
func (m *MatchOrg) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := checkPlaceholders(d); err != nil {
		return err
	}
	for d.Next() {
		if d.NextArg() {
			if err := m.field(d); err != nil {
				return err
			}
		}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			if err := m.field(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *MatchOrg) field(d *caddyfile.Dispenser) error {
	name, args := d.Val(), d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	switch name {
	case "slug":
		m.Slug = append(m.Slug, args...)
	case "plan":
		m.Plan = append(m.Plan, args...)
	case "status":
		for _, a := range args {
			m.Status = append(m.Status, registry.RouteStatus(a))
		}
		known := expanded(*m)
		if err := known.Validate(); err != nil {
			return d.WrapErr(err)
		}
	case "role":
		if len(args) > 1 || m.Role != "" {
			return d.Err("role takes one value")
		}
		m.Role = registry.Role(args[0])
		if err := registry.CheckLeast(expanded(m.Role)); err != nil {
			return d.WrapErr(err)
		}
	default:
		return d.Errf("unknown field %q: use slug, plan, status or role", name)
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchOrg)(nil)
	_ caddy.Validator                   = (*MatchOrg)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchOrg)(nil)
	_ caddyfile.Unmarshaler             = (*MatchOrg)(nil)
)
