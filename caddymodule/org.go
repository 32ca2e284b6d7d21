package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/runtime"
)

func init() {
	caddy.RegisterModule(Org{})
	httpcaddyfile.RegisterHandlerDirective("org", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		o := new(Org)
		return o, o.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("org", httpcaddyfile.Before, "basic_auth")
}

// Org finds the org of a request by its host, and answers what never reaches an
// instance: hosts that are no org's (421, 404, 410), orgs that are suspended or
// starting (403, 503), and the reserved path prefix.
//
// Placeholders: `{http.org.id}`, `{http.org.slug}`, `{http.org.plan}`; after `org_auth`, for who is signed in,
// `{http.org.user.id}`, `{http.org.user.role}`.
type Org struct {
	// How long a request that is not a page waits for an org that starts, or whose instance restarts
	// just then. Pages try again by themselves. Default: `10s`.
	Hold *caddy.Duration `json:"hold,omitempty"`

	// Whether those who are not signed in learn which orgs there are. With `false` they get the same
	// answer, a redirect to sign in or 401, whether an org exists or not, is suspended or gone; and
	// somebody who is signed in and no member gets 404. Default: true.
	Disclose *bool `json:"disclose,omitempty"`

	// File with a Go HTML template for the gateway's own pages: unknown, suspended or starting orgs, no
	// access, no control plane. It gets `.Status`, `.Title`, `.Detail`, `.RetryAfter`, `.Refresh`,
	// `.Again`, `.SignIn`, `.Why`, `.Console` and `.RequestID`; its styles and images stand in it,
	// since nothing else may be loaded. Default: a built-in page.
	Page string `json:"page,omitempty"`

	page    *template.Template
	runtime *runtime.Runtime
	app     *App
}

// CaddyModule returns the Caddy module information.
func (Org) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.org", New: func() caddy.Module { return new(Org) }}
}

// Provision implements caddy.Provisioner.
func (o *Org) Provision(ctx caddy.Context) (err error) {
	if err := expandAll(o); err != nil {
		return err
	}
	if o.Hold != nil && *o.Hold < 0 {
		return errors.New("hold must not be negative")
	}
	if o.Page != "" {
		if o.page, err = edge.ParsePage(o.Page); err != nil {
			return fmt.Errorf("page %s: %w", o.Page, err)
		}
	}
	if o.app, err = appOf(ctx); err != nil {
		return err
	}
	o.app.checkRedirects(ctx)
	o.runtime = o.app.runtime
	return o.app.guardServers(ctx)
}

// defaultHold is how long requests wait for an org that starts.
const defaultHold = caddy.Duration(10 * time.Second)

func (o *Org) admission() edge.Admission {
	return edge.Admission{
		Hold: time.Duration(valueOr(o.Hold, defaultHold)), Conceal: !valueOr(o.Disclose, true), Page: o.page,
	}
}

// appOf returns the config's pizzeria app.
func appOf(ctx caddy.Context) (*App, error) {
	app, err := ctx.AppIfConfigured("pizzeria")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New("this needs the global option `pizzeria { domain ... }`")
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// runtimeOf returns the runtime of the config's pizzeria app.
func runtimeOf(ctx caddy.Context) (*runtime.Runtime, error) {
	app, err := appOf(ctx)
	if err != nil {
		return nil, err
	}
	return app.runtime, nil
}

// stateKey is the variable that carries a request's *gateway.State.
const stateKey = "pizzeria.state"

// stateOf returns what the org handler found out, nil when it did not run.
func stateOf(r *http.Request) *edge.State {
	st, _ := caddyhttp.GetVar(r.Context(), stateKey).(*edge.State)
	return st
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return o.app.guardRequest(w, r, func(w http.ResponseWriter, r *http.Request) error { return o.serve(w, r, next) })
}

func (o *Org) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if err := o.runtime.Ready(r.Context()); err != nil {
		w.Header().Set("Retry-After", "2")
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	id := func() string {
		v, _ := repl.GetString("http.request.uuid")
		return v
	}
	rec := &statusRecorder{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	began := time.Now()
	gw := o.runtime.Gateway()
	st := gw.Admit(rec, r, id, o.admission())
	if st == nil {
		o.runtime.Requests().Request(nil, rec.status, time.Since(began))
		return nil
	}
	// Deferred: reverse_proxy panics when an answer breaks off, and other handlers may.
	outcome := http.StatusInternalServerError
	defer func() {
		addSpanAttributes(r, st)
		o.runtime.Requests().Request(st.Route, cmp.Or(rec.status, outcome), time.Since(began))
	}()
	st.Begin(deadlines(w, r))
	defer st.End()
	caddyhttp.SetVar(r.Context(), stateKey, st)
	repl.Map(st.Placeholder)
	addLogFields(r, st)
	err := next.ServeHTTP(rec, r)
	if err != nil && rec.status == 0 {
		err = o.upstreamError(rec, r, st, err)
	}
	outcome = statusOf(err)
	return err
}

// statusOf is the status that Caddy gives an answer that no handler began.
func statusOf(err error) int {
	var he caddyhttp.HandlerError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &he) && he.StatusCode != 0:
		return he.StatusCode
	}
	return http.StatusInternalServerError
}

// deadlines are those of the client's connection. Caddy's own wrappers are left out: they may be
// used by the handler alone.
func deadlines(w http.ResponseWriter, r *http.Request) edge.Deadlines {
	switch reader, writer := caddyhttp.IdleTimeoutsFromContext(r.Context()); {
	case writer != nil:
		return writer.Ctrl
	case reader != nil:
		return reader.Ctrl
	}
	return http.NewResponseController(w)
}

// upstreamError answers for an instance that refuses, breaks or times out.
func (o *Org) upstreamError(w http.ResponseWriter, r *http.Request, st *edge.State, err error) error {
	var he caddyhttp.HandlerError
	errors.As(err, &he)
	if o.runtime.Gateway().Unanswered(w, r, st, err, he.StatusCode) {
		return nil
	}
	return err
}

// statusRecorder remembers the response's status. Informational responses come before it, and are
// none.
type statusRecorder struct {
	caddyhttp.ResponseWriterWrapper
	status int // 0 = not yet
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		s.begin(status)
	}
	s.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (s *statusRecorder) Write(b []byte) (int, error) {
	s.begin(http.StatusOK)
	return s.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (s *statusRecorder) ReadFrom(r io.Reader) (int64, error) {
	s.begin(http.StatusOK)
	return s.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements what http.ResponseController asks for. A flush sends the header.
func (s *statusRecorder) FlushError() error {
	s.begin(http.StatusOK)
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *statusRecorder) begin(status int) {
	if s.status == 0 {
		s.status = status
	}
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	org [<matcher>] {
//		hold     <duration>
//		page     <file>
//		disclose off
//	}
func (o *Org) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := checkPlaceholders(d); err != nil {
		return err
	}
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "hold":
			if o.Hold != nil {
				return d.Err("hold is given twice")
			}
			if err := durationArg(d, &o.Hold); err != nil {
				return err
			}
		case "page":
			if o.Page != "" {
				return d.Err("page is given twice")
			}
			if err := oneArg(d, &o.Page); err != nil {
				return err
			}
		case "disclose":
			if err := onOffArg(d, &o.Disclose); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q: use hold, page or disclose", d.Val())
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Org)(nil)
	_ caddyhttp.MiddlewareHandler = (*Org)(nil)
	_ caddyfile.Unmarshaler       = (*Org)(nil)
)
