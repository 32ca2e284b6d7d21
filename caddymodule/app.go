package caddymodule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/guard"
	"github.com/pizzaface/pizzeria/internal/mail"
	"github.com/pizzaface/pizzeria/internal/orgredis"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

func init() {
	caddy.RegisterModule(App{})
	httpcaddyfile.RegisterGlobalOption("pizzeria", parseApp)
}

// runtimes are the running installations, by data directory: shared by overlapping configs.
var runtimes = caddy.NewUsagePool()

// App is one Pizzeria installation: where it is reached, where it keeps its
// data, and what runs its instances.
type App struct {
	// The domain below which orgs live, without a port: an org is reached at
	// `{slug}.{domain}`. Required.
	Domain string `json:"domain,omitempty"`

	// The control plane's public URL. Every link is made from it. Default: `https://{domain}`.
	Issuer string `json:"issuer,omitempty"`

	// The path prefix on org hosts that belongs to the gateway, of letters, digits, `-`, `.`, `_`, `~`
	// and `/`. Move it for apps whose service worker leaves only some paths, such as `/api/`, alone.
	// Default: `/.pizzeria`.
	Prefix string `json:"prefix,omitempty"`

	// Where everything that exists is kept. Default: `sqlite ./data/pizzeria.db`.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=pizzeria.stores inline_key=kind"`

	// What makes instances, where one thing does. Default: `process` with the sample instance.
	ProviderRaw json.RawMessage `json:"provider,omitempty" caddy:"namespace=pizzeria.providers inline_key=kind"`

	// What makes instances, in place of `provider`, as a list of `{"name": ..., "provider": ...}`.
	// The first one is for orgs for which neither their plan nor a platform admin names another. A
	// name has 3 to 40 lower-case letters, digits and hyphens; keep it for as long as instances run
	// under it. Default of a name: the provider's own, such as `process`. Default: `provider`
	// alone.
	Providers []NamedProvider `json:"providers,omitempty"`

	// The directory of this installation, for one process or the nodes of one machine: the secret key, a
	// snapshot of the routes, and what the provider keeps of instances. Default: the directory of the
	// SQLite database, or `./data`.
	DataDir string `json:"data_dir,omitempty"`

	// The name of this node, where several use the same `store`: up to 40 lower-case letters, digits and
	// hyphens. It takes a store that several nodes may use, `postgres`. Nodes of one machine share the
	// `data_dir`; all have the same secret key. Default: none, and no other control plane uses the
	// store.
	Node string `json:"node,omitempty"`

	// The file with the secret key that everything secret in the store is sealed
	// under, made at the first start, or with `env:NAME` the environment variable
	// that holds it. Default: `secret.key` in the `data_dir`.
	SecretKey string `json:"secret_key,omitempty"`

	// The algorithm of new signing keys, `ES256` or `EdDSA`. Keys that there are go
	// on until they are replaced. Default: `ES256`.
	SigningAlgorithm string `json:"signing_algorithm,omitempty"`

	// The path that instances answer when they are ready. Default: `/healthz`.
	HealthPath string `json:"health_path,omitempty"`

	// How often a running instance is asked for that path. Negative: never.
	// Default: `10s`.
	HealthInterval *caddy.Duration `json:"health_interval,omitempty"`

	// How many checks in a row an instance may miss before it is degraded: it then
	// still gets requests, and is shown as such. Default: `3`.
	HealthFailures *int `json:"health_failures,omitempty"`

	// How long an instance may be degraded before it is restarted. Negative: for
	// ever. Default: `1m`.
	HealthRestartAfter *caddy.Duration `json:"health_restart_after,omitempty"`

	// What orgs may set for their instances. Default: variables that begin with `APP_`.
	Settings *registry.Schema `json:"settings,omitempty"`

	// What orgs may use, by the name of their plan. The API cannot change these, and defines others.
	// Once there is a plan, orgs are only given plans that are defined; `standard` need not be.
	// Default: none.
	Plans map[string]Plan `json:"plan,omitempty"`

	// How mail is sent: invitations, new passwords, changes of address. Default:
	// none is, and links are for whoever invites to hand over.
	Mail *mail.Config `json:"mail,omitempty"`

	// The Redis in which several nodes count limits on sign-ins, mails and tests of webhooks together,
	// and tell each other of changes. It is never the only record: while it is away, each node counts by
	// itself, and hears of changes from the database. Default: none.
	Redis *shared.Config `json:"redis,omitempty"`

	// The Redis that instances share: each gets a user of its own there, with `PIZZERIA_REDIS_URL`.
	// Default: none, and apps bring their own.
	InstanceRedis *orgredis.Config `json:"instance_redis,omitempty"`

	// Networks that webhooks may reach though they are not of the public
	// Internet, as IP prefixes. Default: none.
	WebhookAllow []string `json:"webhook_allow,omitempty"`

	// Networks of the sign-in providers that orgs name which may be reached though
	// they are not of the public Internet, as IP prefixes. Default: none.
	ConnectionAllow []string `json:"connection_allow,omitempty"`

	// The DNS servers that are asked whose an e-mail domain is, as `host` or
	// `host:port`. Default: the system's.
	Resolvers []string `json:"resolvers,omitempty"`

	// How long valid sessions go on while the control plane is away, at most 24 hours. Default: `1h`.
	OfflineGrace *caddy.Duration `json:"offline_grace,omitempty"`

	// How long a sign-in session lasts that nobody uses, from 5 minutes to 90 days, and no longer than
	// `session_lifetime`. Orgs may ask for less. It also counts for sessions of before.
	// Default: `12h`, or `session_lifetime` if that is shorter.
	SessionIdle *caddy.Duration `json:"session_idle,omitempty"`

	// How long a sign-in session lasts, from 5 minutes to 90 days. Orgs may ask for less. A shorter one
	// also counts for sessions of before. Default: `7d`.
	SessionLifetime *caddy.Duration `json:"session_lifetime,omitempty"`

	// How long entries of the audit log are kept, at least 30 days. Default: for ever.
	AuditKeep *caddy.Duration `json:"audit_keep,omitempty"`

	// Accounts that nobody signed in to for so long are disabled, at least 30 days. API keys do not
	// count as sign-ins. The last platform admin and the last owners of orgs are left alone.
	// Default: none is.
	DisableDormant *caddy.Duration `json:"disable_dormant,omitempty"`

	// How many routes, and how many sessions, are kept in memory, at least 100. A change takes
	// effect when the server starts again. Default: `20000`.
	CacheSize *int `json:"cache_size,omitempty"`

	// What clients without a session may use, by address. Default: as its fields say.
	Limits *Limits `json:"limits,omitempty"`

	// Serve HTTP/3 as well, where the servers' protocols have it. Neither its
	// connections nor its memory are limited: any client can exhaust the server's
	// memory. Default: `false`, and Caddy's servers speak HTTP/1.1 and HTTP/2.
	HTTP3 bool `json:"http3,omitempty"`

	site             token.Site
	webhookAllow     []netip.Prefix
	connAllow        []netip.Prefix
	resolvers        []string
	providers        *provision.Providers
	parsed           []parsedProvider
	planned          []registry.Plan
	runtime          *runtime.Runtime
	attached         bool
	drains           *drains
	guard            *guard.Guard
	guarded          map[*caddyhttp.Server]bool
	limitsOf         map[string]int // org_limits so far, by server
	redirectsChecked bool
}

