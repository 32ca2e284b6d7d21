package endtoend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The tests' certificate authorities, made once. The browser trusts both.
var (
	ours      authority // of every server
	elsewhere authority // of other companies' servers, which ours trust where a test says so
)

type authority struct {
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	certFile string // PEM
	keyFile  string // PEM
}

func createAuthorities(dir string) error {
	return errors.Join(ours.create(dir, "ours"), elsewhere.create(dir, "elsewhere"))
}

// create makes the authority and writes it to dir.
func (a *authority) create(dir, name string) (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.certFile, a.keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	return errors.Join(writePEM(a.certFile, "CERTIFICATE", der), writeKey(a.keyFile, a.key))
}

// pool trusts this authority alone.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue writes a certificate and key for localhost and other names to dir: cert.pem, key.pem.
func (a *authority) issue(t *testing.T, dir string, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: append(names, "localhost"), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writePEM(filepath.Join(dir, "cert.pem"), "CERTIFICATE", der), writeKey(filepath.Join(dir, "key.pem"), key)); err != nil {
		t.Fatal(err)
	}
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

// give puts the authority where Caddy keeps its local one, below a data directory.
func (a *authority) give(t *testing.T, data string) {
	t.Helper()
	dir := filepath.Join(data, "caddy/pki/authorities/local")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"root.crt": a.certFile, "root.key": a.keyFile} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
