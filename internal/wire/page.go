package wire

import (
	"net/http"
	"net/url"
	"strings"
)

// WantsPage reports whether an error's answer is a page: a browser navigates, by any method. All
// others get problem details.
func WantsPage(r *http.Request) bool {
	if m := r.Header.Get("Sec-Fetch-Mode"); m != "" && m != "navigate" {
		return false
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Safe reports whether a method only reads (RFC 9110, section 9.2.1).
func Safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// CameFrom is a path of an origin to come back to: the request's own, or of a form the path of the
// page that it is on, "/" when the browser does not say.
func CameFrom(r *http.Request, origin string) string {
	if Safe(r.Method) {
		return ReturnPath(r.URL.RequestURI())
	}
	if from, err := url.Parse(r.Referer()); err == nil && from.Scheme+"://"+from.Host == origin {
		return ReturnPath(from.RequestURI())
	}
	return "/"
}
