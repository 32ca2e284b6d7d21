// Package runtime is the composition root: it opens the store, loads the keys, and builds the
// control plane and the gateway of one process.
//
// A Runtime outlives config reloads: the Caddy modules share one per data directory
// and hand it their tunables. New makes nothing on disk; Start does, once.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/control"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Tunables may change with every config. The last attached owner's count.
type Tunables = control.Tunables

// Config is what one Runtime is made with; it lasts as long as the Runtime.
type Config struct {
	DataDir   string // absolute: the snapshot, the lock and what instances get
	Store     registry.Location
	SecretKey string // path of the key file, made when there is no database yet; or env:NAME
	// Node is the name of one of several nodes that use the store; "": this process alone does. Nodes
	// of one machine share the data directory.
	Node   string
	Routes int // how many routes and sessions are remembered
	Log    *slog.Logger
	// Announce shows people the set-up link.
	Announce func(link string, until time.Time)

	// Elsewhere is the control plane of a gateway alone, which has neither Store nor SecretKey.
	Elsewhere *Elsewhere
	// NoGateway makes a control plane alone.
	NoGateway bool
}

// Runtime is what runs of an installation in one process: a control plane, a gateway, or both.
type Runtime struct {
	c        Config
	tunables atomic.Pointer[Tunables]

	controlMetrics *control.Metrics
	edgeMetrics    *edge.Metrics

	mu      sync.Mutex
	owners  []owner
	started bool
	ready   chan struct{}
	stop    context.CancelFunc
	wg      sync.WaitGroup
	closers []func() error

	now     func() time.Time // on which all nodes agree
	store   registry.Store   // nil: of a gateway alone
	control *control.Control // likewise
	node    *edge.Node       // nil: of a control plane alone

	limiters      map[string]*edge.Limiter
	limitersMutex sync.Mutex
}

type owner struct {
	key      any
	tunables Tunables
}

// Store is where the database is. It lasts as long as the Runtime.
func (r *Runtime) Store() string { return r.c.Store.String() }

// Node is the name of one of several nodes, "" for the only one. It lasts as long as the Runtime.
func (r *Runtime) Node() string { return r.c.Node }

// SecretKey is where the secret key is. It lasts as long as the Runtime.
func (r *Runtime) SecretKey() string { return r.c.SecretKey }

// New makes a Runtime that has not started.
func New(c Config) *Runtime {
	return &Runtime{
		c: c, now: time.Now, ready: make(chan struct{}), limiters: map[string]*edge.Limiter{},
		controlMetrics: control.NewMetrics(), edgeMetrics: edge.NewMetrics(),
	}
}

// Attach starts the Runtime if need be and makes t count until key's Detach.
func (r *Runtime) Attach(ctx context.Context, key any, t Tunables) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Sessions = t.Sessions.OrDefault()
	r.owners = append(r.owners, owner{key, t})
	r.use(&t)
	if r.started {
		if r.control != nil {
			if err := r.control.Reconfigured(ctx); err != nil {
				r.detach(key)
				return err
			}
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
	r.detach(key)
}

func (r *Runtime) detach(key any) {
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
		r.wg.Wait()
		r.stop = nil
	}
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	r.closers = nil
	return errors.Join(errs...)
}

func (r *Runtime) start(ctx context.Context) error {
	unlock, err := r.lock()
	if err != nil {
		return err
	}
	r.closers = append(r.closers, unlock)
	if err := r.build(); err != nil {
		return err
	}
	var away error
	if r.control != nil {
		away = r.control.Connect(ctx)
	}
	if needsPerson(away) || r.node == nil && away != nil {
		return away
	}
	if r.node != nil {
		if err := r.node.Start(ctx, away); err != nil {
			return err
		}
	}
	run, stop := context.WithCancel(context.Background())
	r.stop = stop
	if r.node != nil {
		r.wg.Go(func() { r.node.Run(run) })
	}
	if r.control != nil {
		r.sayProviders()
		r.wg.Go(func() { r.control.Run(run) })
	}
	return nil
}

