package wire

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// OriginForm reports whether a request's target is a path on the request's own host, written so
// that everything behind reads the same path, and makes absolute-form the origin-form that it means
// (RFC 9112, section 3.2): `GET http://host` becomes `/`. Call it before anything looks at the path.
//
// What it stops: net/url reads `x:anything` as opaque, with an empty path for every check, and then
// sends it on as it came. Over HTTP/2, a `:path` can hold spaces; by the server's version it can also
// be another URL, with a Host header that contradicts `:authority`. `OPTIONS *` is about a server and not about what is on it: net/http
// answers it itself on HTTP/1.1 and HTTP/2, and here it is no path.
func OriginForm(r *http.Request) bool {
	u := r.URL
	target := r.RequestURI
	if target == "" { // made in this process
		target = u.RequestURI()
	}
	for i := range len(target) {
		if c := target[i]; !ascii.IsGraphic(c) || c == '#' {
			return false
		}
	}
	if u.Opaque != "" || u.User != nil || u.OmitHost || strings.IndexByte(u.Path, 0) >= 0 {
		return false
	}
	if r.ProtoMajor >= 2 {
		host, ok := r.Header["Host"] // net/http takes it off HTTP/1.1 alone
		if ok && (len(host) != 1 || host[0] != r.Host) || u.Scheme != "" || u.Host != "" {
			return false
		}
		delete(r.Header, "Host")
	}
	if u.Scheme == "" && u.Host == "" {
		return strings.HasPrefix(u.Path, "/") && target[0] == '/'
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Host != r.Host || u.Path != "" && u.Path[0] != '/' {
		return false
	}
	u.Scheme, u.Host = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	r.RequestURI = u.RequestURI()
	return true
}
