package endtoend

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// dex is a real OpenID provider: Dex, with an account of its own and a connector whose Kilgore has groups.
type dex struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
	out  *lockedBuffer
}

const (
	dexClient = "pizzeria"
	dexSecret = "a secret that dex knows" //nolint:gosec // of a test
)

// startDex runs Dex until the test ends. It takes back people at no address yet; see allow.
func startDex(t *testing.T) *dex {
	t.Helper()
	if _, err := exec.LookPath("dex"); err != nil {
		lacking(t, "dex", "build it: cd internal/endtoend/testdata/dex && go build github.com/dexidp/dex/cmd/dex, into a directory of $PATH")
	}
	d := &dex{t: t, dir: t.TempDir(), port: freePort(t)}
	elsewhere.issue(t, d.dir)
	d.allow()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("dex:\n%s", tail(d.out.String(), 3000))
		}
	})
	return d
}

func (d *dex) issuer() string { return fmt.Sprintf("https://localhost:%d/dex", d.port) }

func (d *dex) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// allow starts it anew, with addresses that it sends people back to. Its accounts are dev@example.org and eve@example.com.
func (d *dex) allow(callbacks ...string) {
	d.t.Helper()
	if d.cmd != nil {
		d.stop()
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		d.t.Fatal(err)
	}
	config := fmt.Sprintf(`issuer: %s
storage: {type: memory}
web: {https: "127.0.0.1:%d", tlsCert: cert.pem, tlsKey: key.pem}
oauth2: {skipApprovalScreen: true}
staticClients: [{id: %s, secret: %q, name: Pizzeria, redirectURIs: %s}]
enablePasswordDB: true
staticPasswords:
- {email: dev@example.org, hash: %q, username: Dev, userID: "1"}
- {email: eve@example.com, hash: %[6]q, username: Eve, userID: "2"}
connectors: [{type: mockCallback, id: mock, name: Mock}]
`, d.issuer(), d.port, dexClient, dexSecret, list(callbacks), hash)
	if err := os.WriteFile(filepath.Join(d.dir, "config.yaml"), []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(elsewhere.cert)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}, Timeout: time.Second}
	for range 5 { // its port may be somebody else's for a moment
		d.out = &lockedBuffer{}
		d.cmd = exec.Command("dex", "serve", "config.yaml")
		d.cmd.Dir, d.cmd.Stdout, d.cmd.Stderr = d.dir, d.out, d.out
		if err := d.cmd.Start(); err != nil {
			d.t.Fatal(err)
		}
		for range 250 {
			if res, err := c.Get(d.issuer() + "/.well-known/openid-configuration"); err == nil {
				_ = res.Body.Close()
				return
			}
			time.Sleep(20 * time.Millisecond) // dex is a process of its own
		}
		d.stop()
	}
	d.t.Fatalf("dex does not answer:\n%s", d.out.String())
}

func list(texts []string) string {
	out := "["
	for i, s := range texts {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%q", s)
	}
	return out + "]"
}
