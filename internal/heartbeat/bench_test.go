//go:build unix

package heartbeat

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

var benchFor = flag.Duration("for", 30*time.Second, "how long each benchmark of heartbeats runs")

const (
	benchInstances = 10_000
	benchSockets   = 100 // that agents share, and connections of those that push
	asChild        = "PIZZERIA_HEARTBEAT_CHILD"
)

// TestMain lets a benchmark have the other side in a process of its own, whose time does not count.
func TestMain(m *testing.M) {
	switch kind, where := os.Getenv(asChild), os.Getenv("WHERE"); kind {
	case "agents":
		benchAgents(where)
	case "pushers":
		benchPushers(where)
	default:
		os.Exit(m.Run())
	}
}

// BenchmarkHeartbeats says how much of one core 10,000 instances cost that each have a heartbeat
// every 10 s, on SQLite: go test ./internal/heartbeat -run '^$' -bench Heartbeats -benchtime 1x
func BenchmarkHeartbeats(b *testing.B) {
	b.Run("store", func(b *testing.B) {
		_, r := benchStore(b)
		measure(b, r, func(ctx context.Context) {
			paced(ctx, benchInstances, registry.HeartbeatEvery, func(i int) {
				r.Add(benchBeat(benchRef(i)))
			})
		})
	})
	b.Run("poll", func(b *testing.B) {
		_, r := benchStore(b)
		dir := b.TempDir()
		child(b, "agents", dir)
		refs := make([]provision.Ref, benchInstances)
		for i := range refs {
			refs[i] = benchRef(i)
		}
		p := &Poller{
			Attended: &benchAttended{dir: dir}, Record: r, Counted: new(benchCounter).count(b),
			Serving: func() []provision.Ref { return refs },
		}
		measure(b, r, p.Run)
	})
	b.Run("push", func(b *testing.B) {
		store, r := benchStore(b)
		push := &Push{
			Store: store, Tokens: NewTokens(new(identity.MasterKey)), Record: r,
			Counted: new(benchCounter).count(b), Issuer: func() string { return issuer },
			Log: slog.New(slog.DiscardHandler), Now: time.Now,
		}
		mux := http.NewServeMux()
		mux.Handle(Pattern, push)
		var listen net.ListenConfig
		l, err := listen.Listen(b.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(l) }()
		b.Cleanup(func() { _ = server.Close() })
		child(b, "pushers", l.Addr().String())
		measure(b, r, func(ctx context.Context) { <-ctx.Done() })
	})
}

// measure runs something beside a Recorder, and reports the processor time of both.
func measure(b *testing.B, r *Recorder, run func(context.Context)) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), *benchFor)
	defer cancel()
	began, used := time.Now(), cpu(b)
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	run(ctx)
	wg.Wait()
	spent, took := cpu(b)-used, time.Since(began)
	list, err := r.store.Heartbeats(context.Background(), system)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(100*spent.Seconds()/took.Seconds(), "%core")
	b.ReportMetric(float64(len(list)), "instances")
	b.ReportMetric(0, "ns/op")
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchStore is a database on disk with 10,000 orgs whose instances run.
func benchStore(b *testing.B) (*sqlite.Store, *Recorder) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "test.db")
	s, err := sqlite.Open(b.Context(), path, new(identity.MasterKey), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, insert := range []string{
		`INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at)
			SELECT %s, printf('org-%%d', i), 'Org', 'standard', 'active', 1, 1 FROM n`,
		`INSERT INTO instances (org_id, generation, desired, state, changed_at)
			SELECT %s, 1, 'running', 'running', 1 FROM n`,
	} {
		q := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL
			SELECT i + 1 FROM n WHERE i + 1 < %d) `, benchInstances) +
			fmt.Sprintf(insert, `printf('01890000-0001-7000-8000-%012d', i)`)
		if _, err := db.Exec(q); err != nil {
			b.Fatal(err)
		}
	}
	return s, NewRecorder(s, slog.New(slog.DiscardHandler), time.Now)
}

func benchRef(i int) provision.Ref {
	return provision.Ref{
		OrgID: registry.OrgID(fmt.Sprintf("01890000-0001-7000-8000-%012d", i)), Generation: 1,
	}
}

func benchBeat(ref provision.Ref) registry.Heartbeat {
	n := 3
	return registry.Heartbeat{
		OrgID: ref.OrgID, Generation: 1, At: time.Now(), StartedAt: time.Now(), Agent: "v1.2.3",
		Version: "4.5.6", Health: registry.HealthOK, Sessions: &n, Runners: &n, Sockets: 2, CPU: 12.5,
		Memory: 123_456_789, Disk: 987_654_321,
	}
}

// paced calls f for 0 to n-1 and again, each once in every, until ctx is done.
func paced(ctx context.Context, n int, every time.Duration, f func(int)) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for i := 0; ; {
		for due := int(time.Since(began) * time.Duration(n) / every); i < due; i++ {
			f(i % n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// child starts the other side, and waits until it is ready.
func child(b *testing.B, kind, where string) {
	b.Helper()
	//nolint:gosec // the test itself
	c := exec.CommandContext(b.Context(), os.Args[0])
	c.Env = append(os.Environ(), asChild+"="+kind, "WHERE="+where)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
}

func benchAgents(dir string) {
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(benchBeat(provision.Ref{
			OrgID: registry.OrgID(r.URL.Query().Get("org")),
		}))
	})
	for i := range benchSockets {
		l, err := net.Listen("unix", filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			panic(err)
		}
		go func() { _ = (&http.Server{Handler: serve, ReadHeaderTimeout: time.Minute}).Serve(l) }()
	}
	fmt.Print("!")
	select {}
}

func benchPushers(address string) {
	tokens := NewTokens(new(identity.MasterKey))
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: benchSockets, MaxConnsPerHost: benchSockets,
	}}
	fmt.Print("!")
	paced(context.Background(), benchInstances, registry.HeartbeatEvery, func(i int) {
		go func() {
			ref := benchRef(i)
			body, _ := json.Marshal(benchBeat(ref))
			req, err := http.NewRequest(http.MethodPost, URL("http://"+address, ref), bytes.NewReader(body))
			if err != nil {
				panic(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+tokens.Of(issuer, ref).Reveal())
			if res, err := client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}()
	})
}

// benchAttended asks agents as a provider does: a connection for each request.
type benchAttended struct {
	world
	dir string
}

// Heartbeat implements provision.Attended.
func (a *benchAttended) Heartbeat(
	ctx context.Context, ref provision.Ref,
) (h provision.Heartbeat, err error) {
	var i int
	if _, err := fmt.Sscanf(string(ref.OrgID)[24:], "%d", &i); err != nil {
		return h, err
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(
		ctx context.Context, _, _ string,
	) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(a.dir, fmt.Sprint(i%benchSockets)))
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://agent/?org="+string(ref.OrgID), nil)
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

// benchCounter fails the benchmark when heartbeats do not arrive.
type benchCounter struct{ once sync.Once }

func (c *benchCounter) count(b *testing.B) Counter {
	b.Helper()
	return func(source, result string) {
		if result != ResultOK {
			c.once.Do(func() { b.Errorf("%s %s", source, result) })
		}
	}
}
