package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// answerTimeout is how long a control plane elsewhere may take to begin an answer.
const answerTimeout = time.Minute

// errAway is that no server runs which could be asked.
var errAway = errors.New("the server does not answer")

// failed says why a server was not reached, and what to do about it.
func (t target) failed(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case t.local:
		return t.failedLocally(err)
	}
	var (
		unknown  x509.UnknownAuthorityError
		other    x509.HostnameError
		invalid  x509.CertificateInvalidError
		anyCert  *tls.CertificateVerificationError
		alert    tls.AlertError
		record   tls.RecordHeaderError
		lookup   *net.DNSError
		deadline net.Error
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of %s is not of an authority that this machine trusts: "+
			"name the authority's certificate with --ca-file, or check the address", t.name)
	case errors.As(err, &other):
		return fmt.Errorf("the certificate of %s is for another name: check the address: %w", t.name, other)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of %s has expired or is not valid yet: "+
			"check the clock of this machine, and renew the server's certificate", t.name)
	case errors.As(err, &anyCert):
		return fmt.Errorf("the certificate of %s does not hold: %w", t.name, anyCert.Err)
	case errors.As(err, &alert):
		return fmt.Errorf("%s refuses this name, or has no certificate for it: check the address: %w", t.name, alert)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("%s does not speak TLS: check the port", t.name)
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return fmt.Errorf("there is no host %s: check the address", lookup.Name)
	case errors.As(err, &lookup):
		return fmt.Errorf("cannot look up %s: check the network, and try again: %w", lookup.Name, lookup)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: check the address and its port, or start the server", t.name)
	case errors.As(err, &deadline) && deadline.Timeout():
		return fmt.Errorf("%s did not answer in time: check the address and the network, or try again later", t.name)
	}
	return fmt.Errorf("cannot reach %s: %w", t.name, err)
}

// failedLocally is failed for Caddy's admin endpoint on this machine.
func (t target) failedLocally(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w at %s: start it with `%s run`, or name its admin address with --admin",
			errAway, t.name, t.app.program())
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("you may not use %s: run this as the user of the server, "+
			"or sign in to it with `%s login`", t.name, t.app.Name)
	}
	return fmt.Errorf("cannot reach the server at %s: %w", t.name, err)
}

// refused returns the error of an unsuccessful answer, without terminal escapes of the server.
func (t target) refused(res *http.Response, body []byte) error {
	return errors.New(registry.Printable(t.refusal(res, body)))
}

func (t target) refusal(res *http.Response, body []byte) string {
	var p struct{ Detail, Error string }
	known := json.Unmarshal(body, &p) == nil && p.Detail+p.Error != ""
	switch {
	case known && res.StatusCode == http.StatusUnauthorized && !t.local:
		return fmt.Sprintf("%s: sign in with `%s login`, or check the API key", p.Detail+p.Error, t.app.Name)
	case known:
		return p.Detail + p.Error
	case res.StatusCode < 400 && res.Header.Get("Location") != "":
		return fmt.Sprintf("%s leads to %s: use that address if it is the control plane's",
			t.name, res.Header.Get("Location"))
	case res.StatusCode == http.StatusMisdirectedRequest:
		return t.name + " is not the control plane's address: check the host"
	case res.StatusCode >= 500:
		return fmt.Sprintf("%s answers %s: look at the server's log, or try again later", t.name, res.Status)
	}
	return fmt.Sprintf("%s answers %s, and is no control plane: check the address", t.name, res.Status)
}
