package wire

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

const (
	// MaxPath is how long a path with its query may be that a sign-in comes back to, in bytes.
	MaxPath = 8 << 10
	// MaxFragment is how long the fragment of one may be, in bytes.
	MaxFragment = 2 << 10
)

// ReturnPath makes a request target, with or without a fragment, safe to send a browser to: a path
// on the same host, of visible ASCII characters and whole percent signs. Its path holds no "//" and
// no backslash, which browsers read as a slash.
//
// A path that does not comply becomes its nearest safe parent, which ends with the last "/" before
// the fault: "/a//b?x" becomes "/a/", `/a\b` becomes "/". A query that does not comply, or that
// makes the target longer than MaxPath, is left out, and so is a fragment; the fragment also goes
// with whatever else goes, since it belongs to the page.
func ReturnPath(target string) string { return ReturnPathMax(target, MaxPath) }

// ReturnPathMax is ReturnPath with another limit for the path and its query.
func ReturnPathMax(target string, limit int) string {
	target, fragment, _ := strings.Cut(target, "#")
	path, query, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") {
		return "/"
	}
	if n := min(safeLen(path), limit); n < len(path) {
		return path[:strings.LastIndexByte(path[:n], '/')+1]
	}
	if len(target) > limit || !graphic(query) {
		return path
	}
	if fragment == "" || len(fragment) > MaxFragment || !graphic(fragment) || !escaped(fragment) {
		return target
	}
	return target + "#" + fragment
}

// safeLen is how many bytes of a path come before what is refused.
func safeLen(path string) int {
	for i := range len(path) {
		switch c := path[i]; {
		case !ascii.IsGraphic(c), c == '\\', c == '/' && i > 0 && path[i-1] == '/',
			c == '%' && !escaped(path[i:min(i+3, len(path))]):
			return i
		}
	}
	return len(path)
}

func graphic(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// escaped reports whether two hexadecimal digits follow every percent sign.
func escaped(s string) bool {
	_, err := url.PathUnescape(s)
	return err == nil
}

// GoTo redirects a browser to a path from ReturnPath, after a form too, byte for byte:
// http.Redirect cleans a path, and takes a fragment for a part of it.
func GoTo(w http.ResponseWriter, path string) {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
}
