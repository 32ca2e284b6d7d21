package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// pizzaKey makes an API key at PizzaPi, as a person does in its UI.
func (p *person) pizzaKey(slug, name string) string {
	p.s.t.Helper()
	a := p.fetch(http.MethodPost, p.s.url(slug)+"/api/auth/api-key/create", `{"name":"`+name+`"}`)
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(a.body), &made); err != nil || made.Key == "" {
		p.s.t.Fatalf("a key: %d %s", a.status, a.body)
	}
	return made.Key
}

// withKey is the status of a request with an API key, from a client that is nobody to the gateway.
func (s *server) withKey(slug, key, path string) int {
	s.t.Helper()
	return s.person().do(http.MethodGet, s.url(slug)+path, nil, map[string]string{"X-Api-Key": key}).status
}

// client is a Socket.IO client in one namespace, over a WebSocket, as PizzaPi's runner is.
type client struct {
	ws        *websocket.Conn
	namespace string
	pid       string        // by which Socket.IO lets a client resume
	events    chan string   // what the server emits
	closed    chan struct{} // closed with the connection
}

// join connects to a namespace. It returns the server's own words when that refuses.
func (s *server) join(slug, namespace string, auth map[string]string, h http.Header) (*client, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tr := s.transport()
	tr.ForceAttemptHTTP2 = false
	ws, res, err := websocket.Dial(ctx, s.url(slug)+"/socket.io/?EIO=4&transport=websocket",
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: h})
	if err != nil {
		if res != nil {
			return nil, fmt.Errorf("status %d", res.StatusCode)
		}
		return nil, err
	}
	c := &client{ws: ws, namespace: namespace, events: make(chan string, 100), closed: make(chan struct{})}
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	if auth == nil {
		auth = map[string]string{}
	}
	told, err := json.Marshal(auth)
	if err == nil {
		err = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "40%s,%s", namespace, told))
	}
	for err == nil {
		var b []byte
		_, b, err = ws.Read(ctx)
		switch {
		case strings.HasPrefix(string(b), "40"+namespace+","):
			var told struct{ PID string }
			if err := json.Unmarshal(b[len("40"+namespace+","):], &told); err != nil {
				return nil, err
			}
			c.pid = told.PID
			go c.listen()
			return c, nil
		case strings.HasPrefix(string(b), "44"+namespace+","):
			_ = ws.CloseNow()
			return nil, fmt.Errorf("%s", b)
		}
	}
	return nil, err
}

func (c *client) listen() {
	defer close(c.closed)
	for {
		_, b, err := c.ws.Read(context.Background())
		if err != nil {
			return
		}
		switch text := string(b); {
		case text == "2":
			_ = c.ws.Write(context.Background(), websocket.MessageText, []byte("3"))
		case strings.HasPrefix(text, "42"+c.namespace+","):
			c.events <- strings.TrimPrefix(text, "42"+c.namespace+",")
		}
	}
}

// runner connects a runner with a key, and registers it.
func (s *server) runner(slug, key, name string) (*client, error) {
	s.t.Helper()
	c, err := s.join(slug, "/runner", map[string]string{"apiKey": key}, nil)
	if err == nil {
		err = c.ws.Write(s.t.Context(), websocket.MessageText, fmt.Appendf(nil, `42/runner,["register",%q]`, name))
	}
	return c, err
}

// ends waits until a client is closed, and returns how long that took.
func (s *server) ends(what string, c *client) time.Duration {
	s.t.Helper()
	began := time.Now()
	select {
	case <-c.closed:
	case <-time.After(patience):
		s.t.Fatalf("%s stays open", what)
	}
	return time.Since(began)
}

