package provision

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func (e *env) head() int64 {
	e.Helper()
	n, err := e.s.Head(context.Background(), self)
	e.ok(err)
	return n
}

func degraded(i registry.Instance) bool { return i.State == registry.InstanceDegraded }

// TestUnresponsive: an instance that hangs is degraded after three misses, still
// gets requests, and is replaced after a minute. The change feed hears of that alone.
func TestUnresponsive(t *testing.T) {
	bubble(t, func(e *env) {
		var failures tally
		org := e.org("acme")
		defer e.run(failures.into)()
		e.running(org, time.Minute)
		pass(2 * time.Minute)
		head := e.head()
		e.w.hang(org, true)
		began := time.Now()
		i := e.await("it is degraded", time.Minute, org, degraded)
		if took := time.Since(began); took < 20*time.Second || took > 40*time.Second {
			e.Errorf("degraded after %s", took)
		}
		if i.Detail != "it missed 3 health checks in a row: no answer within 5s" || i.Generation != 1 || i.Address == "" || e.head() != head+1 {
			e.Errorf("%+v, %d changes", i, e.head()-head)
		}
		if r, err := e.s.Route(context.Background(), self, "acme"); err != nil || r.Status != registry.RouteServing {
			e.Errorf("%+v %v", r, err)
		}
		began = time.Now()
		pass(50 * time.Second)
		if e.head() != head+1 {
			e.Errorf("%d changes while nothing changes", e.head()-head)
		}
		i = e.running(org, 30*time.Second)
		if took := time.Since(began); took < 59*time.Second || took > 80*time.Second {
			e.Errorf("restarted after %s", took)
		}
		if i.Generation != 2 || i.Failures != 1 || !slices.Equal(e.w.generations(org), []int64{2}) || failures.of(FailureUnresponsive) != 1 {
			e.Errorf("%+v, running %v, counted %v", i, e.w.generations(org), failures.n)
		}
	})
}

// TestUnresponsiveAgain: an instance that hangs whenever it runs is restarted less and less often.
func TestUnresponsiveAgain(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		began := time.Now()
		defer e.run(checked)()
		for range 600 {
			e.w.hang(org, e.instance(org).State.Serves())
			pass(time.Second) // of the bubble's time
		}
		at := e.w.spawned(org, began)
		if len(at) < 6 || len(at) > 20 {
			e.Fatalf("%d starts: %v", len(at), at)
		}
		g := gaps(at)
		for n, gap := range g {
			if n > 0 && gap < registry.RetryDelay(n+1) {
				e.Errorf("start %d after %s: %v", n+2, gap, g)
			}
		}
	})
}

// TestRecovers: an instance that answers again in time is left alone.
func TestRecovers(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		defer e.run()()
		e.running(org, time.Minute)
		head := e.head()
		e.w.hang(org, true)
		e.await("it is degraded", time.Minute, org, degraded)
		pass(20 * time.Second)
		e.w.hang(org, false)
		i := e.running(org, 20*time.Second)
		pass(10 * time.Minute)
		if again := e.instance(org); again.Generation != 1 || again.Failures != 0 || !again.ChangedAt.Equal(i.ChangedAt) || e.head() != head+2 {
			e.Errorf("%+v, %d changes", again, e.head()-head)
		}
	})
}

// TestHealthOptions: what the operator turns off does not happen; what is changed counts at once.
func TestHealthOptions(t *testing.T) {
	bubble(t, func(e *env) {
		var h atomic.Pointer[Health]
		off := DefaultHealth()
		off.Interval = -1
		h.Store(&off)
		org := e.org("acme")
		defer e.run(func(c *Config) { c.Health = func() Health { return *h.Load() } })()
		e.running(org, time.Minute)
		e.w.hang(org, true)
		pass(10 * time.Minute)
		if i := e.instance(org); i.State != registry.InstanceRunning {
			e.Fatalf("without checks: %+v", i)
		}
		lenient := DefaultHealth()
		lenient.Failures, lenient.RestartAfter = 5, -1
		h.Store(&lenient)
		began := time.Now()
		e.await("it is degraded", 2*time.Minute, org, degraded)
		if took := time.Since(began); took < 35*time.Second {
			e.Errorf("degraded after %s, want 5 misses", took)
		}
		pass(10 * time.Minute)
		if i := e.instance(org); i.Generation != 1 || !degraded(i) {
			e.Errorf("without restarts: %+v", i)
		}
		standard := DefaultHealth()
		h.Store(&standard)
		if i := e.running(org, time.Minute); i.Generation != 2 {
			e.Errorf("%+v", i)
		}
	})
}

