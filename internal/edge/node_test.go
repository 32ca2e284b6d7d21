package edge_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/control"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// network is a control plane that can be cut off.
type network struct {
	origin.Origin
	down     atomic.Bool
	noKeys   atomic.Int64 // so many times keys cannot be read
	keysRead func()       // is called once after keys were read, before they are used
	requests atomic.Int64 // that were reported
}

var errDown = errors.New("the network is down")

func (n *network) Head(ctx context.Context) (int64, error) {
	if n.down.Load() {
		return 0, errDown
	}
	return n.Origin.Head(ctx)
}

func (n *network) Changes(ctx context.Context, after int64, limit int) ([]registry.Change, error) {
	if n.down.Load() {
		return nil, errDown
	}
	return n.Origin.Changes(ctx, after, limit)
}

func (n *network) Route(ctx context.Context, slug string) (*registry.Route, error) {
	if n.down.Load() {
		return nil, errDown
	}
	return n.Origin.Route(ctx, slug)
}

func (n *network) Keys(ctx context.Context, purpose string) ([]registry.Key, error) {
	if n.down.Load() {
		return nil, errDown
	}
	if n.noKeys.Add(-1) >= 0 {
		return nil, errDown
	}
	keys, err := n.Origin.Keys(ctx, purpose)
	if f := n.keysRead; f != nil {
		n.keysRead = nil
		f()
	}
	return keys, err
}

func (n *network) Report(ctx context.Context, r origin.Report) error {
	if n.down.Load() {
		return errDown
	}
	for _, u := range r.Usage {
		n.requests.Add(u.Requests)
	}
	return n.Origin.Report(ctx, r)
}

// apart is a gateway that has nothing of the control plane but a network to it.
type apart struct {
	*testing.T
	store   registry.Store
	control *control.Control
	network *network
	metrics *edge.Metrics
	own     *token.Ring // of its assertions
	file    string      // the snapshot
	ids     *identity.Service
}

