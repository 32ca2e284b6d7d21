package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/registry"
)

func init() {
	caddy.RegisterModule(OrgAuth{})
	httpcaddyfile.RegisterHandlerDirective("org_auth", parseOrgAuth)
	httpcaddyfile.RegisterDirectiveOrder("org_auth", httpcaddyfile.Before, "basic_auth") // and so after org, which is there already
}

// OrgAuth lets a request through when it is a member's or a runner's of its org: a browser
// without a session is sent to sign in, anything else gets 401. It needs `org` before it.
//
// Placeholders: `{http.org.user.id}`, `{http.org.user.role}`.
type OrgAuth struct {
	// Requests that pass without any identity, whatever they carry. Default: none.
	ExceptRaw caddyhttp.RawMatcherSets `json:"except,omitempty" caddy:"namespace=http.matchers"`

	// Whether a request of nobody passes too. Default: false.
	Optional bool `json:"optional,omitempty"`

	// The least role that passes: `runner`, `member`, `admin` or `owner`. Default: `runner`,
	// which is everybody of the org and its runners.
	Role registry.Role `json:"role,omitempty"`

	except  caddyhttp.MatcherSets
	runtime *runtime.Runtime
}

// CaddyModule returns the Caddy module information.
func (OrgAuth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.org_auth", New: func() caddy.Module { return new(OrgAuth) }}
}

// Provision implements caddy.Provisioner.
func (a *OrgAuth) Provision(ctx caddy.Context) (err error) {
	if err := expandAll(a); err != nil {
		return err
	}
	if a.Role == "" {
		a.Role = registry.RoleRunner
	}
	if a.ExceptRaw != nil {
		sets, err := ctx.LoadModule(a, "ExceptRaw")
		if err != nil {
			return err
		}
		if err := a.except.FromInterface(sets); err != nil {
			return err
		}
	}
	a.runtime, err = runtimeOf(ctx)
	return err
}

// Validate implements caddy.Validator.
func (a *OrgAuth) Validate() error { return registry.CheckLeast(a.Role) }

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (a *OrgAuth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	st := stateOf(r)
	if st == nil {
		return caddyhttp.Error(http.StatusInternalServerError, errors.New("org_auth needs the org handler before it"))
	}
	if len(a.except) > 0 {
		exempt, err := a.except.AnyMatchWithError(r)
		if err != nil {
			return err
		}
		if exempt {
			return next.ServeHTTP(w, r)
		}
	}
	if !a.runtime.Gateway().Authenticate(w, r, st, a.Role, a.Optional) {
		return nil
	}
	return next.ServeHTTP(w, r)
}

// parseOrgAuth sets up the handler from Caddyfile tokens. Syntax:
//
//	org_auth [<matcher>] {
//		except   <matcher>
//		optional
//		role     runner|member|admin|owner
//	}
func parseOrgAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	a := new(OrgAuth)
	h.Next()
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	for h.NextBlock(0) {
		switch h.Val() {
		case "except":
			set, ok, err := h.MatcherToken()
			if err != nil {
				return nil, located(h.Dispenser, err)
			}
			if !ok || h.NextArg() {
				return nil, h.Err("except takes one matcher, such as @hooks or /path*")
			}
			a.ExceptRaw = append(a.ExceptRaw, set)
		case "optional":
			if h.NextArg() || a.Optional {
				return nil, h.ArgErr()
			}
			a.Optional = true
		case "role":
			var role string
			if a.Role != "" {
				return nil, h.Err("role is given twice")
			}
			if err := oneArg(h.Dispenser, &role); err != nil {
				return nil, err
			}
			if _, err := expand(role); err != nil {
				return nil, h.WrapErr(err)
			}
			a.Role = registry.Role(role)
			if err := registry.CheckLeast(expanded(a.Role)); err != nil {
				return nil, h.WrapErr(err)
			}
		default:
			return nil, h.Errf("unknown option %q: use except, optional or role", h.Val())
		}
	}
	return a, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*OrgAuth)(nil)
	_ caddy.Validator             = (*OrgAuth)(nil)
	_ caddyhttp.MiddlewareHandler = (*OrgAuth)(nil)
)
