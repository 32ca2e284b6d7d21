// Package api is the management API below /api/v1, and the OpenID endpoints.
//
// Every operation is declared once, with its types: from that come its routing,
// the checks of its input, the OpenAPI document and the isolation tests.
// Handlers decide nothing: they pass the caller's Actor to the registry, whose
// policy table does. The operator reaches the same routes over the admin socket.
//
// A request passes, in this order: who is asking (401), whether a browser was
// tricked into asking (403), an earlier request with the same Idempotency-Key,
// the input's shape (400, 422), the handler.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/registry"
)

// Usage is what the API needs of usage.Recorder.
type Usage interface {
	History(
		ctx context.Context, s usage.HistoryStore, a registry.Actor, org registry.OrgID,
		over usage.Range,
	) ([]registry.UsagePoint, error)
}

// Providers are what makes instances.
type Providers interface {
	// Names are their names, the default first.
	Names() []string
	// Share reports whether an org that moves between two finds its data.
	Share(from, to string) bool
}

// API serves the management API.
type API struct {
	Store    Store
	Identity *identity.Service
	Log      *slog.Logger
	Ended    func() <-chan struct{} // closed when streams should end
	// Logs reads what an org's instance prints: its newest lines, and with follow what comes.
	Logs web.Logs
	// Metrics returns the metrics of an org's instance, in Prometheus' text format. Error:
	// CodeNotFound when there are none.
	Metrics func(ctx context.Context, org registry.OrgID) ([]byte, error)
	// Attended are the orgs whose instances have an agent.
	Attended func(ctx context.Context) ([]registry.OrgID, error)
	// EnrollAtApp gives a runner of an app's own a key there, and returns its environment.
	EnrollAtApp func(context.Context, registry.Runner) (map[string]string, error)

	Settings  *settings.Service
	Webhooks  *webhook.Sender
	Usage     Usage
	Quotas    *usage.Quotas
	Providers func() Providers
	Capacity  func() usage.Capacity
	Isolation func() string // what separates instances
	// Connections is how many WebSockets and streams a session has open.
	Connections func(registry.SessionID) int
	// Outdated are the instances that keep an earlier configuration: their generations, by org.
	Outdated func() map[registry.OrgID]int64
	// Environment is what the operator gives to an org's instance that runs elsewhere. Error: CodeConflict
	// when its provider gives it that.
	Environment func(context.Context, registry.OrgID) (InstanceEnvironment, error)
	// Image is what a generation of an org's instance runs, by digest; "" when that is not known.
	Image func(org registry.OrgID, generation int64) string
	// Count puts what the machine of an instance counts into its heartbeat.
	Count func(*registry.Instance)

	// Page answers a browser with the page of an error.
	Page func(http.ResponseWriter, *http.Request, error)

	// KeyUsed is told of each request with an API key: its kind, and one of KeyResults.
	KeyUsed func(kind, result string)

	routes []Route
	huma   huma.API
}

// Route is one operation, for tests and tools.
type Route struct {
	Method, Pattern string
	Action          registry.Action // what the policy table is asked; "" for the caller's own affairs
	Public          bool            // for people who are not signed in: the request's own secret decides
	Streams         bool            // answers with server-sent events
	Body            map[string]any  // an example of the request's body; nil when it has none
	Once            []string        // members of the answer that are shown once
}

// Routes returns every operation of the API.
func Routes() []Route {
	a := &API{}
	a.declare(http.NewServeMux())
	return a.routes
}

// Bodies are read with encoding/json, which takes names for the same that differ in case alone: what
// was checked would not be what counts.
func init() { huma.ValidateStrictCasing = true }

const (
	prefix  = "/api/v1"
	maxBody = 64 << 10 // bytes
)

// Register adds the routes to a mux.
func (a *API) Register(mux *http.ServeMux) {
	inner := http.NewServeMux()
	a.declare(inner)
	inner.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wire.WriteProblem(w, r, a.issuer(), registry.Errorf(registry.CodeNotFound, "", "there is no such API route: see %s/openapi.json", prefix))
	})
	mux.Handle("/api/", a.admit(a.once(inner)))
	for _, rt := range a.routes {
		if rt.Public {
			mux.Handle(rt.Method+" "+rt.Pattern, a.admitAnybody(inner))
		}
	}
	for _, name := range []string{"/openapi.json", "/openapi.yaml"} {
		mux.Handle("GET "+prefix+name, inner) // says nothing that the docs do not
	}
	a.registerOpenID(mux)
	wire.RegisterProblems(mux)
}

