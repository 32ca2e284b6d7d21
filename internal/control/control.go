// Package control is the control plane: the store, accounts and sessions, the reconciler of
// instances, mail and webhooks, and what time alone asks for. It serves the API and the console, and
// is the origin of gateways.
//
// It knows nothing of any gateway but what an origin.Origin is told, and Gateways.
package control

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/egress"
	"github.com/pizzaface/pizzeria/internal/heartbeat"
	"github.com/pizzaface/pizzeria/internal/mail"
	"github.com/pizzaface/pizzeria/internal/orgredis"
	"github.com/pizzaface/pizzeria/internal/revocation"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Tunables may change while the control plane runs.
type Tunables struct {
	Site         token.Site
	OfflineGrace time.Duration
	Sessions     registry.Lifetimes // 0: the default
	Settings     registry.Schema    // what orgs may set for their instances
	WebhookAllow []netip.Prefix     // networks that webhooks reach though they are not public
	Mail         *mail.Config       // nil: no mail is sent
	Redis        *shared.Config     // nil: what nodes share is in the store alone
	// The Redis that instances share; nil: there is none.
	InstanceRedis *orgredis.Config
	// Accounts that nobody signed in to for so long are disabled; 0: none is.
	DisableDormant time.Duration
	AuditKeep      time.Duration // how long entries of the audit log are kept; 0: for ever
	// Networks of orgs' sign-in providers that are reached though they are not public.
	ConnectionAllow []netip.Prefix
	Resolvers       []string // host:port of the DNS servers that show whose a domain is; none: the system's
	Health          provision.Health
	Providers       *provision.Providers
	Plans           []registry.Plan // that the operator defines in the config
}

// Gateways are what is open in this process at this moment, and when it was known that it may be.
type Gateways interface {
	// Connections is how many WebSockets and streams a session has open.
	Connections(session registry.SessionID) int
	// Busy is how many requests and WebSockets an org has open.
	Busy(org registry.OrgID) (requests, webSockets int)
	// Open is all that is open.
	Open() registry.Open
	// Contact is when the gateways last knew every change.
	Contact() time.Time
}

// Config says what a Control works with.
type Config struct {
	DataDir  string // absolute: what instances get
	Node     string // the name of one of several nodes; "": the only control plane
	Location registry.Location
	Store    registry.Store // at Location; Connect connects it
	// Witness is the path of a file that is there only if the database was: then none is made anew.
	Witness  string
	Master   *identity.MasterKey
	Tunables func() *Tunables
	Gateways Gateways
	Metrics  *Metrics
	Log      *slog.Logger
	Now      func() time.Time
	// Announce shows people the set-up link.
	Announce func(link string, until time.Time)
}

// Control is the control plane of one installation. Make one with New, then Connect and Run it.
type Control struct {
	Config
	store      registry.Store
	ids        *identity.Service
	reconciler *provision.Reconciler
	follower   *registry.Follower
	history    *history
	settings   *settings.Service
	webhooks   *webhook.Sender
	mail       *mail.Sender
	redis      *shared.Redis
	orgs       *orgredis.Users // of the Redis of instances
	usage      *usage.Recorder
	agents     agents
	beats      *heartbeat.Recorder
	poller     *heartbeat.Poller
	tokens     *heartbeat.Tokens // of instances
	teller     *revocation.Teller
	handler    http.Handler
	refused    refusedRequests
	nodes      nodes
	scrapes    chan struct{} // of instances' metrics

	keyFile   *keyFile // for instances
	connected atomic.Bool
	// installation is "" until the store was connected.
	installation atomic.Pointer[registry.InstallationID]
	bound        atomic.Pointer[bound]
	ended        chan struct{}                      // closed when streams should end
	auditHead    atomic.Pointer[registry.AuditHead] // that left last
	began        atomic.Pointer[Tunables]           // the first ones
	planned      atomic.Pointer[Tunables]           // whose plans the store has
	places       places

	reconciling    context.Context //nolint:containedctx // ends before the rest does: see Down
	stopReconciler context.CancelFunc
	reconciles     sync.Mutex // held while the reconciler runs
}

