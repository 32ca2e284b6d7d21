package orgredis

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// world is a Redis, and what the store says.
type world struct {
	*testing.T
	server *redistest.Server
	admin  *redis.Client
	config *Config
	users  *Users
	log    *bytes.Buffer
	other  string

	mu   sync.Mutex
	work map[registry.OrgID]registry.Work
}

const installation = registry.InstallationID("0192f0c1-2345-7abc-8def-0123456789ab")

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	w := &world{T: t, server: redistest.Start(t, "--enable-debug-command", "yes"), log: new(bytes.Buffer), work: map[registry.OrgID]registry.Work{}}
	w.config = &Config{URL: w.server.Secured(t)}
	if change != nil {
		change(w.config)
	}
	w.admin = w.client(w.config.URL)
	w.users = w.process()
	return w
}

// process is what another process, or the next one, has.
func (w *world) process() *Users {
	u := New(Options{
		Config: func() *Config { return w.config }, Store: w,
		Installation: func() registry.InstallationID { return installation },
		Key:          new(identity.MasterKey), Metrics: NewMetrics(),
		Uses:  func(w registry.Work) bool { return w.OrgProvider == "" },
		Other: func(context.Context) string { return w.other },
		Log:   slog.New(slog.NewTextHandler(w.log, nil)),
	})
	w.Cleanup(u.forget)
	return u
}

func (w *world) client(url string) *redis.Client {
	w.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		w.Fatal(err)
	}
	o.MaxRetries = -1
	c := redis.NewClient(o)
	w.Cleanup(func() { _ = c.Close() })
	return c
}

// Work implements Store.
func (w *world) Work(context.Context, registry.Actor) (all []registry.Work, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.work {
		if i := one.Instance; i.Desired == registry.DesiredRunning || !i.Settled() {
			all = append(all, one)
		}
	}
	return all, nil
}

// WorkOn implements Store.
func (w *world) WorkOn(_ context.Context, _ registry.Actor, org registry.OrgID) (registry.Work, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one, ok := w.work[org]
	if !ok {
		return one, registry.Errorf(registry.CodeNotFound, "", "no such org")
	}
	return one, nil
}

func (w *world) says(org registry.OrgID, generation int64, desired registry.Desired, state registry.InstanceState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work[org] = registry.Work{Instance: registry.Instance{
		OrgID: org, Generation: generation, Desired: desired, State: state,
	}}
}

// start starts an instance, and returns how it reaches Redis.
func (w *world) start(org registry.OrgID, generation int64) (*redis.Client, Access) {
	w.Helper()
	w.says(org, generation, registry.DesiredRunning, registry.InstanceStarting)
	a, ok, err := w.users.Ensure(w.Context(), provision.Ref{OrgID: org, Generation: generation})
	if err != nil || !ok {
		w.Fatal(ok, err)
	}
	w.says(org, generation, registry.DesiredRunning, registry.InstanceRunning)
	return w.client(a.URL), a
}

func newOrg() registry.OrgID { return registry.OrgID(registry.NewID()) }

func (w *world) sweep() {
	w.Helper()
	if err := w.users.Sweep(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// must runs a command.
func (w *world) must(c *redis.Client, command string) any {
	w.Helper()
	v, err := c.Do(w.Context(), args(command)...).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // as the client returns it
		w.Fatalf("%s: %v", command, err)
	}
	return v
}

// refused fails unless a command is refused for a reason.
func (w *world) refused(c *redis.Client, command, reason string) {
	w.Helper()
	v, err := c.Do(w.Context(), args(command)...).Result()
	if err == nil || !strings.Contains(err.Error(), reason) {
		w.Errorf("%s: %v, %v, want %s", command, v, err, reason)
	}
}

func args(command string) (all []any) {
	for word := range strings.FieldsSeq(command) {
		all = append(all, strings.ReplaceAll(word, "+", " "))
	}
	return all
}

// has are the names of users and keys of ours in Redis.
func (w *world) has() (all []string) {
	w.Helper()
	c := w.admin
	names, err := c.Do(w.Context(), "ACL", "USERS").StringSlice()
	if err != nil {
		w.Fatal(err)
	}
	keys, err := c.Keys(w.Context(), "*").Result()
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range append(names, keys...) {
		if n != "admin" && n != "default" {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}
