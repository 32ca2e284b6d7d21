package controltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/settings"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/internal/webhook"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// Password is every account's.
const Password = "correct horse battery"

// Server is a control plane without instances. Its domain is d.example.
type Server struct {
	testing.TB
	Store    *sqlite.Store
	Identity *identity.Service
	Settings *settings.Service
	Webhooks *webhook.Sender
	Handler  http.Handler
	Clock    *Clock
	Path     string        // of the database
	Ended    chan struct{} // close it to end streams
	Log      *Buffer       // what was logged
	KeyUse   Counts        // of API keys, by kind and result

	// EnrollAtApp answers for the instance of an org.
	EnrollAtApp func(context.Context, registry.Runner) (map[string]string, error)

	Outdated map[registry.OrgID]int64 // generations that keep an earlier configuration
	Image    string                   // that instances run
	Memory   int64                    // that is counted for each instance; 0: as it says
	Schema   registry.Schema          // what orgs may set; change it before the first request
}

// count stands in for the machine of an instance.
func (s *Server) count(i *registry.Instance) {
	if s.Memory > 0 && i.Heartbeat != nil {
		h := *i.Heartbeat
		h.Memory, i.Heartbeat = s.Memory, &h
	}
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		TB: t, Clock: &Clock{at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)},
		Ended: make(chan struct{}), Log: &Buffer{},
		Path: sqlitetest.File(t),
	}
	log := slog.New(slog.NewTextHandler(s.Log, nil))
	key := NewKey(t)
	var err error
	if s.Store, err = sqlite.Open(t.Context(), s.Path, key, s.Clock.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Store.Close() })
	s.Identity = NewIdentity(t, s.Store, key, s.Clock.Now)
	s.Settings = &settings.Service{
		Store: s.Store, Sealer: s.Identity, Schema: func() registry.Schema { return s.Schema },
	}
	s.Webhooks = webhook.New(s.Store, s.Identity, log, s.Clock.Now,
		func() []netip.Prefix { return nil })
	ended := func() <-chan struct{} { return s.Ended }
	logs := func(context.Context, registry.OrgID, int, bool) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("one line\n")), nil
	}
	counts := usage.New(s.Store, log, s.Clock.Now)
	capacity := func() usage.Capacity { return usage.Capacity{} }
	const isolation = "there are no instances"
	outdated := func() map[registry.OrgID]int64 { return s.Outdated }
	image := func(registry.OrgID, int64) string { return s.Image }
	connections := func(registry.SessionID) int { return 0 }
	quotas := &usage.Quotas{
		Store: s.Store, Recorder: counts,
		Busy: func(registry.OrgID) (int, int) { return 0, 0 },
		Use:  func(context.Context, registry.OrgID) map[registry.LimitName]float64 { return nil },
		Enforces: func(context.Context, registry.OrgID) (func(registry.LimitName) bool, error) {
			return func(registry.LimitName) bool { return false }, nil
		},
	}
	mux := http.NewServeMux()
	pages := &console.Console{
		Store: s.Store, Identity: s.Identity, Log: log, Now: s.Clock.Now,
		Isolation: func(string) string { return isolation }, Ended: ended,
		Settings: s.Settings, Webhooks: s.Webhooks, Usage: counts, Quotas: quotas, Capacity: capacity,
		Connections: connections, Outdated: outdated, Image: image, Count: s.count,
		Logs: logs,
		Operator: func() console.Operator {
			return console.Operator{Sessions: registry.DefaultLifetimes(), Schema: s.Schema}
		},
	}
	(&api.API{
		Store: s.Store, Identity: s.Identity, Log: log, Ended: ended, Logs: logs,
		Settings: s.Settings,
		Webhooks: s.Webhooks, Usage: counts, Quotas: quotas, Capacity: capacity,
		Isolation:   func() string { return isolation },
		Providers:   func() api.Providers { return providers{} },
		Connections: connections, Outdated: outdated, Image: image, Count: s.count, KeyUsed: s.KeyUse.count, Page: pages.Problem,
		Metrics:     func(context.Context, registry.OrgID) ([]byte, error) { return []byte("up 1\n"), nil },
		Attended:    func(context.Context) ([]registry.OrgID, error) { return nil, nil },
		Environment: environment,
		EnrollAtApp: func(ctx context.Context, r registry.Runner) (map[string]string, error) {
			return s.EnrollAtApp(ctx, r)
		},
	}).Register(mux)
	if err = pages.Register(mux); err != nil {
		t.Fatal(err)
	}
	s.Handler = mux
	return s
}

// NewKey makes a secret key.
func NewKey(t testing.TB) *identity.MasterKey {
	t.Helper()
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	k, err := identity.ParseMasterKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// NewIdentity makes an identity service over a store.
func NewIdentity(
	t testing.TB, store identity.Store, key *identity.MasterKey, now func() time.Time,
) *identity.Service {
	t.Helper()
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ids := identity.New(store, key, func() token.Site { return site }, log, now)
	if err := ids.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ids
}

// Counts counts what has two labels.
type Counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *Counts) count(a, b string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[a+" "+b]++
}

// All are the counts so far, by both labels with a space between.
func (c *Counts) All() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.of)
}

// Clock is a time that only its test moves.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Buffer is a bytes.Buffer for several goroutines.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// environment is that of an instance which runs elsewhere.
func environment(_ context.Context, org registry.OrgID) (api.InstanceEnvironment, error) {
	return api.InstanceEnvironment{
		Values:  map[string]string{"PIZZERIA_ORG_ID": string(org), "PIZZERIA_INSTANCE_TOKEN": "pzi_x"},
		Secrets: []string{"PIZZERIA_INSTANCE_TOKEN"}, Withheld: []string{},
	}, nil
}

// providers are two with a place in common, and one apart.
type providers struct{}

func (providers) Names() []string { return []string{"process", "large", "elsewhere"} }

func (providers) Share(from, to string) bool {
	return from == to || from != "elsewhere" && to != "elsewhere"
}
