package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/internal/usage"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// opened are gateways that have something open.
type opened struct {
	open    registry.Open
	contact time.Time
}

func (o opened) Connections(id registry.SessionID) int { return o.open.Streams[id] }

func (o opened) Busy(org registry.OrgID) (int, int) {
	return o.open.Orgs[org].Requests, o.open.Orgs[org].WebSockets
}

func (o opened) Open() registry.Open { return o.open }
func (o opened) Contact() time.Time  { return o.contact }

// lossyStore can lose reports, and be away.
type lossyStore struct {
	registry.Store
	lose, away atomic.Bool
}

func (s *lossyStore) ReportNode(ctx context.Context, a registry.Actor, r registry.NodeReport) error {
	if s.lose.Load() {
		return errors.New("cut")
	}
	return s.Store.ReportNode(ctx, a, r)
}

func (s *lossyStore) Ping(ctx context.Context) error {
	if s.away.Load() {
		return errors.New("away")
	}
	return s.Store.Ping(ctx)
}

// world is several nodes over one database, at a time that the test moves.
type world struct {
	*testing.T
	path string
	now  time.Time
}

func (w *world) clock() time.Time { return w.now }

func (w *world) node(name string, open registry.Open) *Control {
	w.Helper()
	store, err := sqlite.Open(w.Context(), w.path, new(identity.MasterKey), w.clock)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = store.Close() })
	log := slog.New(slog.DiscardHandler)
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		w.Fatal(err)
	}
	tunables := &Tunables{Site: site, OfflineGrace: time.Hour}
	lossy := &lossyStore{Store: store}
	none := func() *shared.Config { return nil }
	return &Control{
		store: lossy, usage: usage.New(store, log, w.clock), ended: make(chan struct{}),
		redis: shared.New(none, new(identity.MasterKey), shared.NewMetrics(), log),
		Config: Config{
			Node: name, Store: lossy, Log: log, Now: w.clock, Gateways: opened{open, w.now},
			Tunables: func() *Tunables { return tunables },
		},
	}
}

// turn is what a node does every few seconds.
func (w *world) turn(nodes ...*Control) {
	w.Helper()
	for range 2 { // the first hears of the last
		for _, c := range nodes {
			w.now = w.now.Add(time.Second)
			err := errors.Join(c.tellNode(w.Context(), c.Gateways.Open()), c.hearNodes(w.Context()))
			if err != nil {
				w.Fatal(err)
			}
		}
	}
}

