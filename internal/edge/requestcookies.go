package edge

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/cookies"
)

// DefaultCookieBytes is how many bytes of cookies an instance gets unless the config says otherwise.
// A sibling org can toss many into its neighbours' browsers; servers refuse requests with long
// headers, and without the bomb the person still gets in.
const DefaultCookieBytes = 16 << 10

// stripCookies removes our cookies from a request, whatever their spelling, and of the others the
// largest until they fit into limit bytes. The rest keep their order. It returns what it cut of the
// app's own.
func stripCookies(h http.Header, limit int) (cut cookies.Cut) {
	lines, ok := h["Cookie"]
	if !ok || plainCookies(lines, limit) {
		return cut
	}
	keep, cut := cookies.Fit(lines, limit, ours)
	if len(keep) == 0 {
		delete(h, "Cookie")
		return cut
	}
	h["Cookie"] = []string{strings.Join(keep, "; ")}
	return cut
}

// plainCookies reports whether cookies can pass as they are.
func plainCookies(lines []string, limit int) bool {
	if len(lines) != 1 || len(lines[0]) > limit {
		return false
	}
	space := ""
	for part := range strings.SplitSeq(lines[0], ";") {
		cookie, ok := strings.CutPrefix(part, space)
		if !ok || cookie == "" || ascii.Trim(cookie) != cookie || ours(cookie) {
			return false
		}
		space = " "
	}
	return true
}
