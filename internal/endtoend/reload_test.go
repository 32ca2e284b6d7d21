package endtoend

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// admin asks Caddy's admin endpoint.
func (s *server) adminGet(path string) string {
	s.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.dir, "data/admin.sock"))
	}}}
	res, err := c.Get("http://localhost" + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		s.t.Fatalf("%s: %d %v", path, res.StatusCode, err)
	}
	return string(b)
}

func (s *server) goroutines() int {
	s.t.Helper()
	n, err := strconv.Atoi(regexp.MustCompile(`total (\d+)`).FindStringSubmatch(s.adminGet("/debug/pprof/goroutine?debug=1"))[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// metric sums the samples of a metric with a label pair, and counts them.
func (s *server) metric(name, label string) (sum float64, series int) {
	s.t.Helper()
	for line := range strings.Lines(s.adminGet("/metrics")) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, label) {
			f := strings.Fields(line)
			v, err := strconv.ParseFloat(f[len(f)-1], 64)
			if err != nil {
				s.t.Fatal(err)
			}
			sum += v
			series++
		}
	}
	return sum, series
}

func (s *server) reload(caddyfile string) (string, error) {
	s.t.Helper()
	s.write(caddyfile)
	return s.cli("", "reload", "--config", "Caddyfile")
}

// TestReload reloads the config twenty times under a WebSocket, with failures
// in between: nothing leaks, nothing closes, counters go on, and a config that
// fails leaves the running one whole.
func TestReload(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	id := s.org(ada, "acme")
	use := func() {
		t.Helper()
		if a := ada.open(s.url("acme") + "/"); a.status != 200 {
			t.Fatalf("acme: %d %s", a.status, a.body)
		}
	}
	use()
	ws, err := s.dial(ada, s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	echo := func(text string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatalf("WebSocket: %v", err)
		}
		if _, b, err := ws.Read(ctx); err != nil || string(b) != text {
			t.Fatalf("WebSocket: %q %v", b, err)
		}
	}
	good := func(i int) string { return s.caddyfile("offline_grace "+strconv.Itoa(30+i)+"m", 0) }
	for i := range 3 { // the first ones fill pools and caches
		if out, err := s.reload(good(i)); err != nil {
			t.Fatalf("reload: %s", out)
		}
		use()
	}
	ada.c.CloseIdleConnections()
	before := s.goroutines()
	counted, _ := s.metric("pizzeria_org_requests_total", id)

	visitor := s.person()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	if err := os.WriteFile(filepath.Join(s.dir, "data/bad.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(good(99), "issuer https://pizzapi.localhost:", "issuer https://elsewhere.example:", 1)
	bad := map[string]string{
		"adapting":     s.caddyfile("colour red", 0),
		"provisioning": s.caddyfile("secret_key ./data/bad.key", 0),
		"starting":     elsewhere + "\nhttp://" + taken.Addr().String() + " {\n\tbind 127.0.0.1\n\trespond x\n}\n",
	}
	reasons := map[string]string{"adapting": "unknown option", "provisioning": "32 bytes in base64", "starting": "address already in use"}
	for i := range 20 {
		for name, config := range bad {
			if out, err := s.reload(config); err == nil || !strings.Contains(out, reasons[name]) {
				t.Fatalf("%s: a bad config is taken, or fails for another reason: %s", name, out)
			}
			use()
			if d := visitor.fetch("GET", s.url("")+"/.well-known/openid-configuration", ""); !strings.Contains(d.body, `"issuer":"`+s.url("")+`"`) {
				t.Fatalf("%s: the failed config's issuer stays: %s", name, d.body)
			}
		}
		if out, err := s.reload(good(i)); err != nil {
			t.Fatalf("reload %d: %s", i, out)
		}
		use()
		echo("still here " + strconv.Itoa(i))
		now, _ := s.metric("pizzeria_org_requests_total", id)
		if now <= counted {
			t.Fatalf("reload %d: the counter went from %v to %v", i, counted, now)
		}
		counted = now
	}
	// What is provisioned still works: the reconciler, the feed, the CLI.
	s.org(ada, "globex")
	ada.c.CloseIdleConnections()
	visitor.c.CloseIdleConnections()
	s.eventually("no goroutine is left of twenty reloads", func() bool { return s.goroutines() <= before+10 })
	t.Logf("goroutines: %d before, %d after", before, s.goroutines())
}

// TestStreamCloseDelay: a WebSocket outlasts a reload for as long as the Caddyfile says, and no longer.
func TestStreamCloseDelay(t *testing.T) {
	t.Parallel()
	const delay = 4 * time.Second
	s := startWith(t, "", strings.Replace(patient, "transport org", "transport org\nstream_close_delay "+delay.String(), 1))
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	ws, err := s.dial(ada, s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	began := time.Now()
	if out, err := s.reload(s.caddyfile("offline_grace 30m", 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		err := ws.Write(ctx, websocket.MessageText, []byte("still"))
		if err == nil {
			_, _, err = ws.Read(ctx)
		}
		if err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond) // how long it lives is the point
	}
	if lived := time.Since(began); ctx.Err() != nil || lived < delay {
		t.Errorf("the WebSocket lived for %s after the reload, with a delay of %s", lived, delay)
	}
	again, err := s.dial(ada, s.url("acme"))
	if err != nil {
		t.Fatalf("a new one: %v", err)
	}
	_ = again.CloseNow()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	id := s.org(ada, "acme")
	for range 3 {
		ada.open(s.url("acme") + "/")
	}
	if n, _ := s.metric("pizzeria_org_requests_total", `code="2xx",org="`+id+`"`); n < 3 {
		t.Errorf("%v requests are counted", n)
	}
	_, before := s.metric("pizzeria_org_requests_total", "")
	for i := range 50 {
		s.person().open(s.url("unknown"+strconv.Itoa(i)) + "/")
	}
	if _, after := s.metric("pizzeria_org_requests_total", ""); after > before+1 {
		t.Errorf("unknown hosts made %d series", after-before)
	}
	if a := ada.fetch("DELETE", s.url("")+"/api/v1/orgs/acme?confirm=acme&now=true", ""); a.status != 202 {
		t.Fatalf("delete: %d %s", a.status, a.body)
	}
	s.eventually("the series are gone", func() bool {
		_, n := s.metric("pizzeria_org_requests_total", id)
		return n == 0
	})
	if strings.Count(s.adminGet("/metrics"), "pizzeria_instance_start_duration_seconds_count 1") != 1 {
		t.Error("the start of the instance was not measured once")
	}
}