// TestNodesShareCounts: what one node counts is shown by all, once, and what is open by all as long
// as that node says so.
func TestNodesShareCounts(t *testing.T) {
	w := &world{t, sqlitetest.File(t), time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)}
	acme, alice := registry.OrgID(registry.NewID()), registry.SessionID(registry.NewID())
	a := w.node("a", registry.Open{
		Orgs:    map[registry.OrgID]registry.OpenOfOrg{acme: {Requests: 2, WebSockets: 3}},
		Streams: map[registry.SessionID]int{alice: 4},
	})
	b := w.node("b", registry.Open{})
	nodes := []*Control{a, b}
	hour := func(c *Control) (of, all int64) {
		for _, p := range c.usage.Hour(acme) {
			of += p.Requests
		}
		for _, p := range c.usage.Hour("") {
			all += p.Requests
		}
		return of, all
	}
	report := func(c *Control, n int64) {
		t.Helper()
		err := (&node{c: c}).Report(t.Context(), origin.Report{
			Usage:   map[registry.OrgID]registry.Usage{acme: {Requests: n, Latency: [registry.LatencyBuckets]int64{n}}},
			Refused: map[registry.OrgID]int{acme: int(n)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	shown := func(want int64, by ...*Control) {
		t.Helper()
		w.now = w.now.Add(30 * time.Second) // the running point is not whole
		for _, c := range by {
			if of, all := hour(c); of != want || all != want {
				t.Errorf("node %s shows %d and %d requests, want %d", c.Node, of, all, want)
			}
		}
	}
	b.refused.watch(true)
	report(a, 10)
	report(b, 100)
	w.turn(nodes...)
	for _, c := range nodes {
		if requests, webSockets := c.busy(acme); requests != 2 || webSockets != 3 {
			t.Errorf("node %s: %d requests, %d WebSockets", c.Node, requests, webSockets)
		}
		if n := c.connections(alice); n != 4 {
			t.Errorf("node %s: %d connections", c.Node, n)
		}
	}
	shown(110, nodes...)
	if n := b.refused.take()[acme]; n != 110 {
		t.Errorf("%d refused requests where quotas are watched", n)
	}
	if n := len(a.refused.take()); n > 0 {
		t.Error("refused requests are collected where nobody takes them")
	}

	a.store.(*lossyStore).lose.Store(true)
	report(a, 1)
	if err := a.tellNode(t.Context(), a.Gateways.Open()); err == nil {
		t.Fatal("a lost report is told")
	}
	a.store.(*lossyStore).lose.Store(false)
	w.turn(nodes...)
	shown(111, nodes...)

	// A node that comes later knows the last hour; one that says nothing any more has nothing open.
	c := w.node("c", registry.Open{})
	w.turn(c)
	shown(111, c)
	w.now = w.now.Add(stateLife)
	w.turn(b)
	if requests, _ := b.busy(acme); requests != 0 || b.connections(alice) != 0 {
		t.Error("a node that ended has something open")
	}
	shown(111, nodes...)
}

// TestNodesShareUses: who uses an org at one node is not idle at another.
func TestNodesShareUses(t *testing.T) {
	w := &world{t, sqlitetest.File(t), time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)}
	a, b := w.node("a", registry.Open{}), w.node("b", registry.Open{})
	operator, system := registry.AsOperator(), registry.AsSystem("test")
	u, err := a.store.CreateUser(t.Context(), operator, registry.NewUser{Email: "a@example.com", Name: "A", PasswordHash: "h"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := a.store.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme", Name: "Acme", Owner: u.ID})
	if err != nil {
		t.Fatal(err)
	}
	err = a.store.SetSessionLifetimes(t.Context(), operator, o.ID, "", registry.Lifetimes{Idle: 600})
	if err != nil {
		t.Fatal(err)
	}
	s, err := a.store.CreateSession(t.Context(), system, registry.NewSession{User: u, Methods: "pwd"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // used at one node alone, for longer than a session may be idle
		w.now = w.now.Add(8 * time.Minute)
		if _, err := a.store.Grant(t.Context(), system, s.ID, o.ID); err != nil {
			t.Fatal(err)
		}
		w.turn(a, b)
	}
	if _, err := b.store.Grant(t.Context(), system, s.ID, o.ID); err != nil {
		t.Errorf("at the other node: %v", err)
	}
	w.now = w.now.Add(11 * time.Minute)
	w.turn(a, b)
	if _, err := b.store.Grant(t.Context(), system, s.ID, o.ID); registry.LackOf(err) != registry.LackRecent {
		t.Errorf("not used anywhere: %v", err)
	}
}

// TestReady: a server without the store is ready for those who are signed in; one of several nodes
// only for a moment, since the others may have it.
func TestReady(t *testing.T) {
	w := &world{t, sqlitetest.File(t), time.Now()}
	status := func(c *Control) int {
		rec := httptest.NewRecorder()
		c.serveReady(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return rec.Code
	}
	alone, one := w.node("", registry.Open{}), w.node("a", registry.Open{})
	want := func(ofAlone, ofOne int) {
		t.Helper()
		if a, o := status(alone), status(one); a != ofAlone || o != ofOne {
			t.Errorf("alone %d, one of several %d", a, o)
		}
	}
	want(200, 200)
	for _, c := range []*Control{alone, one} {
		c.store.(*lossyStore).away.Store(true)
	}
	want(200, 200)
	w.now = w.now.Add(nodeAway)
	want(200, 503)
	w.now = w.now.Add(time.Hour)
	want(503, 503)
	for _, c := range []*Control{alone, one} {
		c.store.(*lossyStore).away.Store(false)
	}
	want(200, 200)
	close(one.ended)
	want(200, 503)
}