// TestDegradedOutlivesTheReconciler: the next one restarts it as soon as it has seen
// for itself that it hangs.
func TestDegradedOutlivesTheReconciler(t *testing.T) {
	bubble(t, func(e *env) {
		org := e.org("acme")
		stop := e.run()
		e.running(org, time.Minute)
		e.w.hang(org, true)
		e.await("it is degraded", time.Minute, org, degraded)
		stop()
		pass(10 * time.Minute)
		began := time.Now()
		defer e.run()()
		if i := e.running(org, time.Minute); i.Generation != 2 || time.Since(began) < 15*time.Second {
			e.Errorf("%+v after %s", i, time.Since(began))
		}
	})
}

// TestManyHang: many that hang do not pile up checks, and all get their turn.
func TestManyHang(t *testing.T) {
	bubble(t, func(e *env) {
		c := Config{Store: e.s, Providers: one(e.w), Dial: e.w.dial, Log: slog.New(slog.DiscardHandler), Now: time.Now}
		r := NewReconciler(c)
		const n = 300
		refs := make([]Ref, n)
		for i := range refs {
			refs[i] = Ref{registry.OrgID(fmt.Sprintf("org-%d", i)), 1}
			e.w.running[refs[i]] = &instance{hung: i%10 != 0}
			r.watch.add("fake", refs[i], Observed{Address: address(refs[i])})
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); r.watch.run(ctx) }()
		pass(5 * time.Minute)
		cancel()
		<-done
		for i, ref := range refs {
			v, ok := r.watch.verdict(ref)
			if !ok || v.healthy != (i%10 == 0) || !v.healthy && v.misses < 2 {
				e.Fatalf("%v: %+v %v", ref, v, ok)
			}
		}
		e.w.mu.Lock()
		defer e.w.mu.Unlock()
		if most := 2 * checks; e.w.most > most { // a connection may outlive its check by a moment
			e.Errorf("%d connections at once, want at most %d", e.w.most, most)
		}
	})
}

// TestChecksAreSpread: instances that are found together are not asked together.
func TestChecksAreSpread(t *testing.T) {
	bubble(t, func(e *env) {
		r := NewReconciler(Config{Store: e.s, Providers: one(e.w), Dial: e.w.dial, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		for i := range 1000 {
			r.watch.add("fake", Ref{registry.OrgID(fmt.Sprintf("org-%d", i)), 1}, Observed{Address: "x"})
		}
		second := map[int]int{}
		for _, s := range r.watch.all {
			second[int(time.Until(s.due).Seconds())]++
		}
		for at := range 10 {
			if second[at] < 50 || second[at] > 200 {
				e.Errorf("%d checks in second %d", second[at], at)
			}
		}
	})
}

// TestChecker: only 200 within the time counts, over TCP and over Unix sockets.
func TestChecker(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { // its body is not read
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	})
	c := newChecker(new(net.Dialer).DialContext) // not Providers.Dial: this process is the instance
	defer c.close()
	for network, listen := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"} {
		l, err := net.Listen(network, listen)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: mux}
		go func() { _ = srv.Serve(l) }()
		defer func() { _ = srv.Close() }()
		addr := l.Addr().String()
		if network == "unix" {
			addr = "unix/" + addr
		}
		for path, want := range map[string]string{
			"/ok": "", "/endless": "", "/elsewhere": "302", "/broken": "500", "/nosuch": "404", "/slow": "no answer within",
		} {
			err := c.check(t.Context(), path, addr, time.Second)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v, want %q", network, path, err, want)
			}
		}
	}
	if err := c.check(t.Context(), "/ok", "unix//no/such/socket", time.Second); err == nil {
		t.Error("nobody answers, and that is healthy")
	}
}
