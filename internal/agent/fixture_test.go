//go:build linux || darwin

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/registry"
)

type fixture struct {
	*testing.T
	a      *Agent
	dir    string
	key    *jose.PrivateKey
	log    *buffer
	client *http.Client // of the instance's address
	own    *http.Client // of the agent's socket

	mu    sync.Mutex
	ahead time.Duration // of the agent's clock
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const credential = "the credential of the host side"

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.ahead)
}

func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{T: t, log: &buffer{}}
	var err error
	if f.dir, err = os.MkdirTemp("/tmp", "pza"); err != nil { // short: sockets lie in it
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(f.dir) })
	if f.key, err = jose.Generate("k1", jose.ES256); err != nil {
		t.Fatal(err)
	}
	public, err := f.key.Public().JWK()
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.MarshalSet(public)
	if err != nil {
		t.Fatal(err)
	}
	jwks := filepath.Join(f.dir, "jwks.json")
	if err := os.WriteFile(jwks, set, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		OrgID: "acme-id", Generation: 3, Issuer: "https://d.example", Keys: assertion.File(jwks),
		Command: []string{self}, Dir: f.dir, Data: f.dir, Profile: Assertion,
		Env: map[string]string{
			"AGENT_TEST": "app", "PATH": os.Getenv("PATH"), "PASSWORD": "hunter22",
			"GORACE": "atexit_sleep_ms=0", // the race detector's runtime sleeps for a second at the end
		},
		Listen: "unix:" + filepath.Join(f.dir, "app.sock"), Secrets: []string{"PASSWORD"},
		Socket: filepath.Join(f.dir, "agent.sock"), Credential: credential, Log: f.log, Now: f.now,
	}
	if change != nil {
		change(&c)
	}
	f.client, f.own = dialing("unix", filepath.Join(f.dir, "app.sock")), dialing("unix", c.Socket)
	if f.a, err = Start(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.a.Stop(time.Second) })
	return f
}

// started returns a fixture whose app listens.
func started(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	f := newFixture(t, change)
	f.logged("listening")
	return f
}

func dialing(network, address string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
}

// logged waits until the log holds a text, and returns the message that holds it.
func (f *fixture) logged(text string) (msg string) {
	f.Helper()
	f.eventually("the log holds "+text, func() bool {
		for _, l := range f.lines() {
			if strings.Contains(l.Msg, text) {
				msg = l.Msg
				return true
			}
		}
		return false
	})
	return msg
}

func (f *fixture) lines() (all []Line) {
	f.Helper()
	for line := range strings.Lines(f.log.String()) {
		var l Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			f.Fatalf("%q is no line of JSON: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond) // other processes take their time
	}
	f.Fatalf("it never happened that %s; log: %s", what, f.log)
}

// assertion signs one for alice, with some claims changed.
func (f *fixture) assertion(change map[string]any) string {
	f.Helper()
	now := f.now()
	c := map[string]any{
		"iss": "https://d.example", "aud": "urn:pizzeria:org:acme-id", "sub": "alice-id", "org_id": "acme-id",
		"org_slug": "acme", "org_gen": 3, "role": "admin", "email": "alice@example.com", "name": "Alice",
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
	}
	for k, v := range change {
		c[k] = v
	}
	b, err := json.Marshal(c)
	if err != nil {
		f.Fatal(err)
	}
	token, err := f.key.Sign("pizzeria-assertion+jwt", b)
	if err != nil {
		f.Fatal(err)
	}
	return token
}

// get asks the instance and returns what the app saw, if it did.
func (f *fixture) get(path string, header http.Header) (int, seen) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), http.MethodGet, "http://acme.example"+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v // spelled as it is
	}
	res, err := f.client.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	defer res.Body.Close()
	var s seen
	_ = json.NewDecoder(res.Body).Decode(&s)
	return res.StatusCode, s
}

// as are the headers of a request with assertions.
func as(tokens ...string) http.Header { return http.Header{assertion.Header: tokens} }

// ask asks the agent's own socket.
func (f *fixture) ask(method, path, body, with string) (int, string) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, "http://agent"+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	if with != "" {
		req.Header.Set("Authorization", "Bearer "+with)
	}
	res, err := f.own.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (f *fixture) revoke(users ...registry.UserID) int {
	f.Helper()
	b, err := json.Marshal(map[string]any{"users": users})
	if err != nil {
		f.Fatal(err)
	}
	status, _ := f.ask(http.MethodPost, "/revoke", string(b), credential)
	return status
}

func claimsOf(sub string, issued time.Time) assertion.Claims {
	return assertion.Claims{Subject: sub, IssuedAt: issued}
}
