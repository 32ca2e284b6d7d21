package token

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Site is where the installation is reached. Every link is made from it, never from a request.
type Site struct {
	Issuer string // the control plane's public URL, without a trailing slash
	Domain string // the domain below which orgs live, lower case, without a port
	Prefix string // the reserved path prefix on org hosts, such as "/.pizzeria"
	port   string // ":8443", or ""

	// Algorithm is that of new signing keys, one of Algorithms; "" is ES256.
	Algorithm string
}

func (s Site) alg() string {
	if s.Algorithm == "" {
		return Algorithms()[0]
	}
	return s.Algorithm
}

// plainPath is a path that every server and browser reads alike, without a trailing slash.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

// NewSite checks and completes a Site: issuer "" is https://domain, prefix "" is "/.pizzeria".
func NewSite(domain, issuer, prefix string) (Site, error) {
	s := Site{Issuer: strings.TrimSuffix(issuer, "/"), Domain: ascii.Lower(domain), Prefix: prefix}
	if s.Domain == "" || strings.ContainsAny(s.Domain, ":/ *") || strings.HasPrefix(s.Domain, ".") || strings.HasSuffix(s.Domain, ".") {
		return s, fmt.Errorf("domain %q must be a plain host name without scheme, port or wildcard, such as pizzapi.example.com", domain)
	}
	if s.Issuer == "" {
		s.Issuer = "https://" + s.Domain
	}
	u, err := url.Parse(s.Issuer)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return s, fmt.Errorf("issuer %q must be an https URL of host and optional port, such as https://pizzapi.example.com", issuer)
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil && port != "443" {
		s.port = ":" + port
	}
	if s.Prefix == "" {
		s.Prefix = "/.pizzeria"
	}
	if !plainPath.MatchString(s.Prefix) || len(s.Prefix) < 3 || strings.Contains(s.Prefix+"/", "/./") || strings.Contains(s.Prefix+"/", "/../") {
		return s, fmt.Errorf("prefix %q must be a plain path such as /.pizzeria", prefix)
	}
	return s, nil
}

// Scheme is the scheme of the issuer's URL, and so of every org's.
func (s Site) Scheme() string {
	scheme, _, _ := strings.Cut(s.Issuer, "://")
	return scheme
}

// OrgHost is the authority of an org, with the port when it is not 443.
func (s Site) OrgHost(slug string) string { return slug + "." + s.Domain + s.port }

// OrgURL is the public URL of an org, without a trailing slash.
func (s Site) OrgURL(slug string) string { return "https://" + s.OrgHost(slug) }

// OrgOrigins is a CSP source that matches every org's origin.
func (s Site) OrgOrigins() string { return "https://*." + s.Domain + s.port }

// CallbackURL is where an org's gateway receives codes.
func (s Site) CallbackURL(slug string) string { return s.OrgURL(slug) + s.Prefix + "/callback" }

// SignInURL is where an app sends browsers to sign in to an org.
func (s Site) SignInURL(slug string) string { return s.OrgURL(slug) + s.Prefix + "/sign-in" }
