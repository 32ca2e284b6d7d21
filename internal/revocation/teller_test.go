package revocation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

var operator = registry.AsOperator()

// world is a registry, and agents of its instances.
type world struct {
	*testing.T
	store *sqlite.Store

	mu     sync.Mutex
	agents map[provision.Ref]string // sockets
	counts map[string]int           // by result
	told   map[provision.Ref][]registry.Revocation
	change chan struct{} // closed at the next of either
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlitetest.File(t), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &world{
		T: t, store: s, agents: map[provision.Ref]string{}, counts: map[string]int{},
		told: map[provision.Ref][]registry.Revocation{}, change: make(chan struct{}),
	}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// org makes an org with two owners. Its instance runs.
func (w *world) org(slug string) (ref provision.Ref, people []registry.User) {
	w.Helper()
	o, err := w.store.CreateOrg(w.Context(), operator, registry.NewOrg{Slug: slug})
	w.ok(err)
	for _, name := range []string{"ada", "bob"} {
		u, err := w.store.CreateUser(w.Context(), operator, registry.NewUser{
			Email: name + "@" + slug + ".example", Name: name, PasswordHash: "x",
		})
		w.ok(err)
		secret := registry.Hash([]byte(strings.Repeat(slug+name, 32)[:32]))
		_, err = w.store.CreateInvite(w.Context(), operator, o.ID, u.Email, registry.RoleOwner, secret)
		w.ok(err)
		_, err = w.store.AcceptInvite(w.Context(), registry.AsUser(u, "", ""), secret)
		w.ok(err)
		people = append(people, u)
	}
	return w.runs(provision.Ref{OrgID: o.ID, Generation: 1}), people
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

func (w *world) remove(ref provision.Ref, u registry.User) {
	w.Helper()
	_, err := w.store.RemoveMember(w.Context(), operator, ref.OrgID, u.ID, registry.MemberRemoval{})
	w.ok(err)
}

// agent serves an agent's socket. serve returns the status that it answers with; 204 is the end.
func (w *world) agent(ref provision.Ref, serve func(context.Context) int) {
	w.Helper()
	path := filepath.Join(w.TempDir(), "a.sock")
	var listen net.ListenConfig
	l, err := listen.Listen(w.Context(), "unix", path)
	w.ok(err)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(
		rw http.ResponseWriter, r *http.Request,
	) {
		var v registry.Revocation
		if json.NewDecoder(r.Body).Decode(&v) != nil {
			w.Error("no revocation")
		}
		status := serve(r.Context())
		w.note(func() {
			if status == http.StatusNoContent {
				w.told[ref] = append(w.told[ref], v)
			}
		})
		rw.WriteHeader(status)
	})}
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

func takes(context.Context) int { return http.StatusNoContent }

func (w *world) note(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
	close(w.change)
	w.change = make(chan struct{})
}

// Revoke implements provision.Attended.
func (w *world) Revoke(ctx context.Context, ref provision.Ref, v provision.Revocation) error {
	w.mu.Lock()
	path := w.agents[ref]
	w.mu.Unlock()
	if path == "" {
		return errors.ErrUnsupported
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(
		ctx context.Context, _, _ string,
	) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/revoke",
		strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusNoContent {
		return errors.New(res.Status)
	}
	return nil
}

// Heartbeat implements provision.Attended.
func (w *world) Heartbeat(context.Context, provision.Ref) (provision.Heartbeat, error) {
	return provision.Heartbeat{}, errors.ErrUnsupported
}

// Metrics implements provision.Attended.
func (w *world) Metrics(context.Context, provision.Ref) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

// await waits until something is so.
func (w *world) await(what string, is func() bool) {
	w.Helper()
	late := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		so, change := is(), w.change
		w.mu.Unlock()
		if so {
			return
		}
		select {
		case <-change:
		case <-late:
			w.Fatalf("%s: counted %v, told %v", what, w.counts, w.told)
		}
	}
}

// knows reports whether an instance was told of somebody.
func (w *world) knows(ref provision.Ref, id registry.UserID) func() bool {
	return func() bool {
		return slices.ContainsFunc(w.told[ref], func(v registry.Revocation) bool {
			return slices.Contains(v.Users, id)
		})
	}
}

// start runs a Teller, as a control plane does.
func (w *world) start(change ...func(*Teller)) (stop func()) {
	t := New(w.store, w, func(result string) {
		w.note(func() { w.counts[result]++ })
	}, slog.New(slog.DiscardHandler))
	for _, f := range change {
		f(t)
	}
	f := registry.NewFollower(
		registry.FeedFor(w.store, system), slog.New(slog.DiscardHandler), time.Now, t,
	)
	ctx, cancel := context.WithCancel(w.Context())
	var wg sync.WaitGroup
	wg.Go(func() { f.Run(ctx) })
	wg.Go(func() { t.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

// TestTell: an agent is told once, and only of its own org's people.
func TestTell(t *testing.T) {
	w := newWorld(t)
	acme, people := w.org("acme")
	globex, others := w.org("globex")
	w.agent(acme, takes)
	w.agent(globex, takes)
	defer w.start()()
	w.remove(acme, people[0])
	w.await("acme is told", w.knows(acme, people[0].ID))
	w.remove(globex, others[0])
	w.await("globex is told", w.knows(globex, others[0].ID))
	w.await("that is counted", func() bool { return w.counts[ResultOK] >= 2 })
	if list, err := w.store.UntoldInstances(t.Context(), system); err != nil || len(list) != 0 {
		t.Errorf("yet to be told: %v %v", list, err)
	}
	if w.knows(globex, people[0].ID)() || w.knows(acme, others[0].ID)() {
		t.Errorf("told of others: %v", w.told)
	}
}

// TestManyGone: an instance is told at once that all of them are revoked, and of a few at a time that
// they are gone, until it knows of all.
func TestManyGone(t *testing.T) {
	w := newWorld(t)
	acme, _ := w.org("acme")
	const many = 2*goneMax + 3
	for i := range many {
		u, err := w.store.CreateUser(t.Context(), operator, registry.NewUser{
			Email: fmt.Sprintf("u%d@acme.example", i), Name: "U", PasswordHash: "x",
		})
		w.ok(err)
		secret := registry.Hash([]byte(fmt.Sprintf("%032d", i)))
		_, err = w.store.CreateInvite(t.Context(), operator, acme.OrgID, u.Email, registry.RoleMember, secret)
		w.ok(err)
		_, err = w.store.AcceptInvite(t.Context(), registry.AsUser(u, "", ""), secret)
		w.ok(err)
		w.remove(acme, u)
	}
	w.agent(acme, takes)
	defer w.start()()
	gone := map[registry.UserID]bool{}
	w.await("it knows all", func() bool {
		for _, v := range w.told[acme] {
			for _, id := range v.GoneUsers {
				gone[id] = true
			}
			if len(v.GoneUsers) > goneMax {
				t.Errorf("told of %d at once", len(v.GoneUsers))
			}
		}
		return len(gone) == many
	})
	if n := len(w.told[acme][0].Users); n < many {
		t.Errorf("first told of %d", n)
	}
	w.await("each round is counted", func() bool { return w.counts[ResultOK] == len(w.told[acme]) })
	if list, err := w.store.Untold(t.Context(), system, acme.OrgID); err != nil || len(list) != 0 {
		t.Errorf("yet to be told: %v %v", list, err)
	}
}

// TestTellAgain: until an agent takes it, over restarts of the control plane and of the instance.
func TestTellAgain(t *testing.T) {
	w := newWorld(t)
	acme, people := w.org("acme")
	w.agent(acme, func(context.Context) int { return http.StatusInternalServerError })
	stop := w.start()
	w.remove(acme, people[0])
	w.await("it fails, twice", func() bool { return w.counts[ResultFailed] >= 2 })
	stop()
	failed := w.counts[ResultFailed]
	w.ok(w.store.RestartInstance(t.Context(), operator, acme.OrgID, 0))
	next := w.runs(provision.Ref{OrgID: acme.OrgID, Generation: 2})
	w.agent(next, takes)
	defer w.start()()
	w.await("the next one is told", w.knows(next, people[0].ID))
	if w.counts[ResultFailed] != failed {
		t.Error("the old one was told again")
	}
}

// TestNoAgent: an instance without an agent is not told for ever.
func TestNoAgent(t *testing.T) {
	w := newWorld(t)
	acme, people := w.org("acme")
	defer w.start()()
	w.remove(acme, people[0])
	w.await("it has none", func() bool { return w.counts[ResultNone] >= 1 })
	if list, err := w.store.Untold(t.Context(), system, acme.OrgID); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

// TestHangingAgentsKeepNobodyWaiting: also while they are told again.
func TestHangingAgentsKeepNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	hanging, people := w.org("hanging")
	good, others := w.org("good")
	hangs := make(chan struct{})
	once := sync.OnceFunc(func() { close(hangs) })
	w.agent(hanging, func(ctx context.Context) int { once(); <-ctx.Done(); return 500 })
	w.agent(good, takes)
	stop := w.start(func(t *Teller) { t.patience = time.Hour })
	w.remove(hanging, people[0])
	<-hangs
	w.remove(good, others[0])
	w.await("the other is told", w.knows(good, others[0].ID))
	stop()
	if list, err := w.store.Untold(t.Context(), system, hanging.OrgID); err != nil || len(list) != 1 {
		t.Errorf("forgotten: %v %v", list, err)
	}
}

// TestFailedOnesHavePlacesOfTheirOwn: those that failed wait for each other, and for nobody else.
func TestFailedOnesHavePlacesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	failed, people := w.org("failed")
	good, others := w.org("good")
	w.agent(failed, takes)
	w.agent(good, takes)
	w.remove(failed, people[0])
	w.remove(good, others[0])
	var full chan struct{}
	defer w.start(func(t *Teller) {
		t.telling[failed] = &attempt{failures: 1}
		full = t.slowFree
		for range cap(full) {
			full <- struct{}{}
		}
	})()
	w.await("the other is told", w.knows(good, others[0].ID))
	w.await("that is counted", func() bool { return w.counts[ResultOK] == 1 })
	<-full
	w.await("so is the one that failed", w.knows(failed, people[0].ID))
}
