package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Two readings of a cookie's name, for two questions. Which cookie is ours: exactly the name that
// browsers protect, see web.OneCookie. Which cookies must not pass: all that some server or browser
// could take for ours, see ours.

func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// maxAppCookies bounds the cookies that an instance gets, in bytes. A sibling org
// can toss many into its neighbours' browsers; servers refuse requests with long
// headers, and without the bomb the person still gets in.
const maxAppCookies = 8 << 10

// stripCookies removes our cookies from a request, whatever their spelling, and all when they are too many.
func stripCookies(h http.Header) {
	lines, ok := h["Cookie"]
	if !ok {
		return
	}
	var keep []string
	size := 0
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			part = ascii.Trim(part)
			if part != "" && !ours(part) {
				keep = append(keep, part)
				size += len(part)
			}
		}
	}
	if len(keep) == 0 || size > maxAppCookies {
		delete(h, "Cookie")
		return
	}
	h["Cookie"] = []string{strings.Join(keep, "; ")}
}

// ours reports whether somebody could read "name=value" as a cookie of ours. Browsers take the
// `__Host-` prefix in any case, and a cookie without a name by its value. Servers also trim Unicode
// spaces, quotes and controls, decode percent signs (once or twice), and turn other characters of a name into "_"
// (PHP). What is dropped here needs not be exactly that: an app has no cookie that is close to ours.
func ours(cookie string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(cookie, "= \t"), "=")
	for range 3 {
		if hasOurPrefix(name) {
			return true
		}
		if strings.IndexByte(name, '%') < 0 {
			return false
		}
		name = percentDecode(name)
	}
	return false
}

// percentDecode decodes what can be decoded, and leaves the rest, as lenient servers do.
func percentDecode(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(c))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// hasOurPrefix compares with cookiePrefix: bytes that are not visible ASCII, and quotes, do not
// count, letters in either case, and all other characters are alike.
func hasOurPrefix(name string) bool {
	at := 0
	for i := 0; i < len(name) && at < len(cookiePrefix); i++ {
		c, want := name[i], cookiePrefix[at]
		switch {
		case !ascii.IsGraphic(c) || c == '"' || c == '\'' || c == '=':
			continue
		case ascii.IsAlphanumeric(want) && c|0x20 != want, !ascii.IsAlphanumeric(want) && ascii.IsAlphanumeric(c):
			return false
		}
		at++
	}
	return at == len(cookiePrefix)
}

// filterSetCookie removes cookies that an instance may not set: ours, and those for other hosts too.
func filterSetCookie(h http.Header) {
	cookies, ok := h["Set-Cookie"]
	if !ok {
		return
	}
	keep := cookies[:0:0]
	for _, c := range cookies {
		if !ours(c) && !hasDomain(c) && !hasControl(c) {
			keep = append(keep, c)
		}
	}
	if len(keep) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = keep
}

// hasDomain reports whether a Set-Cookie line sets a cookie for other hosts too.
func hasDomain(line string) bool {
	for i, part := range strings.Split(line, ";") {
		if name, _, _ := strings.Cut(part, "="); i > 0 && ascii.EqualFold(graphic(name), "domain") {
			return true
		}
	}
	return false
}

// hasControl reports whether a line holds control characters. Browsers refuse such a cookie, or cut
// it there, or drop them: how depends on the browser, so that nothing can be said of its name.
func hasControl(line string) bool {
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// graphic leaves the visible ASCII characters of a string.
func graphic(s string) string {
	for i := range len(s) {
		if !ascii.IsGraphic(s[i]) {
			b := append(make([]byte, 0, len(s)), s[:i]...)
			for ; i < len(s); i++ {
				if ascii.IsGraphic(s[i]) {
					b = append(b, s[i])
				}
			}
			return string(b)
		}
	}
	return s
}
