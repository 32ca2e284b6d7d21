package provision

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// world is what a provider drives: instances that exist only in memory, and that
// behave as a test says. Their health path is asked over pipes.
type world struct {
	mu      sync.Mutex
	running map[Ref]*instance
	spawns  []spawn
	stops   map[Ref]int       // instances that Stop has ended
	ended   map[Ref]time.Time // when Stop ended them
	ensures map[Ref]int
	limits  map[Ref]registry.Limits
	foreign map[Ref]registry.InstallationID
	limited int       // calls of Limit
	looks   int       // of Observe and List
	changed func(Ref) // nil: nobody is told what ends
	asked   int       // health checks under way
	most    int
	// boot says how the nth instance of an org will do; nil: well.
	boot func(ref Ref, n int) instance
}

// instance is how an instance does.
type instance struct {
	refused bool          // Ensure fails
	lives   time.Duration // it ends by itself after that; 0: never
	mute    bool          // it listens and never answers
	deaf    bool          // it never listens, though it runs
	hung    bool
	ended   *time.Timer

	configuration string
}

type spawn struct {
	ref Ref
	at  time.Time
}

const fakeGrace = time.Second

func newWorld() *world {
	return &world{
		running: map[Ref]*instance{}, stops: map[Ref]int{}, ensures: map[Ref]int{}, limits: map[Ref]registry.Limits{}, ended: map[Ref]time.Time{},
	}
}

func address(r Ref) string { return fmt.Sprintf("%s.%d:80", r.OrgID, r.Generation) }

func image(r Ref) string { return fmt.Sprintf("app@sha256:%d", r.Generation) }

func (w *world) Name() string { return "fake" }

func (w *world) For(registry.InstallationID) Provider { return w }

func (w *world) Grace() time.Duration { return fakeGrace }
func (w *world) Isolation() string    { return "none" }

func (*world) Enforces(registry.LimitName) bool { return false }

func (w *world) Configuration() string { return "" }

func (w *world) Ensure(ctx context.Context, s Spec) (Observed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ensures[s.Ref]++
	if w.running[s.Ref] != nil {
		return w.observed(s.Ref), nil
	}
	for other := range w.running {
		if other.OrgID == s.OrgID && other.Generation > s.Generation {
			return Observed{}, errors.New("a newer generation runs")
		}
	}
	n := 0
	for _, old := range w.spawns {
		if old.ref.OrgID == s.OrgID {
			n++
		}
	}
	w.spawns = append(w.spawns, spawn{s.Ref, time.Now()})
	i := &instance{}
	if w.boot != nil {
		*i = w.boot(s.Ref, n)
	}
	if i.refused {
		return Observed{}, errors.New("no luck")
	}
	if i.lives > 0 {
		i.ended = time.AfterFunc(i.lives, func() { w.end(s.Ref, i) })
	}
	i.configuration = s.Configuration
	w.limits[s.Ref] = s.Limits
	w.running[s.Ref] = i
	return w.observed(s.Ref), nil
}

func (w *world) observed(r Ref) Observed {
	return Observed{Running: true, Address: address(r), Configuration: w.running[r].configuration, Image: image(r)}
}

func (w *world) end(r Ref, i *instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[r] == i {
		delete(w.running, r)
		if w.changed != nil {
			w.changed(r)
		}
	}
}

// Limit makes world a Limiter.
func (w *world) Limit(_ context.Context, r Ref, l registry.Limits) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits[r] = l
	w.limited++
	return nil
}

func (w *world) Observe(_ context.Context, r Ref) (Observed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if w.running[r] == nil {
		return Observed{Detail: "ended with exit code 7"}, nil
	}
	return w.observed(r), nil
}

func (w *world) Stop(_ context.Context, org registry.OrgID, upTo int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, i := range w.running {
		if r.OrgID == org && r.Generation <= upTo {
			if i.ended != nil {
				i.ended.Stop()
			}
			delete(w.running, r)
			w.stops[r]++
			w.ended[r] = time.Now()
		}
	}
	return nil
}

func (w *world) List(context.Context) ([]Seen, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	seen := make([]Seen, 0, len(w.running))
	for r := range w.running {
		seen = append(seen, Seen{Ref: r, Observed: w.observed(r), Foreign: w.foreign[r]})
	}
	return seen, nil
}

// telling is a world that tells what ends.
type telling struct{ *world }

func (w telling) Watch(ctx context.Context, changed func(Ref)) error {
	w.mu.Lock()
	w.changed = changed
	w.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (w *world) Logs(context.Context, registry.OrgID, int, bool) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("")), nil
}

// dialEach reaches instances of several worlds.
func dialEach(worlds ...*world) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		for _, w := range worlds {
			if conn, err = w.dial(ctx, network, addr); err == nil {
				break
			}
		}
		return conn, err
	}
}

