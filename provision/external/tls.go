package external

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how instances are talked to, by files in PEM.
type TLS struct {
	// CA has the certificates that are trusted. Default: the system's.
	CA string
	// Cert and Key are what the gateway shows of itself. Default: nothing.
	Cert, Key string
	// ServerName is whom the certificate of an instance must name. Default: the host of its
	// address.
	ServerName string
}

// Load reads the files.
func (t TLS) Load() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: t.ServerName, NextProtos: []string{"http/1.1"},
	}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls ca: %s holds no certificate", t.CA)
		}
	}
	switch {
	case t.Cert == "" && t.Key == "":
		return c, nil
	case t.Cert == "" || t.Key == "":
		return nil, errors.New("tls: cert and key belong together")
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls cert: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
