package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/runtime"
)

func init() {
	caddy.RegisterModule(OrgLimit{})
	httpcaddyfile.RegisterHandlerDirective("org_limit", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		o := new(OrgLimit)
		return o, o.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("org_limit", httpcaddyfile.Before, "basic_auth") // after org, which was put there before it
}

// OrgLimit holds each org to a measure of its own, so that one org's load does not touch
// another's: what is over it gets 429. It needs `org` before it; with a matcher, such as
// `org plan team`, each plan has its own. A reload changes the limits and keeps the counts.
type OrgLimit struct {
	// How many requests an org may have at once, open WebSockets among them. Default: any number.
	Concurrency *int `json:"concurrency,omitempty"`
	// How many WebSockets an org may have open. Default: any number.
	WebSockets *int `json:"websockets,omitempty"`
	// The size in bytes of the largest request body; a larger one gets 413. Default: any size.
	Body *int64 `json:"body,omitempty"`
	// How many requests a second an org may make, in the mean. Default: any number.
	Rate *float64 `json:"rate,omitempty"`
	// How many requests an org may make at once on top of the mean. Default: twice the rate, at least 1.
	Burst *int `json:"burst,omitempty"`

	limits  edge.Limits
	limiter *edge.Limiter
	runtime *runtime.Runtime
}

// Rates beyond these are no limits, or longer than any clock runs.
const (
	minRate = 0.001
	maxRate = 1_000_000
)

// CaddyModule returns the Caddy module information.
func (OrgLimit) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.org_limit", New: func() caddy.Module { return new(OrgLimit) }}
}

// Provision implements caddy.Provisioner.
func (o *OrgLimit) Provision(ctx caddy.Context) error {
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	o.runtime = app.runtime
	if o.limiter, err = app.runtime.Limiter(app.limitPlace(ctx)); err != nil {
		return err
	}
	o.limits = edge.Limits{Concurrency: wide(o.Concurrency), WebSockets: wide(o.WebSockets), Rate: o.Rate}
	if o.Rate != nil {
		o.limits.Burst = valueOr(o.Burst, edge.BurstOf(min(*o.Rate, maxRate)))
	}
	return nil
}

// limitPlace names an org_limit across reloads: by its server, and which one it is there. The
// counts of a limit are kept under that name, so that a reload forgets nothing.
func (a *App) limitPlace(ctx caddy.Context) string {
	name := ""
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		name = srv.Name()
	}
	a.limitsOf[name]++
	return fmt.Sprintf("%s/%d", name, a.limitsOf[name])
}

// Validate implements caddy.Validator.
func (o *OrgLimit) Validate() error {
	if valueOr(o.Concurrency, 1) < 1 || valueOr(o.WebSockets, 1) < 1 || valueOr(o.Body, 1) < 1 ||
		!(valueOr(o.Rate, 1) > 0) || valueOr(o.Burst, 1) < 1 {
		return errors.New("org_limit: limits are above zero")
	}
	perSecond := valueOr(o.Rate, minRate)
	if perSecond < minRate || perSecond > maxRate || valueOr(o.Burst, 1) > maxRate {
		return fmt.Errorf("org_limit: rate is %v to %d requests a second, and so many at once", minRate, maxRate)
	}
	if o.none() {
		return errors.New("org_limit: say concurrency, websockets, rate or body")
	}
	return nil
}

func (o *OrgLimit) none() bool {
	return o.Concurrency == nil && o.WebSockets == nil && o.Body == nil && o.Rate == nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (o *OrgLimit) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	st := stateOf(r)
	if st == nil {
		return caddyhttp.Error(http.StatusInternalServerError, errors.New("org_limit needs the org handler before it"))
	}
	give, q, ok := o.limiter.Take(st.Route.OrgID, o.limits, edge.IsWebSocket(r))
	if o.Rate != nil {
		edge.RateHeaders(w.Header(), "org", *o.Rate, o.limits.Burst, q)
	}
	if !ok {
		o.runtime.Gateway().Fail(w, r, st, edge.TooMany(st.Route, q))
		return nil
	}
	defer give()
	if o.Body == nil || r.Body == nil {
		return next.ServeHTTP(w, r)
	}
	if r.ContentLength > *o.Body {
		o.runtime.Gateway().TooLarge(w, r, st, *o.Body)
		return nil
	}
	body := edge.NewLimitedBody(r.Body, *o.Body)
	r.Body = body
	err := next.ServeHTTP(w, r)
	if err != nil && body.Over() { // nothing was answered yet, or there would be no error
		o.runtime.Gateway().TooLarge(w, r, st, *o.Body)
		return nil
	}
	return err
}

// wide is a number of the config as the gateway has it.
func wide(n *int) *int64 {
	if n == nil {
		return nil
	}
	v := int64(*n)
	return &v
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	org_limit [<matcher>] {
//		concurrency <number>
//		websockets  <number>
//		body        <size>
//		rate        <requests a second> [<burst>]
//	}
func (o *OrgLimit) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "concurrency":
			if o.Concurrency != nil {
				return d.Err("concurrency is given twice")
			}
			if err := intArg(d, &o.Concurrency); err != nil {
				return err
			}
		case "websockets":
			if o.WebSockets != nil {
				return d.Err("websockets is given twice")
			}
			if err := intArg(d, &o.WebSockets); err != nil {
				return err
			}
		case "body":
			if err := sizeArg(d, &o.Body); err != nil {
				return err
			}
		case "rate":
			args := d.RemainingArgs()
			if o.Rate != nil {
				return d.Err("rate is given twice")
			}
			if len(args) < 1 || len(args) > 2 {
				return d.ArgErr()
			}
			v, err := strconv.ParseFloat(args[0], 64)
			if err != nil || !(v > 0) || math.IsInf(v, 0) {
				return d.Errf("%q is not a number of requests a second", args[0])
			}
			o.Rate = &v
			if len(args) == 2 {
				burst, err := strconv.Atoi(args[1])
				if err != nil || burst < 1 {
					return d.Errf("%q is not a whole number above zero", args[1])
				}
				o.Burst = &burst
			}
		default:
			return d.Errf("unknown option %q: use concurrency, websockets, rate or body", d.Val())
		}
	}
	if o.none() {
		return d.Err("org_limit needs a limit: concurrency, websockets, rate or body")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*OrgLimit)(nil)
	_ caddy.Validator             = (*OrgLimit)(nil)
	_ caddyhttp.MiddlewareHandler = (*OrgLimit)(nil)
	_ caddyfile.Unmarshaler       = (*OrgLimit)(nil)
)
