package guard

import (
	"context"
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
	"github.com/pizzaface/pizzeria/internal/cookies"
)

const (
	// maxHead bounds what a request's headers may cost once cookies are cut.
	maxHead = 64 << 10
	// MaxCookies is how many bytes of an app's cookies a request may keep. The largest are cut until
	// the others fit; ours stay, so that the person still signs in.
	MaxCookies = 32 << 10
	// oursPrefix is of all cookies of ours, in lower case.
	oursPrefix = "__host-pizzeria"

	nameCost  = 100 // memory of a header's name beyond its bytes: an entry in a map, and a slice
	valueCost = 24  // memory of a header's value beyond its bytes
)

// judge makes a request's headers what may stay in memory. It returns the request, what they
// cost then, and false when that is too much.
func judge(r *http.Request) (judged *http.Request, cost int64, ok bool) {
	if c := cutCookies(r.Header); c.Cookies > 0 {
		r = r.WithContext(context.WithValue(r.Context(), cutKey{}, c))
	}
	n := 3*len(r.RequestURI) + len(r.Host) + len(r.Method) // the URI once more, parsed
	for name, values := range r.Header {
		n += len(name) + nameCost
		for _, v := range values {
			n += len(v) + valueCost
		}
		if n > maxHead {
			return r, int64(n), false
		}
	}
	return r, int64(n), n <= maxHead
}

type cutKey struct{}

// CutOf returns what the guard cut of the cookies of the request with this context.
func CutOf(ctx context.Context) cookies.Cut {
	c, _ := ctx.Value(cutKey{}).(cookies.Cut)
	return c
}

// cutCookies cuts an app's cookies where there are too many.
func cutCookies(h http.Header) (cut cookies.Cut) {
	lines := h["Cookie"]
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size <= MaxCookies {
		return cut
	}
	keep, _ := cookies.Fit(lines, size, func(c string) bool { return !ours(c) })
	apps, cut := cookies.Fit(lines, MaxCookies, ours)
	if keep = append(keep, apps...); len(keep) == 0 {
		delete(h, "Cookie")
		return cut
	}
	// One cookie alone would keep its line in memory.
	h["Cookie"] = []string{strings.Clone(strings.Join(keep, "; "))}
	return cut
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
