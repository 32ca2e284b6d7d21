package servertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/examples/instance/app"
	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Instances is a provider whose instances are the sample app, in the test's process.
type Instances struct {
	dir string

	mu        sync.Mutex
	elsewhere bool
	run       map[provision.Ref]*instance
	logs      map[registry.OrgID]*log
}

type instance struct {
	stop  func() error
	of    provision.Spec
	agent *agent
}

// NewInstances keeps sockets and data in a directory. Its path must be short: sockets lie in it.
func NewInstances(dir string) *Instances {
	return &Instances{
		dir: dir, run: map[provision.Ref]*instance{}, logs: map[registry.OrgID]*log{},
	}
}

// Name implements provision.Provider.
func (*Instances) Name() string { return "process" }

// For implements provision.Provider. All that there is belongs to the one installation of the test.
func (p *Instances) For(registry.InstallationID) provision.Provider { return p }

// Configuration implements provision.Provider.
func (*Instances) Configuration() string { return "" }

// Grace implements provision.Provider.
func (*Instances) Grace() time.Duration { return time.Second }

// Enforces implements provision.Provider.
func (*Instances) Enforces(registry.LimitName) bool { return false }

// Isolation implements provision.Provider.
func (*Instances) Isolation() string { return "none: all instances are one process" }

// UsesRedis implements provision.RedisUser.
func (*Instances) UsesRedis() bool { return true }

// Ensure implements provision.Provider.
func (p *Instances) Ensure(_ context.Context, s provision.Spec) (provision.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.run {
		if other.OrgID == s.OrgID && other.Generation > s.Generation {
			return provision.Observed{}, errors.New("a newer generation runs")
		}
	}
	if p.run[s.Ref] == nil {
		i, err := p.start(s)
		if err != nil {
			return provision.Observed{}, err
		}
		p.run[s.Ref] = i
	}
	return p.see(s.Ref), nil
}

func (p *Instances) start(s provision.Spec) (*instance, error) {
	check, err := assertion.New(assertion.Config{
		OrgID: string(s.OrgID), Issuer: s.Env["PIZZERIA_ISSUER"], Generation: s.Generation,
		Keys: assertion.File(filepath.Join(s.Keys, provision.KeysFile)),
	})
	if err != nil {
		return nil, err
	}
	data := filepath.Join(p.dir, string(s.OrgID))
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a, err := app.New(ctx, check, func(name string) string {
		if name == "PIZZERIA_DATA_DIR" {
			return data
		}
		return s.Env[name]
	})
	if err != nil {
		cancel()
		return nil, err
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "unix", p.socket(s.Ref))
	if err != nil {
		cancel()
		return nil, errors.Join(err, a.Close())
	}
	beside, err := p.startAgent(ctx, s.Ref)
	if err != nil {
		cancel()
		return nil, errors.Join(err, l.Close(), a.Close())
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	p.log(s.OrgID).print("listening on unix:" + p.socket(s.Ref))
	return &instance{of: s, agent: beside, stop: func() error {
		cancel()
		err := errors.Join(beside.stop(), server.Close())
		<-done
		return errors.Join(err, a.Close())
	}}, nil
}

func (p *Instances) socket(r provision.Ref) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s.%d", r.OrgID, r.Generation))
}

func (p *Instances) see(r provision.Ref) provision.Observed {
	i := p.run[r]
	if i == nil {
		return provision.Observed{Detail: "it is not there"}
	}
	return provision.Observed{
		Running: true, Address: "unix/" + p.socket(r), Configuration: i.of.Configuration,
	}
}

// Observe implements provision.Provider.
func (p *Instances) Observe(_ context.Context, r provision.Ref) (provision.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.see(r), nil
}

// Stop implements provision.Provider.
func (p *Instances) Stop(_ context.Context, org registry.OrgID, upTo int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, i := range p.run {
		if r.OrgID != org || r.Generation > upTo {
			continue
		}
		delete(p.run, r)
		if err := i.stop(); err != nil {
			return err
		}
	}
	return nil
}

// List implements provision.Provider.
func (p *Instances) List(context.Context) (all []provision.Seen, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.run {
		all = append(all, provision.Seen{Ref: r, Observed: p.see(r)})
	}
	return all, nil
}

// Logs implements provision.Provider. An instance prints where it listens, and nothing else.
func (p *Instances) Logs(
	ctx context.Context, org registry.OrgID, lines int, follow bool,
) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log(org).read(ctx, lines, follow), nil
}

func (p *Instances) log(org registry.OrgID) *log {
	if p.logs[org] == nil {
		p.logs[org] = newLog()
	}
	return p.logs[org]
}

// Env is a variable of an org's instance that runs, "" without one.
func (p *Instances) Env(org registry.OrgID, name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r, i := range p.run {
		if r.OrgID == org {
			return i.of.Env[name]
		}
	}
	return ""
}

// end stops all.
func (p *Instances) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for r, i := range p.run {
		delete(p.run, r)
		errs = append(errs, i.stop())
	}
	return errors.Join(errs...)
}

var (
	_ provision.Provider  = (*Instances)(nil)
	_ provision.RedisUser = (*Instances)(nil)
)
