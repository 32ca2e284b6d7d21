//go:build linux || darwin

package agent

import (
	"cmp"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Headers of the profile trusted-headers.
const (
	headerUser   = "X-Forwarded-User"               // the person's or runner's ID, which never changes
	headerEmail  = "X-Forwarded-Email"              // runners have none
	headerLogin  = "X-Forwarded-Preferred-Username" // e-mail or ID; never the name, which people choose
	headerGroups = "X-Forwarded-Groups"             // the role in the org
	headerRemote = "X-Remote-User"                  // as X-Forwarded-User: some apps know no other
)

// identityNames are headers that apps and proxies take for an identity, in lower case; a name that
// ends in "-" stands for all that begin so. Whatever the profile, only the agent sets them.
var identityNames = strings.Fields(`
	pizzeria-assertion
	x-forwarded-user x-forwarded-email x-forwarded-preferred-username x-forwarded-groups
	x-forwarded-name
	x-forwarded-login x-forwarded-access-token x-forwarded-id-token
	remote- x-remote- x-webauth- x-auth-request- x-auth-user x-auth-email x-authenticated-
	x-authentik- x-authelia- proxy-user x-proxy-user
`)

// isIdentity reports whether some server could read a header name as one of identityNames. CGI, WSGI
// and the like turn all that is no letter or digit into "_", and then two names are one.
func isIdentity(name string) bool {
	folded := strings.Map(func(r rune) rune {
		if r < 0x80 && ascii.IsAlphanumeric(byte(r)) {
			return r | 0x20
		}
		return '-'
	}, name)
	for _, n := range identityNames {
		if folded == n || strings.HasSuffix(n, "-") && strings.HasPrefix(folded, n) {
			return true
		}
	}
	return false
}

// strip removes every identity from a request.
func strip(h http.Header) {
	for name := range h {
		if isIdentity(name) {
			delete(h, name)
		}
	}
}

// identify gives a request the identity of a valid assertion, in the form of a profile.
func (p Profile) identify(h http.Header, token string, c assertion.Claims) {
	set := func(name, value string) {
		if value != "" && httpguts.ValidHeaderFieldValue(value) {
			h.Set(name, value)
		}
	}
	switch p {
	case Assertion:
		set(assertion.Header, token)
	case Bearer:
		set("Authorization", "Bearer "+token)
	case TrustedHeaders:
		set(headerUser, c.Subject)
		set(headerEmail, c.Email)
		set(headerLogin, cmp.Or(c.Email, c.Subject))
		set(headerGroups, c.Role)
		set(headerRemote, c.Subject)
	}
}

// dropAssertionBearer removes an assertion that a client sends as its own bearer token: with the
// profile bearer the app would take it for one that the gateway has sent.
func (p Profile) dropAssertionBearer(h http.Header) {
	if p != Bearer {
		return
	}
	for _, v := range h.Values("Authorization") {
		if _, token, _ := strings.Cut(v, " "); jose.Type(ascii.Trim(token)) == "pizzeria-assertion+jwt" {
			h.Del("Authorization")
			return
		}
	}
}

// keepForwarded keeps what the gateway says of the client, in one value each.
func keepForwarded(out, in http.Header) {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
		values := in[name]
		if len(values) == 0 {
			continue
		}
		value := values[0]
		if name == "X-Forwarded-For" {
			value = strings.Join(values, ", ")
		} else {
			value, _, _ = strings.Cut(value, ",")
		}
		out[name] = []string{ascii.Trim(value)}
	}
}
