package flows

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// heartbeatOf is an org's heartbeat as somebody sees it.
func heartbeatOf(t *testing.T, s *servertest.Installation, p *servertest.Person, slug string) *registry.Heartbeat {
	t.Helper()
	a := p.Fetch("GET", s.URL("")+"/api/v1/orgs/"+slug+"/instance", "")
	var i registry.Instance
	if err := json.Unmarshal([]byte(a.Body), &i); a.Status != 200 || err != nil {
		t.Fatalf("%d %s %v", a.Status, a.Body, err)
	}
	return i.Heartbeat
}

// TestHeartbeats: what agents say is shown to those who may see it, and measured while its org is
// there.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	id := s.Org(ada, "acme")
	mia := s.Invite(ada, "acme", "mia@example.com", "member")
	root := platformAdmin(s)
	s.Eventually("a heartbeat", func() bool { return heartbeatOf(t, s, root, "acme") != nil })
	h := heartbeatOf(t, s, root, "acme")
	if h.Version != "1.2.3" || h.Agent != "0.9-agent" || h.Memory != 42<<20 || *h.Sessions != 3 || !h.Busy {
		t.Errorf("%+v", h)
	}
	if h := heartbeatOf(t, s, mia, "acme"); h == nil || h.Version != "1.2.3" || h.Agent != "" {
		t.Errorf("a member sees %+v", h)
	}
	labels := map[string]string{"org": id}
	for name, want := range map[string]float64{
		"pizzeria_instance_memory_bytes": 42 << 20, "pizzeria_instance_disk_bytes": 7 << 20,
		"pizzeria_instance_cpu_seconds_total": 1.5, "pizzeria_instance_connections": 2,
		"pizzeria_instance_sessions": 3, "pizzeria_instance_runners": 1, "pizzeria_instance_busy": 1,
	} {
		if got, n := s.Metric(name, labels); n != 1 || got != want {
			t.Errorf("%s: %v in %d series, want %v", name, got, n, want)
		}
	}
	if _, n := s.Metric("pizzeria_instance_heartbeat_age_seconds", labels); n != 1 {
		t.Error("no age")
	}
	if got, _ := s.Metric("pizzeria_heartbeats_total", map[string]string{
		"source": "poll", "result": "ok",
	}); got == 0 {
		t.Error("not counted")
	}
	path := "/api/v1/orgs/acme/instance/metrics"
	if a := root.Fetch("GET", s.URL("")+path, ""); a.Status != 200 || a.Body != "app_generation 1\n" ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("metrics: %+v", a)
	}
	var targets []struct {
		Targets []string
		Labels  map[string]string
	}
	root.Call(t, "GET", s.URL("")+"/api/v1/instances/targets", "", 200, &targets)
	if len(targets) != 1 || targets[0].Labels["org"] != id || targets[0].Targets[0] != "d.example" {
		t.Fatalf("%+v", targets)
	}
	path = targets[0].Labels["__scheme__"] + "://d.example" + targets[0].Labels["__metrics_path__"]
	if a := root.Fetch("GET", path, ""); a.Body != "app_generation 1\n" {
		t.Errorf("at %s: %+v", path, a)
	}
	s.Operator("DELETE", "/orgs/acme?now=true&confirm=acme", "")
	s.Eventually("its series are gone", func() bool {
		_, n := s.Metric("pizzeria_instance_memory_bytes", nil)
		return n == 0
	})
}

// TestMetricsOfInstances: they are passed on whole or not at all, and an instance that hangs keeps a
// few requests busy, not the server.
func TestMetricsOfInstances(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	id := registry.OrgID(s.Org(ada, "acme"))
	read := func() servertest.Answer { return s.Operator("GET", "/orgs/acme/instance/metrics", "") }
	whole := strings.Repeat("# hello\n", 4<<20/8)
	for name, c := range map[string]struct {
		text   string
		status int
	}{"4 MiB": {whole, 200}, "more": {whole + "x", 503}} {
		s.Instances.ServeMetrics(id, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(c.text))
		})
		if a := read(); a.Status != c.status || c.status == 200 && a.Body != c.text {
			t.Errorf("%s: %d, %d bytes", name, a.Status, len(a.Body))
		}
	}
	ended, hanging := make(chan struct{}), make(chan struct{}, 8)
	s.Instances.ServeMetrics(id, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# it begins\n"))
		_ = http.NewResponseController(w).Flush()
		hanging <- struct{}{}
		<-ended
	})
	answers := make(chan int, 8)
	for range 8 {
		go func() { answers <- read().Status }()
	}
	for range 8 {
		<-hanging
	}
	if a := read(); a.Status != 503 || !strings.Contains(a.Body, `"code":"overloaded"`) {
		t.Errorf("the ninth: %d %s", a.Status, a.Body)
	}
	for range 8 { // they end though the instance does not
		if status := <-answers; status != 503 {
			t.Errorf("of an instance that hangs: %d", status)
		}
	}
	close(ended)
	s.Instances.Push() // it is elsewhere
	if a := read(); a.Status != 404 || !strings.Contains(a.Body, "no metrics") {
		t.Errorf("without an agent: %d %s", a.Status, a.Body)
	}
}

