package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
)

// Config says how mail is sent. The zero Config sends none.
type Config struct {
	Server    string `json:"server,omitempty"`    // host:port of the SMTP server
	From      string `json:"from,omitempty"`      // as in "Pizzeria <no-reply@example.com>"
	TLS       string `json:"tls,omitempty"`       // starttls, implicit or off; "": implicit on port 465, and else starttls
	Username  string `json:"username,omitempty"`  // "": the server wants none
	Password  string `json:"password,omitempty"`  //nolint:gosec // the operator's, with placeholders replaced
	CAFile    string `json:"ca_file,omitempty"`   // of the server's certificate; "": the system's
	Templates string `json:"templates,omitempty"` // directory with the operator's own
}

// The ways to encrypt.
const (
	StartTLS    = "starttls"
	ImplicitTLS = "implicit"
	NoTLS       = "off"
)

// Check fills in what follows from the rest, and returns an error that says what to write instead.
func (c *Config) Check() error {
	if c.Server == "" {
		return errors.New("mail: server is missing: write it like smtp.example.com:587")
	}
	host, port, err := net.SplitHostPort(c.Server)
	if n, err2 := strconv.Atoi(port); err != nil || err2 != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("mail: server %q is no host and port: write it like smtp.example.com:587", c.Server)
	}
	if c.From == "" {
		return errors.New(`mail: from is missing: write it like "Pizzeria <no-reply@example.com>"`)
	}
	if _, err := netmail.ParseAddress(c.From); err != nil {
		return fmt.Errorf(`mail: from %q is no address: write it like "Pizzeria <no-reply@example.com>"`, c.From)
	}
	switch {
	case c.TLS == "" && port == "465":
		c.TLS = ImplicitTLS
	case c.TLS == "":
		c.TLS = StartTLS
	case c.TLS != StartTLS && c.TLS != ImplicitTLS && c.TLS != NoTLS:
		return fmt.Errorf("mail: tls %q: use starttls, implicit or off", c.TLS)
	}
	if (c.Username == "") != (c.Password == "") {
		return errors.New("mail: username and password go together")
	}
	if c.Username != "" && c.TLS == NoTLS {
		return errors.New("mail: a password is not sent in the clear: use tls starttls or implicit")
	}
	if _, err := c.roots(); err != nil {
		return err
	}
	_, err = load(c.Templates)
	return err
}

// roots returns the certificate authorities of the server; nil: the system's.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil //nolint:nilnil // as crypto/tls wants it
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("mail: ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mail: ca_file %s holds no certificate in PEM form", c.CAFile)
	}
	return pool, nil
}
