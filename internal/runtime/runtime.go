// Package runtime is the composition root: it opens the store, loads the keys,
// and owns every goroutine of the control plane and the gateway.
//
// A Runtime outlives config reloads: the Caddy modules share one per data directory
// and hand it their tunables. New makes nothing on disk; Start does, once.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/mail"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Tunables may change with every config. The last attached owner's count.
type Tunables struct {
	Site         token.Site
	OfflineGrace time.Duration
	Sessions     registry.Lifetimes // 0: the default
	Settings     registry.Schema    // what orgs may set for their instances
	WebhookAllow []netip.Prefix     // networks that webhooks reach though they are not public
	Mail         *mail.Config       // nil: no mail is sent
	// Accounts that nobody signed in to for so long are disabled; 0: none is.
	DisableDormant time.Duration
	AuditKeep      time.Duration // how long entries of the audit log are kept; 0: for ever
	// Networks of orgs' sign-in providers that are reached though they are not public.
	ConnectionAllow []netip.Prefix
	Resolvers       []string // host:port of the DNS servers that show whose a domain is; none: the system's
	Health          provision.Health
	Provider        provision.Provider
	Plans           []registry.Plan // that the operator defines in the config
}

// Config is what one Runtime is made with; it lasts as long as the Runtime.
type Config struct {
	DataDir   string // absolute: the snapshot, the lock and what instances get
	Store     registry.Location
	SecretKey string // path of the key file, made when there is no database yet; or env:NAME
	Routes    int    // how many routes and sessions are remembered
	Log       *slog.Logger
	// Announce shows people the set-up link.
	Announce func(link string, until time.Time)
}

// Runtime is one running installation.
type Runtime struct {
	c        Config
	tunables atomic.Pointer[Tunables]
	metrics  *Metrics

	mu      sync.Mutex
	owners  []owner
	started bool
	ready   chan struct{}
	ended   chan struct{}
	stop    context.CancelFunc
	wg      sync.WaitGroup
	closers []func() error

	store      registry.Store
	snapshot   *snapshot.File
	keeper     *keeper
	ids        *identity.Service
	follower   *registry.Follower
	directory  *edge.Directory
	gateway    *edge.Gateway
	provider   provision.Provider
	reconciler *provision.Reconciler
	settings   *settings.Service
	webhooks   *webhook.Sender
	mail       *mail.Sender
	usage      *usage.Recorder
	handler    http.Handler

	jwks      string // path of the assertion keys, for instances
	connected atomic.Bool
	auditHead atomic.Pointer[registry.AuditHead] // that left last
	planned   atomic.Pointer[Tunables]           // whose plans the store has

	limiters      map[string]*edge.Limiter
	limitersMutex sync.Mutex

	stopReconciler context.CancelFunc
	reconciles     sync.Mutex // held while the reconciler runs
}

type owner struct {
	key      any
	tunables Tunables
}

// Store is where the database is. It lasts as long as the Runtime.
func (r *Runtime) Store() string { return r.c.Store.String() }

// SecretKey is where the secret key is. It lasts as long as the Runtime.
func (r *Runtime) SecretKey() string { return r.c.SecretKey }

// New makes a Runtime that has not started.
func New(c Config) *Runtime {
	return &Runtime{c: c, ready: make(chan struct{}), ended: make(chan struct{}), metrics: newMetrics(), limiters: map[string]*edge.Limiter{}}
}

// Attach starts the Runtime if need be and makes t count until key's Detach.
func (r *Runtime) Attach(ctx context.Context, key any, t Tunables) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Sessions = t.Sessions.OrDefault()
	r.owners = append(r.owners, owner{key, t})
	r.use(&t)
	if r.started {
		if n := len(r.reconciler.Outdated()); n > 0 {
			r.c.Log.Warn("instances keep an earlier configuration until they are restarted", "instances", n)
		}
		if err := r.configurePlans(ctx); err != nil {
			r.c.Log.Warn("plans not stored yet, retrying", "error", err)
		}
		return nil
	}
	if err := r.start(ctx); err != nil {
		r.owners = r.owners[:len(r.owners)-1]
		return errors.Join(err, r.close())
	}
	r.started = true
	close(r.ready)
	return nil
}

