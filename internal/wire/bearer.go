package wire

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Bearer returns the token of a request's only Authorization header, when its scheme is Bearer
// (RFC 6750, section 2.1): the scheme in any case, spaces, and a token68. A tab or another space
// between them, a list, or a second header make no credentials.
func Bearer(r *http.Request) (token string, ok bool) {
	all := r.Header["Authorization"]
	if len(all) != 1 {
		return "", false
	}
	scheme, rest, _ := strings.Cut(all[0], " ")
	token = strings.TrimRight(strings.TrimLeft(rest, " "), " \t")
	return token, ascii.EqualFold(scheme, "bearer") && token68(token)
}

// token68 is RFC 9110, section 11.2.
func token68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !ascii.IsAlphanumeric(s[i]) && strings.IndexByte("-._~+/", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}
