package assertion

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
)

// FromEnv returns the Verifier that the environment of an instance describes: PIZZERIA_ORG_ID,
// PIZZERIA_ORG_GENERATION, PIZZERIA_ISSUER, and PIZZERIA_JWKS_FILE or PIZZERIA_JWKS_URI with
// PIZZERIA_CA_FILE.
func FromEnv() (*Verifier, error) {
	c := Config{OrgID: os.Getenv("PIZZERIA_ORG_ID"), Issuer: os.Getenv("PIZZERIA_ISSUER")}
	if c.OrgID == "" || c.Issuer == "" {
		return nil, errors.New("PIZZERIA_ORG_ID and PIZZERIA_ISSUER are not set: start this app as an instance")
	}
	var err error
	if c.Generation, err = strconv.ParseInt(os.Getenv("PIZZERIA_ORG_GENERATION"), 10, 64); err != nil {
		return nil, fmt.Errorf("PIZZERIA_ORG_GENERATION: %w", err)
	}
	if c.Keys, err = KeysOf(os.Getenv); err != nil {
		return nil, err
	}
	return New(c)
}

// KeysOf returns the keys that an environment names: PIZZERIA_JWKS_FILE, or PIZZERIA_JWKS_URI with
// PIZZERIA_CA_FILE.
func KeysOf(env func(name string) string) (Keys, error) {
	path, address := env("PIZZERIA_JWKS_FILE"), env("PIZZERIA_JWKS_URI")
	switch {
	case path != "":
		return File(path), nil
	case address != "":
		client, err := trusting(env("PIZZERIA_CA_FILE"))
		if err != nil {
			return nil, err
		}
		return URL(address, client), nil
	default:
		return nil, errors.New("neither PIZZERIA_JWKS_FILE nor PIZZERIA_JWKS_URI is set")
	}
}

// trusting returns a client that trusts the certificates in a PEM file besides the system's.
func trusting(path string) (*http.Client, error) {
	if path == "" {
		return http.DefaultClient, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("PIZZERIA_CA_FILE: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("PIZZERIA_CA_FILE: %s holds no certificate", path)
	}
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: t}, nil
}
