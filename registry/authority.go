package registry

import (
	"errors"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// ErrMisdirected says that an authority is not that of an org under the
// domain; the answer is 421 (RFC 9110, section 15.5.20).
var ErrMisdirected = errors.New("authority does not name an org under the domain")

// SlugFromAuthority turns a request's authority (the Host header or
// `:authority`) into a slug: ASCII, case-insensitive, an optional port and one
// optional trailing dot, exactly one label under domain, and that label written
// as a slug. All else is ErrMisdirected, never another org.
func SlugFromAuthority(authority, domain string) (string, error) {
	host, ok := HostOf(authority)
	if !ok {
		return "", ErrMisdirected
	}
	n := len(host) - len(domain) - 1
	if n < 1 || host[n] != '.' || host[n+1:] != domain || !ValidSlug(host[:n]) {
		return "", ErrMisdirected
	}
	return host[:n], nil
}

// HostOf returns the host of a request's authority, in lower case, without its port and one
// trailing dot. It is the only place that takes an authority apart. It returns false when there is
// a port that nothing can listen on: `:0`, `:65536`, `:080`, `:`, or anything but digits.
func HostOf(authority string) (host string, ok bool) {
	host = authority
	// The colons in the brackets of an IPv6 address come before no port.
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		if !validPort(host[i+1:]) {
			return "", false
		}
		host = host[:i]
	}
	return ascii.Lower(strings.TrimSuffix(host, ".")), true
}

// SameHost reports whether a TLS server name and an authority are the same
// host: a connection made for one org must not carry requests for another.
func SameHost(serverName, authority string) bool {
	host, ok := HostOf(authority)
	return ok && host == ascii.Lower(strings.TrimSuffix(serverName, "."))
}

// validPort reports whether a port is written as a number from 1 to 65535, without leading zeros.
func validPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}