// tunnel opens a runner's tunnel, and registers with a key, as the published runner does.
func (s *server) tunnel(slug, key string) (*websocket.Conn, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tr := s.transport()
	tr.ForceAttemptHTTP2 = false
	ws, res, err := websocket.Dial(ctx, s.url(slug)+"/_tunnel", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}})
	if err != nil {
		if res != nil {
			err = fmt.Errorf("status %d", res.StatusCode)
		}
		return nil, err
	}
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	err = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"register","runnerId":"r","apiKey":%q}`, key))
	if err == nil {
		var b []byte
		if _, b, err = ws.Read(ctx); err == nil && string(b) != `{"type":"registered","runnerId":"r"}` {
			err = fmt.Errorf("it answers %s", b)
		}
	}
	return ws, err
}

// sees reports whether PizzaPi's better-auth has the session of a cookie's value.
func (p *person) sees(slug, session string) bool {
	p.s.t.Helper()
	a := p.fetch(http.MethodPost, p.s.url(slug)+"/api/test/session", session)
	if a.status != 200 {
		p.s.t.Fatalf("%d %s", a.status, a.body)
	}
	return a.body == `{"lives":true}`
}

// When a member is removed, what PizzaPi gave them ends as well: keys, sessions, the sockets of their
// runners. Everybody else's runners are back. A change of role leaves it all.
func testPizzaPiRevocation(t *testing.T, s pizzapis) {
	ada := s.ada
	eve, max := s.invite(ada, "acme", "eve@example.com", "member"), s.invite(ada, "acme", "max@example.com", "member")
	people, keys := map[string]*person{"ada": ada, "eve": eve, "max": max}, map[string]string{}
	runners := map[string]*client{}
	for name, p := range people {
		p.open(s.url("acme") + "/")
		keys[name] = p.pizzaKey("acme", "laptop")
		var err error
		if runners[name], err = s.runner("acme", keys[name], name); err != nil {
			t.Fatal(err)
		}
	}
	tunnel, err := s.tunnel("acme", keys["eve"])
	if err == nil {
		err = echoes(tunnel)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := s.chromium()
	b.signIn("eve@example.com")
	b.visit(s.url("acme") + "/#/notes")
	b.shows("Runner eve")
	b.shows("Connected")

	// Her role changes: she has to come back, and her key and runner are still hers.
	s.role(ada, "acme", eve, "admin")
	s.eventually("she is back", func() bool { return eve.status(s.url("acme")+"/api/me") == 200 })
	if status := s.withKey("acme", keys["eve"], "/api/me"); status != 200 {
		t.Errorf("after a change of role her key answers %d", status)
	}
	select {
	case <-runners["eve"].closed:
		t.Error("a change of role closed a runner's socket")
	default:
	}

	hers := ""
	s.eventually("PizzaPi got a request of hers", func() bool { // nobody else makes any meanwhile
		eve.fetch(http.MethodGet, s.url("acme")+"/api/me", "")
		_, h := eve.seen("acme")
		hers = sessionToken(h["cookie"])
		return hers != ""
	})
	if !ada.sees("acme", hers) {
		t.Errorf("better-auth has no session of %q", hers)
	}
	began := time.Now()
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/members/"+eve.id(), "", 200, nil)
	s.ends("her runner", runners["eve"])
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := tunnel.Read(ctx); err == nil || ctx.Err() != nil {
		t.Error("her tunnel stays open")
	}
	t.Logf("closed after %d ms", time.Since(began).Milliseconds())
	if ada.sees("acme", hers) {
		t.Error("better-auth still has her session")
	}
	for name, want := range map[string]int{"ada": 200, "max": 200, "eve": 401} {
		if status := s.withKey("acme", keys[name], "/api/me"); status != want {
			t.Errorf("%s's key answers %d", name, status)
		}
	}
	for _, name := range []string{"ada", "max"} {
		s.ends(name+"'s runner", runners[name])
		if runners[name], err = s.runner("acme", keys[name], name); err != nil {
			t.Fatalf("%s's runner is not back: %v", name, err)
		}
	}
	if _, err := s.runner("acme", keys["eve"], "eve"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("her runner is back: %v", err)
	}
	resumed := map[string]string{"apiKey": keys["eve"], "pid": runners["eve"].pid, "offset": "0"}
	if _, err := s.join("acme", "/runner", resumed, nil); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("her runner resumes: %v", err)
	}
	if _, err := s.tunnel("acme", keys["eve"]); err == nil {
		t.Error("her tunnel is back")
	}
	s.eventually("the page that was open led to the sign-in", func() bool {
		return strings.HasPrefix(b.location(), s.url("")+"/sign-in/denied")
	})

	// Disabled: likewise. What waits while the instance is down is told when it is back.
	if out, err := s.cli("", "user", "disable", "max@example.com"); err != nil {
		t.Fatal(out)
	}
	s.ends("his runner", runners["max"])
	s.eventually("his key is gone", func() bool { return s.withKey("acme", keys["max"], "/api/me") == 401 })
	if status := s.withKey("acme", keys["ada"], "/api/me"); status != 200 {
		t.Errorf("another's key answers %d", status)
	}
}

// A machine enrolls as a runner of PizzaPi's own, in the name of the person who lets it in, and is
// listed, disconnected and revoked like any other.
func testPizzaPiRunner(t *testing.T, s pizzapis) {
	ada, mia := s.ada, s.mia
	api := s.url("") + "/api/v1"
	var claim struct{ Secret string }
	mia.call(t, "POST", api+"/orgs/acme/runners/claims", `{"name":"build-1","app":"pizzapi"}`, 201, &claim)
	out, err := s.cli("", "runner", "enroll", "--server", s.url(""), "--ca-file",
		filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"), "--claim", claim.Secret)
	printed := pizzapiVariables.FindStringSubmatch(out)
	if err != nil || printed == nil || printed[1] != "wss://"+s.host("acme") {
		t.Fatalf("%v %s", err, out)
	}
	key := printed[2]
	var all struct{ Items []struct{ ID, App string } }
	mia.call(t, "GET", api+"/orgs/acme/runners", "", 200, &all)
	if len(all.Items) != 1 || all.Items[0].App != "pizzapi" {
		t.Fatalf("%+v", all)
	}
	id := all.Items[0].ID
	c, err := s.runner("acme", key, "build-1")
	if err != nil {
		t.Fatal(err)
	}
	mia.open(s.url("acme") + "/")
	s.eventually("it is hers", func() bool { return mia.fetch("GET", s.url("acme")+"/api/runners", "").body == `[{"name":"build-1"}]` })
	if out, err := s.cli("", "runner", "list", "acme"); err != nil || !strings.Contains(out, "pizzapi") || !strings.Contains(out, "mia@example.com") {
		t.Errorf("%v %s", err, out)
	}
	if a := ada.open(s.url("") + "/orgs/acme/runners"); !strings.Contains(a.body, "PizzaPi") {
		t.Errorf("the console does not show it: %s", a.body)
	}
	if b, err := os.ReadFile(filepath.Join(s.dir, "data/orgs", s.idOf("acme"), "logs/instance.log")); err != nil || strings.Contains(string(b), key) {
		t.Errorf("its key is in the log: %v", err)
	}

	if out, err := s.cli("", "runner", "disconnect", "acme", id); err != nil {
		t.Fatal(out)
	}
	s.ends("it", c)
	if c, err = s.runner("acme", key, "build-1"); err != nil {
		t.Fatalf("it is not back: %v", err)
	}
	if out, err := s.cli("", "runner", "revoke", "acme", id); err != nil {
		t.Fatal(out)
	}
	s.ends("it", c)
	if _, err := s.runner("acme", key, "build-1"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("it is back: %v", err)
	}

	// Only people let one in, since it acts as them: no key does, and no operator.
	if out, err := s.cli("", "runner", "enroll", "--org", "acme", "--app", "pizzapi"); err == nil {
		t.Error(out)
	}
	if a := mia.fetch("POST", api+"/orgs/acme/runners/claims", `{"app":"other"}`); a.status != 422 {
		t.Errorf("%d %s", a.status, a.body)
	}

	// The API answers what PizzaPi needs, and no key of the installation's own.
	mia.call(t, "POST", api+"/orgs/acme/runners/claims", `{"name":"build-2","app":"pizzapi"}`, 201, &claim)
	var answer struct {
		Key         string
		Environment map[string]string
	}
	s.person().call(t, "POST", api+"/runners", `{"claim":"`+claim.Secret+`"}`, 201, &answer)
	if answer.Key != "" || answer.Environment["PIZZAPI_RUNNER_API_KEY"] == "" {
		t.Errorf("%+v", answer)
	}
}

// TestPizzaPiRunnerElsewhere: an app without runners of its own has none, and nothing is left.
func TestPizzaPiRunnerElsewhere(t *testing.T) {
	t.Parallel()
	s, ada := shared(t)
	var claim struct{ Secret string }
	slug := "norunners"
	s.org(ada, slug)
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/"+slug+"/runners/claims", `{"name":"build-1","app":"pizzapi"}`, 201, &claim)
	if a := s.person().fetch("POST", s.url("")+"/api/v1/runners", `{"claim":"`+claim.Secret+`"}`); a.status != 409 || !strings.Contains(a.body, "profile pizzapi") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ada.fetch("GET", s.url("")+"/api/v1/orgs/"+slug+"/runners", ""); strings.Contains(a.body, "build-1") {
		t.Errorf("it is left: %s", a.body)
	}
}
