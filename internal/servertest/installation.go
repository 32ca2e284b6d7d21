package servertest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/internal/wire"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// Installation is a whole installation in the test's process: control plane and gateway behind
// net/http on a listener in memory, and the sample app as every org's instance. Its domain is
// d.example, the time is the real one, and there is no Caddy.
type Installation struct {
	testing.TB
	Instances *Instances
	Log       *controltest.Buffer // what was logged
	Dir       string              // the data directory

	runtime  *runtime.Runtime
	gateway  *runtime.Runtime // the same, or one apart
	apart    bool
	tunables runtime.Tunables
	listener *memory
	server   *http.Server
	served   chan struct{}
	proxy    *httputil.ReverseProxy
	setup    string // the set-up link
}

// Start runs an installation that ends with the test. change may be nil.
func Start(t testing.TB, change func(*runtime.Tunables)) *Installation {
	t.Helper()
	return start(t, change, false)
}

// StartApart is Start with a gateway that has nothing of the control plane but its origin.
func StartApart(t testing.TB, change func(*runtime.Tunables)) *Installation {
	t.Helper()
	return start(t, change, true)
}

func start(t testing.TB, change func(*runtime.Tunables), apart bool) *Installation {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pz") // in memory, and short: Unix sockets lie below it
	if err != nil {
		dir, err = os.MkdirTemp("/tmp", "pz")
	}
	if err != nil {
		t.Fatal(err)
	}
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	i := &Installation{
		TB: t, Instances: NewInstances(dir), Log: &controltest.Buffer{}, Dir: filepath.Join(dir, "data"),
		apart: apart,
	}
	providers, err := provision.NewProviders(provision.Named{
		Name: i.Instances.Name(), Provider: i.Instances,
	})
	if err != nil {
		t.Fatal(err)
	}
	health := provision.DefaultHealth()
	i.tunables = runtime.Tunables{
		Site: site, OfflineGrace: time.Hour, Health: health, Providers: providers,
	}
	if change != nil {
		change(&i.tunables)
	}
	if _, err := identity.CreateMasterKey(i.secretKey()); err != nil {
		t.Fatal(err)
	}
	sqlitetest.Write(t, i.database()) // migrations take longer than most tests
	t.Cleanup(func() {
		if err := errors.Join(i.Stop(), i.Instances.end(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", i.Log)
		}
	})
	i.Run()
	return i
}

func (i *Installation) database() string  { return filepath.Join(i.Dir, "pizzeria.db") }
func (i *Installation) secretKey() string { return filepath.Join(i.Dir, "secret.key") }

// Run starts the server again after Stop, with the data that it left.
func (i *Installation) Run() {
	i.Helper()
	i.runtime = runtime.New(runtime.Config{
		DataDir: i.Dir, Store: sqlite.File(i.database()),
		SecretKey: i.secretKey(), Routes: 1000,
		Log:      slog.New(slog.NewTextHandler(i.Log, nil)),
		Announce: func(link string, _ time.Time) { i.setup = link }, NoGateway: i.apart,
	})
	if err := i.runtime.Attach(i.Context(), i, i.tunables); err != nil {
		i.Fatal(err)
	}
	if i.gateway = i.runtime; i.apart {
		i.gateway = i.runGateway()
	}
	direct := &edge.Direct{
		Dial: dialInstance, Idle: 8, IdleTimeout: time.Minute, HeaderBytes: edge.DefaultHeaderLimit,
	}
	ways := &edge.Transports{
		Direct: direct, HeaderBytes: edge.DefaultHeaderLimit, CookieBytes: edge.DefaultCookieBytes,
		HTTP: edge.Guarded{
			RoundTripper: &http.Transport{
				DialContext: edge.GuardDial(dialInstance, edge.DefaultHeaderLimit), DisableCompression: true,
			},
			HeaderBytes: edge.DefaultHeaderLimit,
		},
	}
	i.proxy = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetXForwarded(); r.Out.URL.Scheme = "http" },
		Transport:     roundTripper{i.gateway, ways},
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !i.gateway.Gateway().Unanswered(w, r, stateOf(r.Context()), err, http.StatusBadGateway) {
				w.WriteHeader(http.StatusBadGateway)
			}
		},
	}
	i.listener, i.served = newMemory(), make(chan struct{})
	i.server = &http.Server{
		Handler: i, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(i.Log, nil), slog.LevelDebug),
	}
	listener, server, served := i.listener, i.server, i.served
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
}

// Stop ends the server; instances go on.
func (i *Installation) Stop() error {
	if i.server == nil {
		return nil
	}
	var err error
	if i.apart {
		err = i.gateway.Destruct()
	}
	err = errors.Join(err, i.runtime.Destruct()) // ends streams
	err = errors.Join(err, i.server.Close())
	<-i.served
	i.server = nil
	return err
}

// Rekey gives the installation, which is stopped, another secret key.
func (i *Installation) Rekey() {
	i.Helper()
	_, err := runtime.Rekey(i.Context(), i.Dir, sqlite.File(i.database()), i.secretKey(), "")
	if err != nil {
		i.Fatal(err)
	}
}

// ServeHTTP stands in for the Caddyfile's two sites.
func (i *Installation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	site := i.tunables.Site
	if r.Host == strings.TrimPrefix(site.Issuer, "https://") {
		if wire.Admit(w, r, site.Issuer) {
			ctx := wire.WithRequest(r.Context(), registry.NewID(), address)
			i.runtime.Handler().ServeHTTP(w, r.WithContext(ctx))
		}
		return
	}
	g, began := i.gateway.Gateway(), time.Now()
	st := g.Admit(w, r, registry.NewID, edge.Admission{Hold: 10 * time.Second})
	if st == nil {
		i.gateway.Requests().Request(nil, 0, time.Since(began))
		return
	}
	defer func() { i.gateway.Requests().Request(st.Route, http.StatusOK, time.Since(began)) }()
	st.Begin(http.NewResponseController(w))
	defer st.End()
	if g.Authenticate(w, r, st, registry.RoleRunner, false) {
		i.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), stateKey{}, st)))
	}
}

type stateKey struct{}

func stateOf(ctx context.Context) *edge.State {
	st, _ := ctx.Value(stateKey{}).(*edge.State)
	return st
}

// roundTripper passes requests on as the gateway does.
type roundTripper struct {
	runtime *runtime.Runtime
	ways    *edge.Transports
}

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	st := stateOf(r.Context())
	for {
		res, err := t.runtime.Gateway().RoundTrip(st, r, t.ways)
		var dial *net.OpError
		if err == nil || !errors.As(err, &dial) || dial.Op != "dial" ||
			!t.runtime.Gateway().Again(r.Context(), st) {
			return res, err
		}
	}
}

// dialInstance dials the instance of a request's org.
func dialInstance(ctx context.Context, _, _ string) (net.Conn, error) {
	return sockets.Dial(ctx, strings.TrimPrefix(stateOf(ctx).Route.Address, "unix/"))
}
