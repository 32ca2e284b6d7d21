package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate that is its own authority.
func issue(t *testing.T, name string, ends time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: ends.Add(-2 * time.Hour), NotAfter: ends, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// TestFailuresSayWhy: what keeps a control plane from being reached is named, with the next step.
func TestFailuresSayWhy(t *testing.T) {
	away := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	handlers := map[string]http.HandlerFunc{
		"silence": away,
		"elsewhere": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://other.example/")
			w.WriteHeader(http.StatusMovedPermanently)
		},
		"misdirected": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusMisdirectedRequest) },
		"broken":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) },
		"another":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) },
		"nobody": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"detail":"no key"}`))
		},
		"forbidden": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"detail":"only platform admins may do that: ask one"}`))
		},
	}
	hour := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		handler, certificate string
		ends                 time.Time
		stranger, plain      bool
		want                 string
	}{
		"another authority": {certificate: "localhost", ends: hour, stranger: true, want: "--ca-file"},
		"another name":      {certificate: "other.example", ends: hour, want: "is for another name: check the address"},
		"an expired one":    {certificate: "localhost", ends: time.Now().Add(-time.Hour), want: "has expired"},
		"no TLS":            {certificate: "localhost", ends: hour, plain: true, want: "does not speak TLS: check the port"},
		"silence":           {certificate: "localhost", ends: hour, handler: "silence", want: "did not answer in time"},
		"a redirect":        {certificate: "localhost", ends: hour, handler: "elsewhere", want: "leads to https://other.example/"},
		"misdirected":       {certificate: "localhost", ends: hour, handler: "misdirected", want: "check the host"},
		"a broken server":   {certificate: "localhost", ends: hour, handler: "broken", want: "502 Bad Gateway: look at the server's log"},
		"another server":    {certificate: "localhost", ends: hour, handler: "another", want: "is no control plane: check the address"},
		"no key":            {certificate: "localhost", ends: hour, handler: "nobody", want: "no key: sign in with `pizzeria login`"},
		"not allowed":       {certificate: "localhost", ends: hour, handler: "forbidden", want: "only platform admins may do that: ask one"},
	} {
		certificate, pool := issue(t, c.certificate, c.ends)
		handler := handlers[c.handler]
		if handler == nil {
			handler = func(http.ResponseWriter, *http.Request) {}
		}
		s := httptest.NewUnstartedServer(handler)
		s.Config.ErrorLog = nil
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		if c.plain {
			s.Start()
		} else {
			s.StartTLS()
		}
		if c.stranger {
			pool = x509.NewCertPool()
		}
		address := "https://localhost:" + s.URL[strings.LastIndex(s.URL, ":")+1:]
		patience := time.Minute
		if c.handler == "silence" {
			patience = 50 * time.Millisecond // nothing will come
		}
		tr := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			DialContext:     dialer(""), ResponseHeaderTimeout: patience,
		}
		_, err := target{app: App{Name: "pizzeria"}, name: address, base: address, http: &http.Client{
			Transport:     tr,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}.open(t.Context(), "GET", "/orgs", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, errAway) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		tr.CloseIdleConnections()
		s.Close()
	}
}

// TestAwayIsAway: only where no server listens is it away, so that `down` may act in its place.
func TestAwayIsAway(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "pz") // short: Unix sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	left := filepath.Join(dir, "left.sock")
	l, err := net.Listen("unix", left)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	mute := filepath.Join(dir, "mute.sock")
	if l, err = net.Listen("unix", mute); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c := &client{app: App{Name: "pizzeria"}}
	for _, path := range []string{filepath.Join(dir, "none.sock"), left} {
		_, err := c.socket("unix/"+path, "").open(t.Context(), "GET", "/", nil)
		if !errors.Is(err, errAway) || !strings.Contains(err.Error(), "pizzeria run") {
			t.Errorf("%s: %v", path, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.socket("unix/"+mute, "").open(ended, "GET", "/", nil); err == nil || err.Error() != "interrupted" {
		t.Errorf("interrupted: %v", err)
	}
	denied := target{name: "unix/x", local: true}.failed(&net.OpError{Op: "dial", Err: os.ErrPermission})
	if errors.Is(denied, errAway) || !strings.Contains(denied.Error(), "as the user of the server") {
		t.Errorf("a socket of somebody else: %v", denied)
	}
}

// TestAnswersDoNotSteer: whoever answers a command does not steer the terminal that shows it.
func TestAnswersDoNotSteer(t *testing.T) {
	const evil = "\x1b]52;c;cm0=\x07\u202e"
	for _, res := range []*http.Response{
		{StatusCode: http.StatusForbidden}, {StatusCode: http.StatusUnauthorized},
		{StatusCode: http.StatusFound, Header: http.Header{"Location": {evil}}},
		{StatusCode: http.StatusBadGateway, Status: "502 " + evil}, {StatusCode: http.StatusNotFound, Status: evil},
	} {
		for _, body := range []string{"", `{"detail": "\u001b]52;c;cm0=\u0007\u202e"}`} {
			got := target{name: "x"}.refused(res, []byte(body)).Error()
			if strings.ContainsAny(got, evil[:1]+"\x07\u202e") {
				t.Errorf("%d with %q: %q", res.StatusCode, body, got)
			}
		}
	}
}
