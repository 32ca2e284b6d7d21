package external

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// authority makes a CA, a certificate of it for a name, and a file for each, in a directory.
func authority(t *testing.T, dir, name string) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write := func(file, kind string, der []byte, err error) {
		t.Helper()
		if err == nil {
			b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
			err = os.WriteFile(filepath.Join(dir, file), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	root, own := key(), key()
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &root.PublicKey, root)
	write("ca.pem", "CERTIFICATE", der, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, &own.PublicKey, root)
	write("cert.pem", "CERTIFICATE", der, err)
	der, err = x509.MarshalECPrivateKey(own)
	write("key.pem", "EC PRIVATE KEY", der, err)
}

// serveTLS is an instance that answers who has a certificate of the CA in a directory.
func serveTLS(dir string) {
	fail := func(err error) {
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	pool := x509.NewCertPool()
	b, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	fail(err)
	pool.AppendCertsFromPEM(b)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	fail(err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
	})
	fail(err)
	fmt.Println(l.Addr())
	fail(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:gosec // a test's
		_, _ = io.WriteString(w, "hello")
	})))
}

// TestTLS: an instance is reached over TLS when its certificate is of the stated CA and names whom
// it should, and it can ask for the gateway's own.
func TestTLS(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	authority(t, dir, "app.internal")
	authority(t, other, "app.internal")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "tls-instance", dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		t.Fatal(err)
	}
	in := func(dir, file string) string { return filepath.Join(dir, file) }
	good := TLS{CA: in(dir, "ca.pem"), Cert: in(dir, "cert.pem"), Key: in(dir, "key.pem"), ServerName: "app.internal"}
	org := registry.OrgID(registry.NewID())
	get := func(c TLS) (string, error) {
		config, err := c.Load()
		if err != nil {
			return "", err
		}
		p, err := New(Config{Instances: map[registry.OrgID]string{org: address}, TLS: config})
		if err != nil {
			return "", err
		}
		o, err := p.Ensure(t.Context(), provision.Spec{Ref: provision.Ref{OrgID: org, Generation: 1}})
		if err != nil {
			return "", err
		}
		set, err := provision.NewProviders(provision.Named{Name: "external", Provider: p})
		if err != nil {
			return "", err
		}
		network, at := provision.SplitAddress(o.Address)
		if network != "tls" {
			t.Errorf("its address is %s", o.Address)
		}
		var conn net.Conn
		if conn, err = set.Dial(t.Context(), network, at); err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return "", err
		}
		b, err := io.ReadAll(conn)
		return string(b), err
	}
	if answer, err := get(good); err != nil || !strings.HasSuffix(answer, "hello") {
		t.Errorf("%q %v", answer, err)
	}
	for name, change := range map[string]func(*TLS){
		"another CA":                 func(c *TLS) { c.CA = in(other, "ca.pem") },
		"the system's CAs":           func(c *TLS) { c.CA = "" },
		"another name":               func(c *TLS) { c.ServerName = "other.internal" },
		"the name of the address":    func(c *TLS) { c.ServerName = "" },
		"no certificate":             func(c *TLS) { c.Cert, c.Key = "", "" },
		"a certificate of others":    func(c *TLS) { c.Cert, c.Key = in(other, "cert.pem"), in(other, "key.pem") },
		"a certificate alone":        func(c *TLS) { c.Key = "" },
		"a key of another":           func(c *TLS) { c.Key = in(other, "key.pem") },
		"a CA that is not there":     func(c *TLS) { c.CA = in(dir, "none.pem") },
		"a CA that is a key instead": func(c *TLS) { c.CA = in(dir, "key.pem") },
	} {
		c := good
		change(&c)
		if answer, err := get(c); err == nil {
			t.Errorf("%s: %q", name, answer)
		}
	}
	set, err := provision.NewProviders(provision.Named{Name: "external", Provider: &Provider{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Dial(t.Context(), "tls", address); err == nil {
		t.Error("an address that nobody states was dialled")
	}
}
