package wire

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// OneCookie returns a cookie's value when the request has it exactly once: a second one was tossed
// in by somebody else.
//
// A name is what browsers hold it for (RFC 6265bis, section 5.7): bytes, without the spaces and
// tabs around it. They enforce `__Host-` for exactly those names, so any other reading accepts
// cookies that a sibling's page set for the whole domain. net/http's own reading is no help here:
// it drops cookies with odd values before they are counted, and all when there are too many.
func OneCookie(r *http.Request, name string) (value string, ok bool) {
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(part, "=")
			if ascii.Trim(n) == name {
				if ok {
					return "", false
				}
				value, ok = ascii.Trim(v), true
			}
		}
	}
	return value, ok
}

// CookieNames returns the names that begin with a prefix of the request's cookies, in the order of
// the request: browsers send the oldest first (RFC 6265, section 5.4).
func CookieNames(r *http.Request, prefix string) (names []string) {
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(part, "=")
			if name = ascii.Trim(name); strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}