const (
	defaultOfflineGrace = caddy.Duration(time.Hour)
	defaultCacheSize    = 20_000
)

func (a *App) cacheSize() int { return valueOr(a.CacheSize, defaultCacheSize) }

// valueOr returns what the config says, or the default when it says nothing.
func valueOr[T any](set *T, otherwise T) T {
	if set == nil {
		return otherwise
	}
	return *set
}

// Store says where the registry is kept; a guest module in `pizzeria.stores` implements it.
type Store interface {
	// DataDir is the data directory where the config names none; "" for the default.
	DataDir() string
	// Location completes the module for an installation with an absolute data directory.
	Location(dataDir string) (registry.Location, error)
}

// SharedStore is a Store that several nodes may use.
type SharedStore interface {
	Store
	// NodeLocation is Location as one of several nodes uses it.
	NodeLocation(dataDir, node string) (registry.Location, error)
}

// location is where a store is, for this node.
func (a *App) location(store Store) (registry.Location, error) {
	if a.Node == "" {
		return store.Location(a.DataDir)
	}
	if err := checkNode(a.Node); err != nil {
		return nil, err
	}
	shared, ok := store.(SharedStore)
	if !ok {
		return nil, errNodeStore
	}
	return shared.NodeLocation(a.DataDir, a.Node)
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "pizzeria", New: func() caddy.Module { return new(App) }}
}