// TestPushedHeartbeats: an instance that is elsewhere has an address and a token for its heartbeats.
// The token is good for nothing else, and nothing else for that.
func TestPushedHeartbeats(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	s.Instances.Push()
	ada := s.Admin()
	id := registry.OrgID(s.Org(ada, "acme"))
	push := func(org registry.OrgID) (address, token string) {
		return s.Instances.Env(org, "PIZZERIA_HEARTBEAT_URL"), s.Instances.Env(org, "PIZZERIA_INSTANCE_TOKEN")
	}
	address, token := push(id)
	if address != s.URL("")+"/instances/"+string(id)+"/1/heartbeat" || !strings.HasPrefix(token, "pzi_") {
		t.Fatalf("%s %s", address, token)
	}
	told := s.Must("GET", "/orgs/acme/instance/environment", "").Body
	for _, want := range []string{
		`"PIZZERIA_HEARTBEAT_URL":"` + address + `"`, `"PIZZERIA_INSTANCE_TOKEN":"` + token + `"`,
		`"PIZZERIA_ORG_GENERATION":"-1"`, `"PIZZERIA_JWKS_URI":"` + s.URL("") + `/.well-known/jwks/assertion.json"`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("the operator is told %s, without %s", told, want)
		}
	}
	body, err := json.Marshal(servertest.Claim(provision.Ref{OrgID: id, Generation: 1}, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	with := func(bearer string) int {
		t.Helper()
		return s.Bearer(bearer).Fetch("POST", address, string(body)).Status
	}
	if status := with(token); status != http.StatusNoContent {
		t.Fatalf("its own token: %d", status)
	}
	s.Eventually("it is shown", func() bool { return heartbeatOf(t, s, ada, "acme") != nil })
	if a := s.Must("GET", "/instances/targets", ""); strings.TrimSpace(a.Body) != "[]" {
		t.Errorf("its metrics cannot be asked for: %s", a.Body)
	}

	api := s.URL("") + "/api/v1"
	for _, target := range []string{
		api + "/me", api + "/orgs", api + "/orgs/acme", api + "/orgs/acme/instance", api + "/orgs/acme/instance/logs",
		s.URL("acme") + "/whoami", s.URL("") + "/oauth/userinfo",
	} {
		if a := s.Bearer(token).Fetch("GET", target, ""); a.Status != 401 && a.Status != 404 ||
			strings.Contains(a.Body, token) {
			t.Errorf("%s with the token of an instance: %d %s", target, a.Status, a.Body)
		}
	}
	mia := s.Invite(ada, "acme", "mia@example.com", "admin")
	runner := mia.Enroll(s.Person(), "acme", "build")
	var key struct{ Secret string }
	ada.Call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["platform"]}`, 201, &key)
	for name, bearer := range map[string]string{
		"a runner's key": runner.Key, "an API key": key.Secret, "none": "x",
	} {
		if status := with(bearer); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if a := ada.Fetch("POST", address, string(body)); a.Status != http.StatusUnauthorized {
		t.Errorf("a platform admin's session: %d", a.Status)
	}

	s.Must("POST", "/orgs/acme/instance/restart", "")
	s.Eventually("the next generation runs", func() bool {
		next, _ := push(id)
		return strings.HasSuffix(next, "/2/heartbeat")
	})
	s.Eventually("the generation before is refused", func() bool { // once it may push again
		return with(token) == http.StatusUnauthorized
	})
}

// TestOnlyInstancesElsewherePush: where an agent is asked, there is no token to lose.
func TestOnlyInstancesElsewherePush(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	id := registry.OrgID(s.Org(ada, "acme"))
	told := ada.Fetch("GET", s.URL("")+"/api/v1/orgs/acme/instance/environment", "")
	if told.Status != http.StatusConflict || strings.Contains(told.Body, "pzi_") {
		t.Errorf("%d %s", told.Status, told.Body)
	}
	for _, name := range []string{"PIZZERIA_HEARTBEAT_URL", "PIZZERIA_INSTANCE_TOKEN"} {
		if v := s.Instances.Env(id, name); v != "" {
			t.Errorf("%s=%s", name, v)
		}
	}
}

// TestNewKeyOutdatesTokens: with another secret key the tokens of instances are void, and so those
// that push are outdated. Others are not.
func TestNewKeyOutdatesTokens(t *testing.T) {
	t.Parallel()
	for name, push := range map[string]bool{"elsewhere": true, "with an agent": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Start(t, nil)
			if push {
				s.Instances.Push()
			}
			id := registry.OrgID(s.Org(s.Admin(), "acme"))
			address := s.Instances.Env(id, "PIZZERIA_HEARTBEAT_URL")
			token := s.Instances.Env(id, "PIZZERIA_INSTANCE_TOKEN")
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			s.Rekey()
			s.Run()
			body := func() string { return s.Must("GET", "/orgs/acme/instance", "").Body }
			if !push {
				s.Eventually("it is polled", func() bool { return strings.Contains(body(), `"heartbeat"`) })
				if strings.Contains(body(), `"outdated":true`) {
					t.Errorf("outdated: %s", body())
				}
				return
			}
			s.Eventually("it is outdated", func() bool {
				return strings.Contains(body(), `"outdated":true`)
			})
			if a := s.Bearer(token).Fetch("POST", address, "{}"); a.Status != http.StatusUnauthorized {
				t.Errorf("the old token: %d", a.Status)
			}
			s.Must("POST", "/orgs/acme/instance/restart", "")
			s.Eventually("it has another token", func() bool {
				next := s.Instances.Env(id, "PIZZERIA_INSTANCE_TOKEN")
				return next != "" && next != token && !strings.Contains(body(), `"outdated":true`)
			})
		})
	}
}

// TestRevocationsReachAgents: of each kind, to the orgs that it is about, also when the control plane
// was restarted before the agent took it.
func TestRevocationsReachAgents(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	acme, globex := registry.OrgID(s.Org(ada, "acme")), registry.OrgID(s.Org(ada, "globex"))
	mia := s.Invite(ada, "acme", "mia@example.com", "member")
	s.Invite(ada, "globex", "gus@example.com", "member")
	runner := mia.Enroll(s.Person(), "acme", "build")
	told := func(org registry.OrgID, user registry.UserID) func() bool {
		return func() bool { return slices.Contains(s.Instances.Told(org).Users, user) }
	}
	member := func(slug, email string) registry.UserID {
		t.Helper()
		var page registry.Page[registry.Member]
		a := s.Must("GET", "/orgs/"+slug+"/members?search="+email, "")
		if err := json.Unmarshal([]byte(a.Body), &page); err != nil || len(page.Items) != 1 {
			t.Fatalf("%s %v", a.Body, err)
		}
		return page.Items[0].UserID
	}
	id, gus := member("acme", "mia@example.com"), member("globex", "gus@example.com")
	s.Must("POST", "/orgs/acme/runners/"+string(runner.Runner.ID)+"/disconnect", "")
	s.Eventually("the runner is told", func() bool {
		return slices.Contains(s.Instances.Told(acme).Runners, runner.Runner.ID)
	})
	ada.Call(t, "PATCH", s.URL("")+"/api/v1/orgs/acme/members/"+string(id), `{"role":"admin"}`, 204, nil)
	s.Eventually("the role is told", told(acme, id))
	s.Must("POST", "/users/"+string(gus)+"/disable", `{}`)
	s.Eventually("the disabled account is told", told(globex, gus))
	if told(acme, gus)() || told(globex, id)() {
		t.Error("an instance is told of others' people")
	}

	s.Invite(ada, "acme", "bob@example.com", "member")
	gone := member("acme", "bob@example.com")
	s.Instances.FailRevocations(acme, true)
	s.Must("DELETE", "/orgs/acme/members/"+string(gone), "")
	s.Eventually("it fails", func() bool {
		n, _ := s.Metric("pizzeria_revocation_pushes_total", map[string]string{"result": "failed"})
		return n > 0
	})
	if n, _ := s.Metric("pizzeria_instances_untold", nil); n != 1 {
		t.Errorf("%v instances are to be told", n)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Instances.FailRevocations(acme, false)
	s.Run()
	s.Eventually("it is told after a restart", told(acme, gone))
}
