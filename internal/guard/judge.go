package guard

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

const (
	// maxHead bounds what a request's headers may cost once cookies are cut.
	maxHead = 64 << 10
	// maxCookies is how many bytes of cookies stay untouched. Above, only ours do:
	// an instance gets none then anyway, and the person still signs in.
	maxCookies = 16 << 10
	// oursPrefix is of all cookies of ours, in lower case.
	oursPrefix = "__host-pizzeria"

	nameCost  = 100 // memory of a header's name beyond its bytes: an entry in a map, and a slice
	valueCost = 24  // memory of a header's value beyond its bytes
)

// judge makes a request's headers what may stay in memory. It returns what they
// cost then, and false when that is too much.
func judge(r *http.Request) (cost int64, ok bool) {
	cutCookies(r.Header)
	n := 3*len(r.RequestURI) + len(r.Host) + len(r.Method) // the URI once more, parsed
	for name, values := range r.Header {
		n += len(name) + nameCost
		for _, v := range values {
			n += len(v) + valueCost
		}
		if n > maxHead {
			return int64(n), false
		}
	}
	return int64(n), n <= maxHead
}

// cutCookies drops all cookies but ours where there are too many.
func cutCookies(h http.Header) {
	lines := h["Cookie"]
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size <= maxCookies {
		return
	}
	var keep []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			if part = ascii.Trim(part); ours(part) {
				keep = append(keep, strings.Clone(part)) // a part alone would keep its line in memory
			}
		}
	}
	if len(keep) == 0 {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = []string{strings.Join(keep, "; ")}
}

func ours(cookie string) bool {
	return len(cookie) >= len(oursPrefix) && ascii.EqualFold(cookie[:len(oursPrefix)], oursPrefix)
}

// refuse answers with headers only, which no flow control can hold, and drops the
// request's headers first.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	r.Header = http.Header{}
	h := w.Header()
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", "0")
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close") // what follows of the request is not read
	}
	w.WriteHeader(status)
}
