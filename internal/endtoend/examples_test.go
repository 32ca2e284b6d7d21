package endtoend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// exampleApp is an example that checks assertions itself, in a copy with its dependencies.
type exampleApp struct {
	dir     string
	command []string
}

// exampleApps are the apps of examples that this machine can run.
func exampleApps(t *testing.T, run func(t *testing.T, app exampleApp)) {
	t.Helper()
	t.Run("node-app", func(t *testing.T) {
		t.Parallel()
		run(t, nodeExample(t))
	})
	t.Run("python-app", func(t *testing.T) {
		t.Parallel()
		run(t, pythonExample(t))
	})
}

func nodeExample(t *testing.T) exampleApp {
	t.Helper()
	modules := os.Getenv("PIZZERIA_NODE_MODULES")
	if _, err := os.Stat("/usr/bin/node"); err != nil || modules == "" {
		lacking(t, "node", "there is no /usr/bin/node, or PIZZERIA_NODE_MODULES does not say where jose is")
	}
	app := copyExample(t, "node-app", "/usr/bin/node", "server.mjs")
	if err := os.CopyFS(filepath.Join(app.dir, "node_modules/jose"), os.DirFS(filepath.Join(modules, "jose"))); err != nil {
		t.Fatal(err)
	}
	return app
}

func pythonExample(t *testing.T) exampleApp {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import jwt, cryptography").Run(); err != nil {
		lacking(t, "pyjwt", "there is no PyJWT: install the Debian packages python3-jwt and python3-cryptography")
	}
	return copyExample(t, "python-app", "/usr/bin/python3", "app.py")
}

func copyExample(t *testing.T, name, interpreter, script string) exampleApp {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pzapp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// Instances may run as another user.
	if err := errors.Join(os.Chmod(dir, 0o755), os.CopyFS(dir, os.DirFS("../../examples/"+name))); err != nil { //nolint:gosec // G302
		t.Fatal(err)
	}
	return exampleApp{dir, []string{interpreter, filepath.Join(dir, script)}}
}

// assertionKey signs assertions with another library than the gateway's.
type assertionKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newAssertionKey(t *testing.T, id string) assertionKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return assertionKey{id, key}
}

func (k assertionKey) sign(t *testing.T, typ string, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://d.example", "aud": "urn:pizzeria:org:acme-id", "sub": "u", "org_id": "acme-id", "org_slug": "acme", "org_gen": 3,
		"role": "admin", "email": "mia@example.com", "name": "Mia <b>", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	o, err := by.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	token, err := o.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// publish replaces a JWK set as the host does: by a file of another name.
func publish(t *testing.T, file string, keys ...assertionKey) {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: &k.key.PublicKey, KeyID: k.id, Algorithm: "ES256", Use: "sig"})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(file+".new", b, 0o600), os.Rename(file+".new", file)); err != nil {
		t.Fatal(err)
	}
}

const assertionTyp = "pizzeria-assertion+jwt"

// TestExampleAppsCheckAssertions: only a fresh assertion for this org and this generation counts,
// and a rotation of the keys takes effect without a restart.
func TestExampleAppsCheckAssertions(t *testing.T) {
	t.Parallel()
	exampleApps(t, func(t *testing.T, app exampleApp) {
		data := t.TempDir()
		keys := filepath.Join(data, "jwks.json")
		key, next, stranger := newAssertionKey(t, "k1"), newAssertionKey(t, "k2"), newAssertionKey(t, "k1")
		publish(t, keys, key)
		ask, stop := app.alone(t, data, keys)
		valid := key.sign(t, assertionTyp, nil)
		if status, body := ask("GET", "/", "", valid); status != 200 || !strings.Contains(body, "Mia &#60;b&#62;") && !strings.Contains(body, "Mia &lt;b&gt;") {
			t.Fatalf("%d %s", status, body)
		}
		now := time.Now().Unix()
		for name, tokens := range map[string][]string{
			"none":                 nil,
			"two":                  {valid, valid},
			"no token":             {"x"},
			"another org's":        {key.sign(t, assertionTyp, map[string]any{"aud": "urn:pizzeria:org:globex-id", "org_id": "globex-id", "org_slug": "globex"})},
			"another audience":     {key.sign(t, assertionTyp, map[string]any{"aud": "urn:pizzeria:org:globex-id"})},
			"another org ID":       {key.sign(t, assertionTyp, map[string]any{"org_id": "globex-id"})},
			"another issuer":       {key.sign(t, assertionTyp, map[string]any{"iss": "https://evil.example"})},
			"another generation's": {key.sign(t, assertionTyp, map[string]any{"org_gen": 2})},
			"no generation":        {key.sign(t, assertionTyp, map[string]any{"org_gen": nil})},
			"expired":              {key.sign(t, assertionTyp, map[string]any{"iat": now - 120, "exp": now - 60})},
			"without an end":       {key.sign(t, assertionTyp, map[string]any{"exp": nil})},
			"from tomorrow":        {key.sign(t, assertionTyp, map[string]any{"iat": now + 86400, "exp": now + 86460})},
			"a session":            {key.sign(t, "pizzeria-session+jwt", nil)},
			"another's key":        {stranger.sign(t, assertionTyp, nil)},
			"an unknown key":       {next.sign(t, assertionTyp, nil)},
			"no algorithm":         {"eyJhbGciOiJub25lIiwidHlwIjoicGl6emVyaWEtYXNzZXJ0aW9uK2p3dCIsImtpZCI6ImsxIn0.e30."},
		} {
			for _, method := range []string{"GET", "POST"} {
				if status, _ := ask(method, map[string]string{"GET": "/", "POST": "/notes"}[method], "text=evil", tokens...); status != 401 {
					t.Errorf("%s, %s: %d", method, name, status)
				}
			}
		}
		if status, body := ask("POST", "/notes", "text=%3Ci%3Ebuy+flour", valid); status != 303 {
			t.Errorf("%d %s", status, body)
		}
		if status, _ := ask("POST", "/notes", "text="+strings.Repeat("x", 20_000), valid); status != 413 {
			t.Errorf("a long note: %d", status)
		}

		publish(t, keys, key, next)
		for name, k := range map[string]assertionKey{"the key of before": key, "the next": next} {
			if status, _ := ask("GET", "/", "", k.sign(t, assertionTyp, nil)); status != 200 {
				t.Errorf("%s: %d", name, status)
			}
		}
		publish(t, keys, next) // an emergency: nothing that the former key signed counts
		if status, _ := ask("GET", "/", "", valid); status != 401 {
			t.Errorf("a removed key: %d", status)
		}

		if err := stop(); err != nil {
			t.Errorf("on SIGTERM: %v", err)
		}
		ask, _ = app.alone(t, data, keys)
		status, body := ask("GET", "/", "", next.sign(t, assertionTyp, nil))
		if status != 200 || !strings.Contains(body, "buy flour") || strings.Contains(body, "<i>") || strings.Contains(body, "evil") {
			t.Errorf("after a restart: %d %s", status, body)
		}
	})
}

