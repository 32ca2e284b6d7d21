//go:build linux || darwin

package agent

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/provision"
)

const (
	pushPath  = "/instances/acme-id/3/heartbeat"
	pushToken = "pzi_secret"
)

// control is a control plane that takes heartbeats.
type control struct {
	*httptest.Server
	ca string // file

	mu    sync.Mutex
	beats []provision.Heartbeat
}

func newControl(t *testing.T) *control {
	t.Helper()
	c := &control{ca: filepath.Join(t.TempDir(), "ca.pem")}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h provision.Heartbeat
		err := json.NewDecoder(r.Body).Decode(&h)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != pushPath ||
			r.Header.Get("Authorization") != "Bearer "+pushToken ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v %v", r.Method, r.URL, r.Header, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.beats = append(c.beats, h)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(c.Close)
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	if err := os.WriteFile(c.ca, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *control) taken() []provision.Heartbeat {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.beats)
}

// TestPush: an agent pushes the heartbeat of its app, for the generation that its token is for, and
// to a server that it trusts alone.
func TestPush(t *testing.T) {
	server := newControl(t)
	f := started(t, func(c *Config) {
		c.Generation = assertion.AnyGeneration
		c.PushURL, c.PushToken, c.PushCA = server.URL+pushPath, pushToken, server.ca
		c.Command = append(c.Command, "print")
		c.Env["PASSWORD"], c.Secrets = pushToken, nil
	})
	f.logged("the password is [redacted]")
	var h provision.Heartbeat
	f.eventually("a heartbeat is pushed once the app answers", func() bool {
		for _, h = range server.taken() {
			if h.Health == "degraded" {
				return true
			}
		}
		return false
	})
	if h.OrgID != "acme-id" || h.Generation != 3 || h.Version != "9" {
		t.Errorf("%+v", h)
	}
	f.a.Stop(time.Second)
	client, err := pushClient("")
	if err != nil {
		t.Fatal(err)
	}
	before := len(server.taken())
	p := &pusher{
		url: server.URL + pushPath, token: pushToken, client: client,
		beat: func(context.Context) provision.Heartbeat { return h },
	}
	if _, err := p.push(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	if n := len(server.taken()); n != before {
		t.Error("without its authority it is trusted all the same")
	}
}

// TestPushSecrets: the app has neither token nor address, and one without the other is wrong use.
func TestPushSecrets(t *testing.T) {
	server := newControl(t)
	env := append(slices.Clone(instance), urlVariable+"="+server.URL+pushPath,
		tokenVariable+"="+pushToken, caVariable+"=/no/such/file")
	c := runCommand(t, env, "--listen", "unix:$DIR/app.sock", "--", "$SELF")
	c.start()
	c.logged("listening")
	_, s := c.get("/", nil)
	if s.URI != "/" {
		t.Fatalf("%+v", s)
	}
	res, err := c.client.Get("http://app/environment")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []string
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil || len(all) == 0 {
		t.Fatalf("%v %v", all, err)
	}
	for _, v := range all {
		if strings.Contains(v, pushToken) || strings.HasPrefix(v, urlVariable) {
			t.Errorf("the app has %s", v)
		}
	}
	for _, row := range []struct{ env, says string }{
		{urlVariable + "=https://d.example" + pushPath, "belong together"},
		{tokenVariable + "=x", "belong together"},
	} {
		c := runCommand(t, append(slices.Clone(instance), row.env), "--listen", "unix:$DIR/x", "--", "$SELF")
		c.start()
		if status := c.status(); status != 2 || !strings.Contains(c.stderr.String(), row.says) {
			t.Errorf("%s: %d %s", row.env, status, &c.stderr)
		}
	}
}

// TestPushAddress: the token goes to the address of this instance alone, and never in the clear.
func TestPushAddress(t *testing.T) {
	const acme = "https://d.example/instances/acme-id/3/heartbeat"
	for _, row := range []struct {
		url        string
		generation int64
		says       string
	}{
		{acme, 3, ""}, {acme, assertion.AnyGeneration, ""}, {acme, 4, "another instance's"},
		{"https://d.example/instances/globex-id/3/heartbeat", 3, "another instance's"},
		{"https://d.example/instances/acme-id/x/heartbeat", 3, "not the address"},
		{"https://d.example/heartbeat", 3, "not the address"}, {"https://d.example", 3, "not the address"},
		{"http://d.example" + pushPath, 3, "https alone"},
		{"http://127.0.0.1:80" + pushPath, 3, ""}, {"http://localhost" + pushPath, 3, ""},
		{"://", 3, "no URL"},
	} {
		c := Config{OrgID: "acme-id", Generation: row.generation, PushURL: row.url, PushToken: "x"}
		err := c.checkPush()
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %q", row.url, err, row.says)
		}
	}
}

// TestPushFails: no answer leads the token elsewhere; what is wrong is logged once, and so is its
// end.
func TestPushFails(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	answers := []int{503, 503, 307, 401, 204}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i := min(int(asked.Add(1)), len(answers)) - 1
		w.Header().Set("Location", other.URL)
		w.Header().Set("Retry-After", "40")
		w.WriteHeader(answers[i])
	}))
	defer server.Close()
	client, err := pushClient("")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	p := &pusher{
		url: server.URL, token: pushToken, client: client, every: time.Second, now: time.Now,
		beat: func(context.Context) provision.Heartbeat { return provision.Heartbeat{} },
		say:  func(s string) { said = append(said, s) },
	}
	var waits []time.Duration
	for range answers {
		after, err := p.push(t.Context())
		p.tell(err)
		waits = append(waits, after)
	}
	for i, want := range []string{"answer is 503", "answer is 307", "not that of the present", "taken again"} {
		if len(said) != 4 || !strings.Contains(said[i], want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
	if elsewhere.Load() > 0 {
		t.Error("another server got the token")
	}
	if waits[0] != 40*time.Second || waits[4] != 0 {
		t.Errorf("%v", waits)
	}
}

// TestPushWaits: failures in a row make pushes rarer, a server that asks for time gets it, and
// agents do not push in step.
func TestPushWaits(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-1": 0, "30": 30 * time.Second, "4000000000": maxWait,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
		now.Add(-time.Hour).Format(http.TimeFormat):  0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	for _, row := range []struct {
		failures    int
		asked, want time.Duration
	}{
		{0, 0, 10 * time.Second}, {1, 0, 10 * time.Second}, {2, 0, 20 * time.Second},
		{4, 0, 80 * time.Second}, {100, 0, maxBackoff}, {1, time.Minute, time.Minute},
	} {
		p := &pusher{every: 10 * time.Second, failures: row.failures}
		seen := map[time.Duration]bool{}
		for range 10 {
			got := p.wait(row.asked)
			seen[got] = true
			if got < row.want || got > row.want+row.want/10 {
				t.Errorf("%+v: %v", row, got)
			}
		}
		if len(seen) == 1 {
			t.Errorf("%+v: always the same", row)
		}
	}
}

// TestPushTrusts: a file that is not there is none, and one that holds no certificate is a mistake.
func TestPushTrusts(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, missing := pushClient(filepath.Join(t.TempDir(), "none"))
	if _, err := pushClient(empty); err == nil || missing != nil {
		t.Error(errors.Join(err, missing))
	}
}
