package edge

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

// hasOurPrefix compares with cookiePrefix: letters in either case, and all other characters are alike.
// Bytes that are not visible ASCII, and quotes, may count or not: some servers drop a space, and
// others turn it into "_".
func hasOurPrefix(name string) bool {
	const whole = 1 << len(cookiePrefix)
	seen := uint32(1) // a bit for each length of cookiePrefix that the name so far can be read as
	for i := range len(name) {
		c := name[i]
		next := (seen & prefixBytes[c]) << 1
		if !ascii.IsGraphic(c) || c == '"' || c == '\'' || c == '=' {
			next |= seen
		}
		if next&whole != 0 {
			return true
		}
		if seen = next; seen == 0 {
			return false
		}
	}
	return false
}

// prefixBytes says for each byte where in cookiePrefix it can stand: a bit for each position.
var prefixBytes = func() (m [256]uint32) {
	for at, want := range []byte(cookiePrefix) {
		for c := range m {
			b := byte(c) //nolint:gosec // below 256
			letter := ascii.IsAlphanumeric(want)
			if letter && b|0x20 == want || !letter && !ascii.IsAlphanumeric(b) {
				m[c] |= 1 << at
			}
		}
	}
	return m
}()

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
