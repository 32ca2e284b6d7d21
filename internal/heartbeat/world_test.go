package heartbeat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// world is a registry, and agents of its instances.
type world struct {
	*testing.T
	store *sqlite.Store
	dir   string

	mu     sync.Mutex
	agents map[provision.Ref]string // sockets; "": none
	counts map[string]int           // by source and result
	change chan struct{}            // closed at the next count
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlitetest.File(t), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &world{
		T: t, store: s, dir: t.TempDir(), agents: map[provision.Ref]string{},
		counts: map[string]int{}, change: make(chan struct{}),
	}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// org makes an org whose instance runs.
func (w *world) org(slug string) provision.Ref {
	w.Helper()
	o, err := w.store.CreateOrg(w.Context(), registry.AsOperator(), registry.NewOrg{Slug: slug})
	w.ok(err)
	return w.runs(provision.Ref{OrgID: o.ID, Generation: 1})
}

func (w *world) runs(ref provision.Ref) provision.Ref {
	w.Helper()
	l, err := w.store.Acquire(w.Context(), system, ref.OrgID, time.Minute)
	w.ok(err)
	w.ok(w.store.Report(w.Context(), system, l, ref.Generation, "test",
		registry.Report{State: registry.InstanceRunning, Address: "unix//x"}))
	w.ok(w.store.Release(w.Context(), system, l))
	return ref
}

// agent serves an agent's socket.
func (w *world) agent(ref provision.Ref, serve http.HandlerFunc) {
	w.Helper()
	path := filepath.Join(w.dir, string(ref.OrgID)[24:]+".sock")
	var listen net.ListenConfig
	l, err := listen.Listen(w.Context(), "unix", path)
	w.ok(err)
	server := &http.Server{Handler: serve, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	w.Cleanup(func() { _ = server.Close(); <-done })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.agents[ref] = path
}

// says is an agent that answers with a heartbeat.
func says(h registry.Heartbeat) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(h) }
}

// Heartbeat implements provision.Attended.
func (w *world) Heartbeat(ctx context.Context, ref provision.Ref) (h provision.Heartbeat, err error) {
	w.mu.Lock()
	path := w.agents[ref]
	w.mu.Unlock()
	if path == "" {
		return h, errors.ErrUnsupported
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(
		ctx context.Context, _, _ string,
	) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/heartbeat", nil)
	if err != nil {
		return h, err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return h, err
	}
	defer func() { _ = res.Body.Close() }()
	return h, json.NewDecoder(res.Body).Decode(&h)
}

// Revoke implements provision.Attended.
func (w *world) Revoke(context.Context, provision.Ref, provision.Revocation) error {
	return errors.ErrUnsupported
}

// Metrics implements provision.Attended.
func (w *world) Metrics(context.Context, provision.Ref) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func (w *world) count(source, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[source+" "+result]++
	close(w.change)
	w.change = make(chan struct{})
}

// await waits until so many heartbeats became of a kind.
func (w *world) await(kind string, n int) {
	w.Helper()
	late := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		have, change := w.counts[kind], w.change
		w.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-change:
		case <-late:
			w.Fatalf("%s: %d, want %d", kind, have, n)
		}
	}
}

// shown is an instance's heartbeat as people see it.
func (w *world) shown(org registry.OrgID) *registry.Heartbeat {
	w.Helper()
	v, err := w.store.Org(w.Context(), registry.AsOperator(), org)
	w.ok(err)
	return v.Instance.Heartbeat
}

func (w *world) recorder() *Recorder {
	return NewRecorder(w.store, slog.New(slog.DiscardHandler), time.Now)
}

// poll runs a Poller over some instances until stop.
func (w *world) poll(r *Recorder, refs func() []provision.Ref) (p *Poller, stop func()) {
	p = &Poller{
		Attended: w, Serving: refs, Record: r, Counted: w.count, Every: 20 * time.Millisecond,
	}
	return p, w.run(p.Run)
}

func (w *world) run(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	return func() { cancel(); wg.Wait() }
}
