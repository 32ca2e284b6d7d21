package registry

import (
	"errors"
	"strings"
)

// ErrMisdirected says that an authority is not that of an org under the
// domain; the answer is 421 (RFC 9110, section 15.5.20).
var ErrMisdirected = errors.New("authority does not name an org under the domain")

// SlugFromAuthority turns a request's authority (the Host header or
// `:authority`) into a slug. It is the only place that reads one: ASCII,
// case-insensitive, an optional port and one optional trailing dot, exactly one
// label under domain, and that label written as a slug. All else is
// ErrMisdirected, never another org.
func SlugFromAuthority(authority, domain string) (string, error) {
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		if !validPort(host[i+1:]) {
			return "", ErrMisdirected
		}
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	label, ok := cutDomain(host, domain)
	if !ok {
		return "", ErrMisdirected
	}
	label = lowerASCII(label)
	if !ValidSlug(label) {
		return "", ErrMisdirected
	}
	return label, nil
}

// SameHost reports whether a TLS server name and an authority are the same
// host: a connection made for one org must not carry requests for another.
func SameHost(serverName, authority string) bool {
	if i := strings.LastIndexByte(authority, ':'); i >= 0 {
		authority = authority[:i]
	}
	return lowerASCII(strings.TrimSuffix(serverName, ".")) == lowerASCII(strings.TrimSuffix(authority, "."))
}

func validPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// cutDomain splits off ".domain", comparing ASCII letters without case. domain is lower case.
func cutDomain(host, domain string) (label string, ok bool) {
	n := len(host) - len(domain) - 1
	if n < 1 || host[n] != '.' || lowerASCII(host[n+1:]) != domain {
		return "", false
	}
	return host[:n], true
}

// lowerASCII lowers A to Z only: Unicode folding would make other letters equal to ours.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