// New makes every part. None of them needs the store to answer.
func New(c Config) (*Control, error) {
	p := &Control{
		Config: c, store: c.Store, ended: make(chan struct{}), keyFile: newKeyFile(c.DataDir),
		scrapes: make(chan struct{}, metricsAtOnce),
	}
	p.installation.Store(new(registry.InstallationID))
	p.reconciling, p.stopReconciler = context.WithCancel(context.Background())
	p.ids = identity.New(c.Store, c.Master, p.site, c.Log, c.Now)
	p.settings = &settings.Service{
		Store: c.Store, Sealer: p.ids,
		Schema: func() registry.Schema { return c.Tunables().Settings },
	}
	p.webhooks = webhook.New(c.Store, p.ids, c.Log, c.Now,
		func() []netip.Prefix { return c.Tunables().WebhookAllow })
	p.mail = mail.New(c.Store, p.ids, func() *mail.Config { return c.Tunables().Mail }, p.site,
		c.Log, c.Now)
	p.ids.Mail = p.mail
	p.redis = shared.New(func() *shared.Config { return c.Tunables().Redis }, c.Master, c.Metrics.redis, c.Log)
	if c.Node != "" {
		p.redis.Heard = p.heard
	}
	p.ids.Shared = p.redis.Limiter
	p.orgs = p.redisUsers()
	p.ids.Noted = c.Metrics.signedIn
	p.ids.Limited = c.Metrics.limited
	p.ids.Recovered = c.Metrics.recovered
	p.ids.Outside = identity.Outside{
		Operator: egress.NewTrusting(), TXT: p.lookupTXT,
		Org: egress.NewClient(func() []netip.Prefix { return c.Tunables().ConnectionAllow }),
	}
	p.usage = usage.New(c.Store, c.Log, c.Now)
	p.reconciler = provision.NewReconciler(provision.Config{
		Store: c.Store, Providers: p.Providers, Environment: p.environment, Log: c.Log, Now: c.Now,
		Keys:          p.keyFile.dir(),
		Redis:         p.useRedis,
		Health:        func() provision.Health { return c.Tunables().Health },
		Configuration: p.configuration,
		Started:       c.Metrics.instanceStarted,
		Failed:        c.Metrics.failed,
	})
	p.agents = agents{p}
	p.beats = heartbeat.NewRecorder(c.Store, c.Log, c.Now)
	p.poller = &heartbeat.Poller{
		Attended: p.agents, Serving: p.reconciler.Serving, Record: p.beats,
		Counted: c.Metrics.heartbeat,
	}
	p.tokens = heartbeat.NewTokens(c.Master)
	p.teller = revocation.New(c.Store, p.agents, c.Metrics.revocationPushed, c.Log)
	p.history = &history{
		store: c.Store, log: c.Log, pending: make(chan registry.LostHistory, losses),
		forget: func() { p.planned.Store(nil) }, counted: c.Metrics.lost,
	}
	p.follower = registry.NewFollower(
		registry.FeedFor(c.Store, registry.AsSystem("follower")), c.Log, c.Now,
		p.history, &rings{p.ids, p.writeKeys, c.Log}, p.reconciler, p.teller, p.orgs)
	c.Metrics.failing(p.Providers().Names())
	err := p.routes()
	return p, err
}

func (c *Control) site() token.Site { return c.Tunables().Site }

// Issuer is the issuer of every token.
func (c *Control) Issuer() *token.Issuer { return c.ids.Issuer }

// Handler serves the API, the console and the OpenID provider.
func (c *Control) Handler() http.Handler { return c.handler }

// Outdated are the instances that keep an earlier configuration: their generations, by org.
func (c *Control) Outdated() map[registry.OrgID]int64 { return c.reconciler.Outdated() }

func (c *Control) image(org registry.OrgID, generation int64) string {
	return c.reconciler.Image(provision.Ref{OrgID: org, Generation: generation})
}

// Run does the control plane's work until ctx is done: once the store is connected, which it tries
// until it is. Call Close then.
func (c *Control) Run(ctx context.Context) {
	context.AfterFunc(ctx, func() { close(c.ended) })
	context.AfterFunc(ctx, c.stopReconciler)
	c.Metrics.control.Store(c)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.usage.Run(ctx) })
	wg.Go(func() { c.redis.Run(ctx) })
	if !c.reconnect(ctx) {
		return
	}
	for _, run := range []func(context.Context){
		c.follower.Run, c.history.run, c.webhooks.Run, c.mail.Run, c.keepUp, c.beats.Run, c.tellNodes, c.fanOut,
		func(ctx context.Context) {
			c.lead(ctx, c.maintain, c.checkDomains, c.watchQuotas, c.poller.Run, c.teller.Run, c.orgs.Run)
		},
	} {
		wg.Go(func() { run(ctx) })
	}
	c.reconciles.Lock()
	defer c.reconciles.Unlock()
	c.reconciler.Run(c.reconciling)
}

// Close stores what is only in memory. Run must have ended.
func (c *Control) Close(ctx context.Context) error {
	c.stopReconciler()
	c.usage.Flush(ctx)
	return errors.Join(c.ids.Flush(ctx), c.tellNode(ctx, registry.Open{}))
}

// Down stops every instance, for good: the reconciler is ended first, and the
// next start brings them up again. Returns how many it stopped.
func (c *Control) Down(ctx context.Context) (int, error) {
	c.stopReconciler()
	c.reconciles.Lock() // it has ended
	defer c.reconciles.Unlock()
	if !c.connected.Load() {
		return 0, errors.New("the store is away: instances cannot be told from those of another " +
			"installation until it has answered")
	}
	set := c.Providers()
	found, failed := set.List(ctx)
	stopped := map[provision.Ref]bool{} // two providers may see the same one
	for _, f := range found {
		if f.Foreign != "" || stopped[f.Ref] {
			continue
		}
		p, err := set.Get(f.Provider)
		if err == nil {
			err = p.Stop(ctx, f.OrgID, f.Generation)
		}
		if err != nil {
			return len(stopped), err
		}
		stopped[f.Ref] = true
	}
	errs := slices.Collect(maps.Values(failed))
	for _, p := range set.All() {
		if held, ok := p.Provider.(provision.Releaser); ok {
			errs = append(errs, held.Release())
		}
	}
	return len(stopped), errors.Join(errs...)
}