// alone runs the app as an instance of acme-id, generation 3, without a server. The first result
// makes a request with these assertions; the second ends the app.
func (app exampleApp) alone(t *testing.T, data, keys string) (
	ask func(method, path, body string, tokens ...string) (int, string), stop func() error,
) {
	t.Helper()
	run, err := os.MkdirTemp("/tmp", "pz") // short: a Unix socket lies below it
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(run, "s")
	cmd := exec.Command(app.command[0], app.command[1:]...)
	out := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "PIZZERIA_ORG_ID=acme-id", "PIZZERIA_ORG_SLUG=acme", "PIZZERIA_ORG_GENERATION=3", "PIZZERIA_ISSUER=https://d.example",
		"PIZZERIA_LISTEN=unix:" + socket, "PIZZERIA_DATA_DIR=" + data, "PIZZERIA_JWKS_FILE=" + keys,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		tr.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			return errors.Join(errors.New("it does not stop"), <-ended)
		}
	}
	t.Cleanup(func() {
		_ = stop()
		_ = os.RemoveAll(run)
		if t.Failed() {
			t.Logf("the app: %s", out)
		}
	})
	client := &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request := func(method, path, body string, tokens ...string) (int, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://acme.example"+path, strings.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		req.Header["Pizzeria-Assertion"] = tokens
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, string(b), err
	}
	(&server{t: t, out: out}).eventually("the app is healthy", func() bool {
		status, _, err := request("GET", "/healthz", "")
		return err == nil && status == 200
	})
	return func(method, path, body string, tokens ...string) (int, string) {
		t.Helper()
		status, answer, err := request(method, path, body, tokens...)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return status, answer
	}, stop
}

// TestExampleApps: with its Caddyfile as it is, each example serves orgs that share nothing, keeps
// their notes over restarts, and works on when keys rotate.
func TestExampleApps(t *testing.T) {
	t.Parallel()
	exampleApps(t, func(t *testing.T, app exampleApp) {
		s := newServer(t, "", "org_gateway", "PWD="+app.dir)
		t.Cleanup(func() {
			if races := s.end(); races != "" {
				t.Error(races)
			}
			if t.Failed() {
				t.Logf("server output:\n%s", tail(s.out.String(), 8000))
			}
		})
		example, err := os.ReadFile(filepath.Join(app.dir, "Caddyfile"))
		if err != nil {
			t.Fatal(err)
		}
		s.write(strings.NewReplacer("8080", fmt.Sprint(freePort(t)), "8443", fmt.Sprint(s.port)).Replace(string(example)))
		s.run()
		ada := s.admin()
		s.org(ada, "acme")
		s.org(ada, "globex")
		if a := ada.open(s.url("acme") + "/"); a.status != 200 || !strings.Contains(a.body, "<b>Ada Admin</b> (ada@example.com), owner of acme") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := ada.submit(s.url("acme")+"/notes", url.Values{"text": {"buy flour"}}); a.status != 200 || !strings.Contains(a.body, "buy flour") {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := ada.open(s.url("globex") + "/"); a.status != 200 || strings.Contains(a.body, "buy flour") {
			t.Errorf("globex: %d %s", a.status, a.body)
		}
		s.must("instance", "restart", "acme")
		s.active("acme")
		s.must("signing-key", "rotate", "--emergency")
		s.eventually("the app takes what the new key signs", func() bool {
			a := ada.open(s.url("acme") + "/")
			return a.status == 200 && strings.Contains(a.body, "buy flour")
		})
	})
}
