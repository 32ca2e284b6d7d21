package provision_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// rooms is a Provider whose instances are HTTP servers in this process, each on a socket of its own.
type rooms struct {
	dir string

	mu   sync.Mutex
	open map[provision.Ref]*http.Server
}

func (*rooms) Name() string                     { return "rooms" }
func (*rooms) Configuration() string            { return "" } // nothing that instances keep
func (*rooms) Grace() time.Duration             { return time.Second }
func (*rooms) Enforces(registry.LimitName) bool { return false } // none of a plan's limits
func (*rooms) Isolation() string                { return "none: all instances are one process" }

// For needs no name of the installation: nobody else sees what is in this process.
func (p *rooms) For(registry.InstallationID) provision.Provider { return p }

func (p *rooms) path(r provision.Ref) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s.%d.sock", r.OrgID, r.Generation))
}

// see is what there is of an instance.
func (p *rooms) see(r provision.Ref) provision.Observed {
	if p.open[r] == nil {
		return provision.Observed{Detail: "it is not open"}
	}
	return provision.Observed{Running: true, Address: "unix/" + p.path(r)}
}

// Ensure adopts an instance that runs, and never starts one beside its successor.
func (p *rooms) Ensure(ctx context.Context, s provision.Spec) (provision.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[s.Ref] != nil {
		return p.see(s.Ref), nil
	}
	for other := range p.open {
		if other.OrgID == s.OrgID && other.Generation > s.Generation {
			return provision.Observed{}, errors.New("a newer generation runs")
		}
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "unix", p.path(s.Ref))
	if err != nil {
		return provision.Observed{}, err
	}
	app := http.NewServeMux()
	app.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Handler: app, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	p.open[s.Ref] = server
	return p.see(s.Ref), nil
}

// Observe changes nothing.
func (p *rooms) Observe(_ context.Context, r provision.Ref) (provision.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.see(r), nil
}

// Stop ends a generation and all before it, and no later one.
func (p *rooms) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, server := range p.open {
		if r.OrgID == org && r.Generation <= upTo {
			if err := server.Shutdown(ctx); err != nil {
				return err
			}
			delete(p.open, r)
		}
	}
	return nil
}

// List names what runs, also what nobody wants any more.
func (p *rooms) List(context.Context) (all []provision.Seen, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.open {
		all = append(all, provision.Seen{Ref: r, Observed: p.see(r)})
	}
	return all, nil
}

// Logs has nothing to read: these instances print nothing.
func (*rooms) Logs(context.Context, registry.OrgID, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// A provider of one's own, and a Reconciler that drives it: an org gets an instance when it is
// created, and loses it when it is suspended.
func Example() {
	dir, err := os.MkdirTemp("", "rooms")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	key, err := identity.CreateMasterKey(filepath.Join(dir, "secret.key"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	store, err := sqlite.Open(ctx, filepath.Join(dir, "pizzeria.db"), key, time.Now)
	if err != nil {
		log.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	providers, err := provision.NewProviders(provision.Named{
		Name: "rooms", Provider: &rooms{dir: dir, open: map[provision.Ref]*http.Server{}},
	})
	if err != nil {
		log.Fatal(err)
	}
	reconciler := provision.NewReconciler(provision.Config{
		Store: store, Providers: func() *provision.Providers { return providers },
		Environment: func(registry.Work) (map[string]string, []string, error) { return nil, nil, nil },
		Log:         quiet, Now: time.Now,
	})
	follower := registry.NewFollower(registry.FeedFor(store, registry.AsSystem("example")), quiet, time.Now, reconciler) // wakes it at each change
	var running sync.WaitGroup
	running.Go(func() { follower.Run(ctx) })
	running.Go(func() { reconciler.Run(ctx) })

	operator := registry.AsOperator()
	org, err := store.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme", Name: "Acme"})
	if err != nil {
		log.Fatal(err)
	}
	wait := func(state registry.InstanceState) {
		for {
			changed := store.Changed()
			v, err := store.Org(ctx, operator, org.ID)
			if err != nil {
				log.Fatal(err)
			}
			if v.Instance.State == state {
				fmt.Println(v.Slug, v.Status, v.Instance.State)
				return
			}
			<-changed
		}
	}
	wait(registry.InstanceRunning)
	if err := store.SuspendOrg(ctx, operator, org.ID, 0, "closed for the holidays"); err != nil {
		log.Fatal(err)
	}
	wait(registry.InstanceStopped)

	cancel()
	running.Wait()
	if err := store.Close(); err != nil {
		log.Fatal(err)
	}

	// Output:
	// acme active running
	// acme suspended stopped
}