func newApart(t *testing.T) *apart {
	t.Helper()
	dir := t.TempDir()
	at, key := sqlite.File(filepath.Join(dir, "pizzeria.db")), controltest.NewKey(t)
	store, err := at.Open(key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	providers, err := provision.NewProviders(provision.Named{
		Name: "process", Provider: servertest.NewInstances(dir),
	})
	if err != nil {
		t.Fatal(err)
	}
	tunables := control.Tunables{
		Site: site, Providers: providers, Sessions: registry.DefaultLifetimes(),
	}
	a := &apart{T: t, metrics: edge.NewMetrics(), file: filepath.Join(dir, "snapshot.db")}
	a.control, err = control.New(control.Config{
		DataDir: dir, Location: at, Store: store, Master: key, Gateways: none{}, Metrics: control.NewMetrics(),
		Tunables: func() *control.Tunables { return &tunables }, Log: slog.New(slog.DiscardHandler),
		Now: time.Now, Announce: func(string, time.Time) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.control.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.store, a.ids = store, controltest.NewIdentity(t, store, key, time.Now)
	admitted, dismiss := a.control.Admit()
	t.Cleanup(dismiss)
	a.network = &network{Origin: admitted}
	a.own = token.NewRing(token.RingAssertion, new(memoryKeys), controltest.NewKey(t), time.Now, nil)
	return a
}

// none are no gateways.
type none struct{}

func (none) Connections(registry.SessionID) int { return 0 }
func (none) Busy(registry.OrgID) (int, int)     { return 0, 0 }
func (none) Open() registry.Open                { return registry.Open{} }
func (none) Contact() time.Time                 { return time.Time{} }

// memoryKeys is where a gateway keeps its own keys.
type memoryKeys struct {
	registry.KeyStore
	keys []registry.Key
}

func (m *memoryKeys) Keys(context.Context, registry.Actor, string) ([]registry.Key, error) {
	return m.keys, nil
}

func (m *memoryKeys) AddKey(_ context.Context, _ registry.Actor, k registry.Key) error {
	m.keys = append(m.keys, k)
	return nil
}

// node makes the gateway anew.
func (a *apart) node() *edge.Node {
	a.Helper()
	tokens := token.NewNode(a.network, a.own, a.control.Issuer().Site, time.Now)
	n, err := edge.New(edge.Config{
		Origin: a.network, Tokens: tokens, Keys: tokens, Snapshot: a.file, Remembered: 10,
		Seal: controltest.NewKey(a).Sealer("test"), Metrics: a.metrics,
		OfflineGrace: func() time.Duration { return time.Hour }, Lifetimes: registry.DefaultLifetimes,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		a.Fatal(err)
	}
	return n
}

// run runs a gateway until the function that it returns is called.
func (a *apart) run(n *edge.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	return func() {
		cancel()
		<-done
		if err := n.Close(); err != nil {
			a.Error(err)
		}
	}
}

// ask asks for a page of an org with a session, and returns the status and the assertion.
func (a *apart) ask(n *edge.Node, slug, session string) (int, string) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = slug + ".d.example"
	r.Header.Set("Authorization", "Bearer "+session)
	w := httptest.NewRecorder()
	st := n.Admit(w, r, registry.NewID, edge.Admission{})
	if st == nil || !n.Authenticate(w, r, st, registry.RoleMember, false) {
		return w.Code, ""
	}
	return w.Code, st.Assertion
}

// serving makes an org that is served, and an owner's session there.
func (a *apart) serving(slug string) (org registry.OrgID, session string) {
	a.Helper()
	ctx := a.Context()
	u, err := a.ids.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: slug + "@example.com", Name: "Ada"}, controltest.Password)
	if err != nil {
		a.Fatal(err)
	}
	o, err := a.store.CreateOrg(ctx, registry.AsOperator(), registry.NewOrg{Slug: slug, Name: slug, Owner: u.ID})
	if err != nil {
		a.Fatal(err)
	}
	lease, err := a.store.Acquire(ctx, registry.AsSystem("test"), o.ID, time.Minute)
	if err != nil {
		a.Fatal(err)
	}
	for _, state := range []registry.InstanceState{registry.InstanceStarting, registry.InstanceRunning} {
		r := registry.Report{State: state, Address: "unix//none"}
		if err := a.store.Report(ctx, registry.AsSystem("test"), lease, o.Generation, "test", r); err != nil {
			a.Fatal(err)
		}
	}
	l, err := a.ids.SignIn(ctx, u.Email, controltest.Password, identity.Client{})
	if err != nil {
		a.Fatal(err)
	}
	g, err := a.store.Grant(ctx, registry.AsSystem("test"), l.Session.ID, o.ID)
	if err != nil {
		a.Fatal(err)
	}
	if session, err = a.ids.SessionToken(g); err != nil {
		a.Fatal(err)
	}
	return o.ID, session
}

// TestNodeApart: a gateway that has no database and no secret of the control plane lets in who is
// signed in, by public keys, and signs assertions with a key of its own.
func TestNodeApart(t *testing.T) {
	t.Parallel()
	a := newApart(t)
	org, session := a.serving("acme")
	_, another := a.serving("globex")
	n := a.node()
	if err := n.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer a.run(n)()
	status, signed := a.ask(n, "acme", session)
	if status != 200 {
		t.Fatalf("its owner gets %d", status)
	}
	var c token.AssertionClaims
	if err := a.own.Verify(signed, token.TypAssertion, &c); err != nil || c.OrgID != org {
		t.Errorf("its own assertion: %+v %v", c, err)
	}
	if err := a.control.Issuer().Assertions.Verify(signed, token.TypAssertion, &c); err == nil {
		t.Error("it signs with a key of the control plane")
	}
	if status, _ := a.ask(n, "acme", another); status != 401 {
		t.Errorf("another org's session gets %d", status)
	}
	if _, err := n.Tokens.Session.Sign(token.TypSession, struct{}{}); err == nil {
		t.Error("it can make sessions")
	}
	for _, purpose := range []string{token.RingSession, token.RingAssertion, token.RingToken} {
		keys, err := a.network.Keys(t.Context(), purpose)
		if err != nil || len(keys) == 0 {
			t.Fatalf("%s: %d keys %v", purpose, len(keys), err)
		}
		for _, k := range keys {
			if len(k.Private) > 0 {
				t.Errorf("the control plane gives away a private key of %s", purpose)
			}
		}
	}
	if err := a.store.RevokeSession(t.Context(), registry.AsSystem("test"), claims(t, a, session).SessionID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a sign-out arrives", func() bool {
		status, _ := a.ask(n, "acme", session)
		return status == 401
	})
}

