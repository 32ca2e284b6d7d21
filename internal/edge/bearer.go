package edge

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/identity/jose"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/wire"
)

// bearerToken returns an org session given as a bearer token; other bearer tokens are the app's own.
func bearerToken(r *http.Request) (string, bool) {
	tok, ok := wire.Bearer(r)
	return tok, ok && token.IsSessionToken(tok)
}

// stripBearer removes Authorization when a token or key of ours is anywhere in it, however it is
// written: also when it was not used, on a request that an exception let through, beside another
// one, with a tab where a space should be, in a list, or as a Basic password.
func stripBearer(h http.Header, issuer string) {
	for _, v := range h["Authorization"] {
		scheme, rest, _ := strings.Cut(v, " ")
		if holdsSecret(v, issuer) || ascii.EqualFold(scheme, "basic") && holdsSecret(basic(rest), issuer) {
			delete(h, "Authorization")
			return
		}
	}
}

// basic decodes the credentials of the Basic scheme as leniently as some server could.
func basic(s string) string {
	s = strings.TrimRight(graphic(s), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		b, _ = base64.RawURLEncoding.DecodeString(s)
	}
	return string(b)
}

// holdsSecret looks at every run of the characters that our tokens and keys are written with.
func holdsSecret(v, issuer string) bool {
	if token.HoldsKey(v) {
		return true
	}
	for run := range strings.FieldsFuncSeq(v, func(c rune) bool {
		return c > '~' || !ascii.IsAlphanumeric(byte(c)) && c != '-' && c != '_' && c != '.' //nolint:gosec // ASCII
	}) {
		if token.IsKey(run) {
			return true
		}
		for head, rest, dot := strings.Cut(run, "."); dot; head, rest, dot = strings.Cut(rest, ".") {
			payload, _, _ := strings.Cut(rest, ".")
			if ourToken(head, payload, issuer) {
				return true
			}
		}
	}
	return false
}

// ourToken reports whether two parts of a JWT are of one that this installation issued: an org
// session, an assertion, an access token of the API or of an app, or an ID token. The last two have
// types that apps' own tokens have as well, so the issuer decides.
func ourToken(head, payload, issuer string) bool {
	if i := strings.Index(head, `eyJ`); i > 0 { // `{"`, after what is no separator
		head = head[i:]
	}
	typ := jose.Type(head + ".")
	return typ == token.TypSession || typ == token.TypAssertion ||
		jose.Issuer(payload) == issuer
}