// Detach takes key's tunables back: those attached before count again.
func (r *Runtime) Detach(key any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.owners {
		if o.key == key {
			r.owners = append(r.owners[:i:i], r.owners[i+1:]...)
			break
		}
	}
	if n := len(r.owners); n > 0 {
		r.use(&r.owners[n-1].tunables)
	}
}

func (r *Runtime) use(t *Tunables) {
	r.tunables.Store(t)
	if r.store != nil {
		r.store.SetLifetimes(t.Sessions)
	}
}

// Destruct implements caddy.Destructor: it ends everything but the instances.
func (r *Runtime) Destruct() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.close()
}

func (r *Runtime) close() error {
	if r.stop != nil {
		r.stop()
		close(r.ended)
		r.wg.Wait()
		r.stop = nil
	}
	var errs []error
	if r.ids != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, r.ids.Flush(ctx))
	}
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	r.closers, r.ids = nil, nil
	return errors.Join(errs...)
}

func (r *Runtime) site() token.Site { return r.tunables.Load().Site }

func (r *Runtime) start(ctx context.Context) error {
	dirs := ownDirs(r.c.DataDir, r.c.Store)
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	unlock, err := lockDirs(dirs...)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, unlock)
	if err := r.build(); err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		if err := r.resume(ctx, err); err != nil {
			return err
		}
	}
	r.c.Log.Info("instances", "provider", r.provider.Name(), "isolation", r.provider.Isolation())
	if p, ok := r.tunables.Load().Provider.(provision.Limited); ok && p.Limits() != "" {
		r.c.Log.Warn("run with limits of this system", "provider", r.provider.Name(), "limits", p.Limits())
	}
	run, stop := context.WithCancel(context.Background())
	r.stop = stop
	reconciling, stopReconciler := context.WithCancel(run)
	r.stopReconciler = stopReconciler
	r.wg.Go(func() { r.usage.Run(run) })
	r.wg.Go(func() { r.gateway.Run(run) })
	r.wg.Go(func() {
		if !r.reconnect(run) {
			return
		}
		r.wg.Go(func() { r.follower.Run(run) })
		r.wg.Go(func() { r.keeper.Run(run) })
		r.wg.Go(func() { r.webhooks.Run(run) })
		r.wg.Go(func() { r.mail.Run(run) })
		r.wg.Go(func() { r.maintain(run) })
		r.wg.Go(func() { r.checkDomains(run) })
		r.wg.Go(func() { r.watchQuotas(run) })
		r.reconciles.Lock()
		defer r.reconciles.Unlock()
		r.reconciler.Run(reconciling)
	})
	return nil
}