// Provision implements caddy.Provisioner. It makes nothing on disk.
func (a *App) Provision(ctx caddy.Context) error {
	err := expandAll(a)
	if err != nil {
		return err
	}
	if a.site, err = token.NewSite(a.Domain, a.Issuer, a.Prefix); err != nil {
		return err
	}
	if a.SigningAlgorithm != "" {
		if err := checkAlgorithm(a.SigningAlgorithm); err != nil {
			return err
		}
	}
	a.site.Algorithm = a.SigningAlgorithm
	if a.StoreRaw == nil {
		a.StoreRaw = caddyconfig.JSONModuleObject(SQLite{}, "kind", "sqlite", nil)
	}
	if err := errors.Join(a.checkBounds(), a.checkHealth(), a.checkSessions()); err != nil {
		return err
	}
	if a.Settings == nil {
		a.Settings = &registry.Schema{Fields: []registry.Field{}, Allow: []string{"APP_*"}}
	}
	if err := a.Settings.Check(); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if a.webhookAllow, err = prefixes("webhook_allow", a.WebhookAllow); err != nil {
		return err
	}
	if a.connAllow, err = prefixes("connection_allow", a.ConnectionAllow); err != nil {
		return err
	}
	if a.resolvers, err = resolvers(a.Resolvers); err != nil {
		return err
	}
	if a.Mail != nil {
		if err := a.Mail.Check(); err != nil {
			return err
		}
	}
	if a.Redis != nil {
		if err := a.Redis.Check(); err != nil {
			return err
		}
	}
	if a.InstanceRedis != nil {
		if err := errors.Join(a.InstanceRedis.Check(), a.InstanceRedis.CheckApart(a.Redis)); err != nil {
			return err
		}
	}
	store, err := ctx.LoadModule(a, "StoreRaw")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if a.DataDir, err = filepath.Abs(cmp.Or(a.DataDir, store.(Store).DataDir(), "./data")); err != nil {
		return err
	}
	at, err := a.location(store.(Store))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if a.SecretKey == "" {
		a.SecretKey = filepath.Join(a.DataDir, "secret.key")
	}
	if identity.KeyVariable(a.SecretKey) == "" {
		if a.SecretKey, err = filepath.Abs(a.SecretKey); err != nil {
			return err
		}
	}
	if _, err := os.Stat(a.SecretKey); err == nil || identity.KeyVariable(a.SecretKey) != "" { // a malformed key fails here, before anything stops
		if _, err := identity.LoadMasterKey(a.SecretKey); err != nil {
			return err
		}
	}
	if a.providers, err = a.loadProviders(ctx); err != nil {
		return err
	}
	if a.planned, err = a.plans(a.providers.Names()); err != nil {
		return err
	}
	log := ctx.Slogger()
	if a.HTTP3 {
		log.Warn("serve HTTP/3 without limits for clients")
	}
	v, _, err := runtimes.LoadOrNew(a.DataDir, func() (caddy.Destructor, error) {
		return runtime.New(runtime.Config{
			DataDir: a.DataDir, Node: a.Node, Store: at, SecretKey: a.SecretKey, Routes: a.cacheSize(),
			Log: log, Announce: announce,
		}), nil
	})
	if err != nil {
		return err
	}
	a.runtime = v.(*runtime.Runtime)
	if now := a.runtime.Store(); now != at.String() {
		return fmt.Errorf("the store is %s while the server runs: stop it to change that", now)
	}
	if now := a.runtime.Node(); now != a.Node {
		return fmt.Errorf("node is %q while the server runs: stop it to change that", now)
	}
	if now := a.runtime.SecretKey(); now != a.SecretKey {
		return fmt.Errorf("secret_key is %s while the server runs: stop it to change that", now)
	}
	if v, _, err = guards.LoadOrNew(a.DataDir, func() (caddy.Destructor, error) { return sharedGuard{guard.New(a.guardLimits())}, nil }); err != nil {
		return err
	}
	a.guard, a.guarded = v.(sharedGuard).Guard, map[*caddyhttp.Server]bool{}
	a.limitsOf = map[string]int{}
	for _, c := range append(a.runtime.Collectors(), guardMetrics{a.guard}) {
		if err := ctx.GetMetricsRegistry().Register(c); err != nil {
			return err
		}
	}
	return nil
}

// announce prints the set-up link where a person who starts the program by hand looks.
func announce(link string, until time.Time) {
	fmt.Fprintf(os.Stderr, "\n  Set up Pizzeria: open this link, once, before %s:\n\n    %s\n\n", until.Local().Format("15:04"), link)
}

// Start implements caddy.App.
func (a *App) Start() error {
	err := a.runtime.Attach(context.Background(), a, runtime.Tunables{
		Site: a.site, OfflineGrace: time.Duration(valueOr(a.OfflineGrace, defaultOfflineGrace)), Settings: *a.Settings,
		Sessions:     a.sessions(),
		WebhookAllow: a.webhookAllow, Mail: a.Mail, Redis: a.Redis, InstanceRedis: a.InstanceRedis, ConnectionAllow: a.connAllow,
		Resolvers: a.resolvers, AuditKeep: time.Duration(valueOr(a.AuditKeep, 0)),
		DisableDormant: time.Duration(valueOr(a.DisableDormant, 0)), Health: a.health(),
		Providers: a.providers, Plans: a.planned,
	})
	a.attached = err == nil
	a.guard.SetLimits(a.guardLimits())
	return err
}

// Stop implements caddy.App. The runtime goes on for the config that replaces this one.
func (a *App) Stop() error { return nil }

// Cleanup implements caddy.CleanerUpper.
func (a *App) Cleanup() error {
	if a.runtime == nil {
		return nil
	}
	if a.attached {
		a.runtime.Detach(a)
	}
	if a.guard != nil {
		if _, err := guards.Delete(a.DataDir); err != nil {
			return err
		}
	}
	_, err := runtimes.Delete(a.DataDir)
	return err
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