// admit finds out who is asking, and refuses nobody and other sites' pages.
func (a *API) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		c, err := web.Who(a.Identity, r)
		if err == nil && !c.Actor.Valid() {
			a.unknownKey(r)
			err = registry.Errorf(registry.CodeUnauthenticated, "", "sign in, or send an API token or key")
		}
		// A cookie alone does not show that the person meant it; a bearer token and the admin socket do.
		if err == nil && r.Method != http.MethodGet && c.Session.ID != "" && !web.SameOrigin(r, a.Identity.Site().Issuer) {
			err = registry.Errorf(registry.CodeForbidden, "", "this request came from another site").Because(registry.ReasonCrossSiteRequest)
		}
		if err == nil && c.Actor.MustReview() {
			err = registry.ErrReview()
		}
		if err != nil {
			a.logged(r, err)
			wire.WriteProblem(w, r, a.issuer(), err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
	})
}

// admitAnybody is admit for what a secret in the request decides: no cookie and no bearer counts.
func (a *API) admitAnybody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		c := web.ClientOf(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, web.Caller{Client: c, Actor: registry.AsVisitor(c.Address)})))
	})
}

// issuer is the control plane's URL.
func (a *API) issuer() string { return a.Identity.Site().Issuer }

// logged notes errors that are not the caller's.
func (a *API) logged(r *http.Request, err error) {
	if registry.ErrorCode(err) == "" {
		a.Log.Error("api", "method", r.Method, "path", r.URL.Path, "request_id", wire.RequestID(r.Context()), "error", err)
	}
}

type callerKey struct{}

func caller(ctx context.Context) web.Caller {
	c, _ := ctx.Value(callerKey{}).(web.Caller)
	return c
}

// declare makes the OpenAPI document and adds every operation to mux.
func (a *API) declare(mux *http.ServeMux) {
	a.huma = humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    info(),
			Servers: []*huma.Server{{URL: "/", Description: "The control plane that serves this document"}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer":  {Type: "http", Scheme: "bearer", Description: "An API token (5 minutes) or a key (`pza_`, `pzs_`)."},
					"session": {Type: "apiKey", In: "cookie", Name: web.Cookie, Description: "The console's sign-in session, from its own pages."},
				},
			},
			Security: []map[string][]string{{"bearer": {}}, {"session": {}}},
		},
		OpenAPIPath: prefix + "/openapi", Formats: huma.DefaultFormats, DefaultFormat: "application/json",
		RejectUnknownQueryParameters: true, Transformers: []huma.Transformer{a.problems},
	})
	a.huma.UseMiddleware(a.countKeys)
	a.me()
	a.orgs()
	a.plans()
	a.instances()
	a.members()
	a.users()
	a.keys()
	a.runners()
	a.clients()
	a.connections()
	a.support()
	a.approvals()
	a.signing()
	a.settings()
	a.webhooks()
	a.audit()
	a.usage()
	a.finish()
}

const description = `Everything that the console and the command line do.

Errors are problem details (RFC 9457) that say what to do; ` + "`code`" + ` is for programs, ` + "`type`" + ` leads to a page about it, and ` + "`field`" + ` names the input that is at fault.
Lists come in pages: send ` + "`next`" + ` back as ` + "`cursor`" + ` until there is none.
Send an ` + "`Idempotency-Key`" + ` with a POST to repeat it safely: for 24 hours the same key gets the same answer, without secrets and links that are shown once.
Send an ` + "`ETag`" + ` back in ` + "`If-Match`" + ` to change only what you have seen.`

type orgOut struct {
	ETag string `header:"ETag" doc:"the org's version, for If-Match"`
	Body registry.OrgView
}

type listOut[T any] struct{ Body registry.Page[T] }

type none struct{}

// PageIn are the parameters of every list.
type PageIn struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"number of items per page"`
	Cursor string `query:"cursor" doc:"value of next from the previous page"`
	Search string `query:"search" maxLength:"100" doc:"only items with this text in their name or address"`
}

func (p PageIn) list(sort string) registry.List {
	return registry.List{Limit: p.Limit, Cursor: p.Cursor, Search: p.Search, Sort: sort}
}

const streamEvery = 15 * time.Second // a comment keeps idle streams open