// build makes every part. None of them needs the store to answer.
func (r *Runtime) build() error {
	master, err := r.masterKey()
	if err != nil {
		return err
	}
	now := time.Now
	if r.store, err = r.c.Store.Open(master, now); err != nil {
		return err
	}
	r.closers = append(r.closers, r.store.Close)
	r.store.SetLifetimes(r.tunables.Load().Sessions)
	r.snapshot = snapshot.Open(r.snapshotPath())
	r.closers = append(r.closers, r.snapshot.Close)
	r.ids = identity.New(r.store, master, r.site, r.c.Log, now)
	r.provider = provider{r}
	r.settings = &settings.Service{Store: r.store, Sealer: r.ids, Schema: func() registry.Schema { return r.tunables.Load().Settings }}
	r.webhooks = webhook.New(r.store, r.ids, r.c.Log, now, func() []netip.Prefix { return r.tunables.Load().WebhookAllow })
	r.mail = mail.New(r.store, r.ids, func() *mail.Config { return r.tunables.Load().Mail }, r.site, r.c.Log, now)
	r.ids.Mail = r.mail
	r.ids.Noted = func(way, result string) { r.metrics.signIns.WithLabelValues(way, result).Inc() }
	r.ids.Limited = func(purpose, limit string) { r.metrics.limits.WithLabelValues(purpose, limit).Inc() }
	r.ids.Recovered = func(kind string) { r.metrics.recoveries.WithLabelValues(kind).Inc() }
	r.ids.Outside = identity.Outside{
		Operator: egress.NewTrusting(), TXT: r.lookupTXT,
		Org: egress.NewClient(func() []netip.Prefix { return r.tunables.Load().ConnectionAllow }),
	}
	r.usage = usage.New(r.store, r.c.Log, now)
	r.metrics.usage.Store(r.usage)
	r.metrics.state.runtime.Store(r)
	if r.directory, err = edge.NewDirectory(r.store, r.snapshot, r.c.Routes, now); err != nil {
		return err
	}
	mux := http.NewServeMux()
	r.handler = mux
	r.gateway, err = edge.New(edge.Config{
		Routes: r.directory, Tokens: r.ids.Issuer, Origin: control{r.ids, mux}, Seal: master.Sealer(sealedAttempts), Sessions: r.c.Routes, Log: r.c.Log, Now: now,
		Contact: func() time.Time { return r.follower.Contact() }, OfflineGrace: func() time.Duration { return r.tunables.Load().OfflineGrace },
		Lifetimes:     func() registry.Lifetimes { return r.tunables.Load().Sessions },
		CookieDropped: r.metrics.cookieDropped,
	})
	if err != nil {
		return err
	}
	r.jwks = filepath.Join(r.c.DataDir, "assertion-jwks.json")
	r.reconciler = provision.NewReconciler(provision.Config{
		Store: r.store, Provider: r.provider, Environment: r.environment, Log: r.c.Log, Now: now,
		Health:        func() provision.Health { return r.tunables.Load().Health },
		Configuration: r.configuration,
		Started:       func(d time.Duration) { r.metrics.started.Observe(d.Seconds()) },
		Failed:        r.metrics.failed(r.provider.Name()),
	})
	r.keeper = &keeper{store: r.store, snapshot: r.snapshot, ids: r.ids, follower: func() *registry.Follower { return r.follower }, log: r.c.Log, now: now, wake: make(chan struct{}, 1)}
	r.follower = registry.NewFollower(r.store, r.c.Log, now, &rings{r.ids, r.writeJWKS, r.c.Log}, r.directory, r.gateway.Revocations, r.reconciler, r.keeper, r.metrics)
	return r.routes(mux)
}

// masterKey reads the secret key; only an installation that is not there yet gets a new one.
func (r *Runtime) masterKey() (*identity.MasterKey, error) {
	there, err := r.c.Store.Exists()
	if err == nil && !there && !exists(r.snapshotPath()) {
		return identity.CreateMasterKey(r.c.SecretKey)
	}
	k, err := identity.LoadMasterKey(r.c.SecretKey)
	if errors.Is(err, os.ErrNotExist) && identity.KeyVariable(r.c.SecretKey) == "" {
		return nil, fmt.Errorf("the database %s is there, but its secret key %s is not: put the key file back from your backup", r.c.Store, r.c.SecretKey)
	}
	return k, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (r *Runtime) routes(mux *http.ServeMux) error {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, q *http.Request) {
		err := r.store.Ping(q.Context())
		switch {
		case err == nil:
			_, _ = w.Write([]byte("ready\n"))
		case time.Since(r.follower.Contact()) < r.tunables.Load().OfflineGrace:
			_, _ = w.Write([]byte("ready for those who are signed in; the store is away\n"))
		default:
			wire.WriteProblem(w, q, r.ids.Site().Issuer, err)
		}
	})
	ended := func() <-chan struct{} { return r.ended }
	capacity := func() usage.Capacity { return usage.ReadCapacity(r.c.DataDir) }
	quotas := &usage.Quotas{Store: r.store, Recorder: r.usage, Busy: r.gateway.Measure.Busy, Enforces: r.provider.Enforces}
	pages := &console.Console{
		Store: r.store, Identity: r.ids, Log: r.c.Log, Now: time.Now, Isolation: r.provider.Isolation, Ended: ended,
		Settings: r.settings, Webhooks: r.webhooks, Usage: r.usage, Quotas: quotas, Capacity: capacity, Logs: r.provider.Logs, Connections: r.gateway.Streams.Of,
		Outdated: r.reconciler.Outdated,
		Operator: func() console.Operator {
			t := r.tunables.Load()
			return console.Operator{Mail: t.Mail != nil, Provider: r.provider.Name(), OfflineGrace: t.OfflineGrace, Sessions: t.Sessions, WebhookAllow: t.WebhookAllow, Schema: t.Settings}
		},
	}
	(&api.API{
		Store: r.store, Identity: r.ids, Log: r.c.Log, Ended: ended, Logs: r.provider.Logs,
		Settings: r.settings, Webhooks: r.webhooks, Usage: r.usage, Quotas: quotas, Provider: r.provider.Name, Capacity: capacity, Isolation: r.provider.Isolation,
		Connections: r.gateway.Streams.Of, Outdated: r.reconciler.Outdated,
		Page: pages.Problem, KeyUsed: func(kind, result string) { r.metrics.keys.WithLabelValues(kind, result).Inc() },
	}).Register(mux)
	return pages.Register(mux)
}