// dial reaches an instance by a pipe. One that hangs takes the connection, and never answers.
func (w *world) dial(_ context.Context, _, addr string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, i := range w.running {
		if address(r) != addr || i.deaf {
			continue
		}
		w.asked++
		w.most = max(w.most, w.asked)
		client, server := net.Pipe()
		answers := !i.mute && !i.hung
		go func() {
			defer func() {
				_ = server.Close()
				w.mu.Lock()
				w.asked--
				w.mu.Unlock()
			}()
			if !answers {
				_, _ = io.Copy(io.Discard, server)
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil || req.URL.Path != "/healthz" {
				return
			}
			_, _ = io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}()
		return client, nil
	}
	return nil, errors.New("connection refused")
}

// hang makes an org's instances hang, or go on.
func (w *world) hang(org registry.OrgID, hung bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r, i := range w.running {
		if r.OrgID == org {
			i.hung = hung
		}
	}
}

// generations returns those of an org's instances that run.
func (w *world) generations(org registry.OrgID) (out []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.running {
		if r.OrgID == org {
			out = append(out, r.Generation)
		}
	}
	slices.Sort(out)
	return out
}

// spawned returns when an org's instances were started, since the beginning.
func (w *world) spawned(org registry.OrgID, since time.Time) (out []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.spawns {
		if s.ref.OrgID == org {
			out = append(out, s.at.Sub(since))
		}
	}
	return out
}

// one is a set of one provider.
func one(p Provider) func() *Providers {
	set, err := NewProviders(Named{p.Name(), p})
	if err != nil {
		panic(err)
	}
	return func() *Providers { return set }
}

// env is a test in a bubble of time, with a real store.
type env struct {
	*testing.T
	s    *sqlite.Store
	w    *world
	r    *Reconciler // the last that was started
	deaf bool        // its reconcilers do not follow the change feed
	told bool        // the world tells what ends
}

// tally counts failures.
type tally struct {
	mu sync.Mutex
	n  map[Failure]int
}

func (t *tally) into(c *Config) {
	c.Failed = func(_ string, f Failure) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.n == nil {
			t.n = map[Failure]int{}
		}
		t.n[f]++
	}
}

func (t *tally) of(f Failure) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[f]
}

var operator = registry.AsOperator()

// bubble runs a test with a store, a world, and a time of its own: with a world that has to be asked
// what ended, and with one that tells.
func bubble(t *testing.T, f func(e *env)) {
	t.Helper()
	for name, told := range map[string]bool{"asked": false, "told": true} {
		t.Run(name, func(t *testing.T) {
			path := sqlitetest.File(t)
			synctest.Test(t, func(t *testing.T) {
				s, err := sqlite.Open(t.Context(), path, new(identity.MasterKey), time.Now)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = s.Close() }()
				f(&env{T: t, s: s, w: newWorld(), told: told})
			})
		})
	}
}

// run starts a reconciler that follows the change feed, and returns what ends it.
func (e *env) run(change ...func(*Config)) (stop func()) {
	c := Config{
		Store: e.s, Providers: one(e.w), Dial: e.w.dial, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Environment: func(registry.Work) (map[string]string, []string, error) { return nil, nil, nil },
	}
	if e.told {
		c.Providers = one(telling{e.w})
	}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := NewReconciler(c)
	e.r = r
	var wg sync.WaitGroup
	if !e.deaf {
		f := registry.NewFollower(registry.FeedFor(e.s, registry.AsSystem("test")), c.Log, time.Now, r)
		if err := f.Begin(ctx); err != nil {
			e.Fatal(err)
		}
		wg.Go(func() { f.Run(ctx) })
	}
	wg.Go(func() { r.Run(ctx) })
	return sync.OnceFunc(func() { cancel(); wg.Wait() })
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) org(slug string) registry.OrgID {
	e.Helper()
	o, err := e.s.CreateOrg(context.Background(), operator, registry.NewOrg{Slug: slug})
	e.ok(err)
	return o.ID
}

func (e *env) instance(org registry.OrgID) registry.Instance {
	e.Helper()
	w, err := e.s.WorkOn(context.Background(), self, org)
	e.ok(err)
	return w.Instance
}

// await lets time pass until an instance is as it should be, at most for a while.
func (e *env) await(what string, within time.Duration, org registry.OrgID, ok func(registry.Instance) bool) registry.Instance {
	e.Helper()
	for end := time.Now().Add(within); ; {
		i := e.instance(org)
		if ok(i) {
			return i
		}
		if !time.Now().Before(end) {
			e.Fatalf("within %s it never happened that %s: %+v; running %v", within, what, i, e.w.generations(org))
		}
		pass(max(50*time.Millisecond, within/100)) // of the bubble's time
	}
}

func (e *env) running(org registry.OrgID, within time.Duration) registry.Instance {
	e.Helper()
	return e.await("it runs", within, org, func(i registry.Instance) bool { return i.State == registry.InstanceRunning })
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble, not of the machine
}