// needsPerson reports whether waiting for the store does not help.
func needsPerson(away error) bool {
	return errors.Is(away, registry.ErrSchema) || errors.Is(away, registry.ErrSealed) ||
		errors.Is(away, registry.ErrInUse) || errors.Is(away, control.ErrPlace)
}

// Secure makes a connection to an instance at "host:port" one over TLS; see provision.Providers.
func (r *Runtime) Secure(ctx context.Context, address string, c net.Conn) (net.Conn, error) {
	if set := r.tunables.Load().Providers; set != nil {
		return set.Secure(ctx, address, c)
	}
	_ = c.Close()
	return nil, errors.New("a gateway alone reaches no instance over TLS")
}

// sayProviders logs what makes instances, and what that does not do here.
func (r *Runtime) sayProviders() {
	for _, p := range r.tunables.Load().Providers.All() {
		r.c.Log.Info("instances", "provider", p.Name, "isolation", p.Isolation())
		if l, ok := p.Provider.(provision.Limited); ok && l.Limits() != "" {
			r.c.Log.Warn("run with limits of this system", "provider", p.Name, "limits", l.Limits())
		}
	}
}

// closeTimeout bounds what the end waits for the store.
const closeTimeout = 5 * time.Second

const snapshotName = "snapshot.db"

func (r *Runtime) snapshotPath() string {
	return filepath.Join(nodeDir(r.c.DataDir, r.c.Node), snapshotName)
}

// masterKey reads the secret key; only an installation that is not there yet gets a new one.
func (r *Runtime) masterKey() (*identity.MasterKey, error) {
	there, away := r.c.Store.Exists()
	if away == nil && !there && !exists(r.snapshotPath()) {
		return identity.CreateMasterKey(r.c.SecretKey)
	}
	k, err := identity.LoadMasterKey(r.c.SecretKey)
	if !errors.Is(err, os.ErrNotExist) || identity.KeyVariable(r.c.SecretKey) != "" {
		return k, err
	}
	if away != nil {
		return nil, fmt.Errorf("there is no secret key %s, and whether the database %s needs one is not known: %w", r.c.SecretKey, r.c.Store, away)
	}
	return nil, fmt.Errorf("the database %s is there, but its secret key %s is not: put the key file back from your backup", r.c.Store, r.c.SecretKey)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
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

// Handler serves the control plane, if there is one here. Call Ready first.
func (r *Runtime) Handler() http.Handler { return r.control.Handler() }

// Admit lets a gateway ask the control plane, if there is one here, until dismiss. Call Ready first.
func (r *Runtime) Admit() (admitted origin.Origin, dismiss func()) { return r.control.Admit() }

// Gateway serves org hosts, if there is one here. Call Ready first.
func (r *Runtime) Gateway() *edge.Gateway { return r.node.Gateway }

// Exists returns nil when a host's name is the control plane's, or an org's. Call Ready first, where
// there is a gateway.
func (r *Runtime) Exists(ctx context.Context, name string) error { return r.node.Exists(ctx, name) }

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

// Collectors returns all collectors, to be registered with each config's registry.
func (r *Runtime) Collectors() []prometheus.Collector {
	return append(r.controlMetrics.Collectors(), r.edgeMetrics.Collectors()...)
}

// Requests counts requests to org hosts.
func (r *Runtime) Requests() *edge.Metrics { return r.edgeMetrics }

// Revision is the last change that the gateway knows. Call Ready first.
func (r *Runtime) Revision() int64 { return r.node.Seq() }

// Down stops every instance, for good: see control.Control. Call Ready first.
func (r *Runtime) Down(ctx context.Context) (int, error) { return r.control.Down(ctx) }

// Intrude tries, from where an org's instance is, to reach another's: see control.Control. Call Ready
// first.
func (r *Runtime) Intrude(ctx context.Context, from, at registry.OrgID) ([]intruder.Finding, error) {
	return r.control.Intrude(ctx, from, at)
}

// Backup writes a copy of the database, as of now, to w. Call Ready first.
func (r *Runtime) Backup(ctx context.Context, w io.Writer) error { return r.control.Backup(ctx, w) }