// environment is the instance contract.
func (r *Runtime) environment(w registry.Work) (map[string]string, error) {
	s := r.site()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	env, err := r.settings.Environment(ctx, w.Instance.OrgID)
	if err != nil {
		return nil, err
	}
	maps.Copy(env, map[string]string{ // ours win
		"PIZZERIA_ORG_ID": string(w.Instance.OrgID), "PIZZERIA_ORG_SLUG": w.Slug, "PIZZERIA_ORG_GENERATION": fmt.Sprint(w.Instance.Generation),
		"PIZZERIA_ISSUER": s.Issuer, "PIZZERIA_PUBLIC_URL": s.OrgURL(w.Slug), "PIZZERIA_PREFIX": s.Prefix, "PIZZERIA_JWKS_FILE": r.jwks,
	})
	return env, nil
}

// ErrNotReady says that the runtime has not started, or not yet.
var ErrNotReady = errors.New("the control plane is starting")

// Ready waits a little for the start.
func (r *Runtime) Ready(ctx context.Context) error {
	select {
	case <-r.ready:
		return nil
	default:
	}
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return ErrNotReady
	}
}

// Handler serves the control plane. Call Ready first.
func (r *Runtime) Handler() http.Handler { return r.handler }

// Gateway serves org hosts. Call Ready first.
func (r *Runtime) Gateway() *edge.Gateway { return r.gateway }

// Limiter returns the counts of one limit of the config. They outlive the config, so that a
// reload forgets neither open WebSockets nor what was used of a rate.
func (r *Runtime) Limiter(name string) (*edge.Limiter, error) {
	r.limitersMutex.Lock()
	defer r.limitersMutex.Unlock()
	if l, ok := r.limiters[name]; ok {
		return l, nil
	}
	l, err := edge.NewLimiter(r.c.Routes, time.Now)
	if err == nil {
		r.limiters[name] = l
	}
	return l, err
}

// Metrics are the runtime's collectors.
func (r *Runtime) Metrics() *Metrics { return r.metrics }

// Revision is the last change that this runtime has seen.
func (r *Runtime) Revision() int64 { return r.follower.Seq() }

// Down stops every instance, for good: the reconciler is ended first, and the
// next start brings them up again. Returns how many it stopped.
func (r *Runtime) Down(ctx context.Context) (int, error) {
	r.stopReconciler()
	r.reconciles.Lock() // it has ended
	defer r.reconciles.Unlock()
	refs, err := r.provider.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, ref := range refs {
		if err := r.provider.Stop(ctx, ref.OrgID, ref.Generation); err != nil {
			return 0, err
		}
	}
	return len(refs), nil
}