// TestNodeFollowsKeys: sessions of a new key get in, and after an emergency those of the old one do
// not.
func TestNodeFollowsKeys(t *testing.T) {
	t.Parallel()
	a := newApart(t)
	_, old := a.serving("acme")
	n := a.node()
	if err := n.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer a.run(n)()
	a.network.noKeys.Store(math.MaxInt32) // until the gateway has heard of it all
	a.revokeKeys()
	eventually(t, "it is told", func() bool {
		head, err := a.store.Head(t.Context(), registry.AsSystem("test"))
		return err == nil && n.Seq() == head
	})
	a.network.noKeys.Store(0)
	_, session := a.serving("globex")
	eventually(t, "the new key counts", func() bool {
		status, _ := a.ask(n, "globex", session)
		return status == 200
	})
	if status, _ := a.ask(n, "acme", old); status != 401 {
		t.Errorf("a session of the key that is gone gets %d", status)
	}
}

// TestKeysRevokedAtTheStart: a key that is revoked while a gateway starts is known to be.
func TestKeysRevokedAtTheStart(t *testing.T) {
	t.Parallel()
	a := newApart(t)
	_, old := a.serving("acme")
	n := a.node()
	a.network.keysRead = a.revokeKeys
	if err := n.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer a.run(n)()
	eventually(t, "a session of the key that is gone is refused", func() bool {
		status, _ := a.ask(n, "acme", old)
		return status == 401
	})
}

// revokeKeys replaces the keys of sessions in an emergency.
func (a *apart) revokeKeys() {
	a.Helper()
	if err := a.ids.RotateKeys(a.Context(), registry.AsOperator(), identity.Rotation{
		Ring: token.RingSession, Emergency: true,
	}); err != nil {
		a.Fatal(err)
	}
}

// TestNodeStartsWithoutTheControlPlane: from the snapshot it lets in who is signed in; without one it
// does not start. Once the control plane is back, it learns what it missed.
func TestNodeStartsWithoutTheControlPlane(t *testing.T) {
	t.Parallel()
	a := newApart(t)
	_, session := a.serving("acme")
	first := a.node()
	a.network.down.Store(true)
	if err := first.Start(t.Context(), nil); !errors.Is(err, errDown) {
		t.Errorf("without a snapshot: %v", err)
	}
	a.network.down.Store(false)
	if err := first.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	stop := a.run(first)
	eventually(t, "there is a snapshot", func() bool {
		_, err := os.Stat(a.file)
		return err == nil
	})
	stop()

	a.network.down.Store(true)
	if err := a.store.RevokeSession(t.Context(), registry.AsSystem("test"), claims(t, a, session).SessionID); err != nil {
		t.Fatal(err)
	}
	second := a.node()
	if err := second.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer a.run(second)()
	if status, _ := a.ask(second, "acme", session); status != 200 {
		t.Errorf("while nobody can know of the sign-out: %d", status)
	}
	a.network.down.Store(false)
	eventually(t, "the sign-out arrives", func() bool {
		status, _ := a.ask(second, "acme", session)
		return status == 401
	})
}

// TestNodeReports: what was counted while the control plane was away is told later, once.
func TestNodeReports(t *testing.T) {
	t.Parallel()
	a := newApart(t)
	org, _ := a.serving("acme")
	count := func(down bool) int64 {
		n := a.node()
		if err := n.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		a.metrics.Request(&registry.Route{OrgID: org, Status: registry.RouteServing}, 200, time.Millisecond)
		a.network.down.Store(down)
		a.run(n)()
		a.network.down.Store(false)
		return a.network.requests.Load()
	}
	if n := count(true); n != 0 {
		t.Errorf("%d requests are told to nobody", n)
	}
	if n := count(false); n != 2 {
		t.Errorf("%d requests of 2", n)
	}
	if n := count(false); n != 3 {
		t.Errorf("%d requests of 3", n)
	}
}

func claims(t *testing.T, a *apart, session string) (c token.SessionClaims) {
	t.Helper()
	if err := a.control.Issuer().Session.Verify(session, token.TypSession, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("it never happened that %s", what)
		case <-tick.C:
		}
	}
}
