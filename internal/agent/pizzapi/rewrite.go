package pizzapi

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Rewrite sets the headers of a request that Judge returned, as PizzaPi is to see them.
func (a *App) Rewrite(out *http.Request) {
	v, _ := out.Context().Value(visitKey{}).(visit)
	h := out.Header
	h.Del("X-Pizzapi-Client-Ip") // PizzaPi's own, for what it takes for the client's address
	h.Set("X-Forwarded-Proto", a.base.Scheme)
	cookies := theirCookies(h)
	h.Del("Cookie")
	if v.page {
		h.Del("Accept-Encoding") // the script goes into the page's text
	}
	if v.sub == "" {
		if cookies != "" {
			h.Set("Cookie", cookies)
		}
		return
	}
	h.Del("X-Api-Key") // the request is the person's
	a.forwarded(h, v.sub)
	if cookies != "" {
		cookies = "; " + cookies
	}
	h.Set("Cookie", v.cookie+cookies) // first: of two that are read as one name, the first counts
	// The gateway attaches people to requests of the org's own pages alone, also at a former address.
	if h.Get("Origin") != "" || h.Get("Upgrade") != "" || out.Method != http.MethodGet && out.Method != http.MethodHead {
		h.Set("Origin", a.origin())
	}
}

// theirCookies returns a request's cookies without better-auth's, and without those whose name is none
// (RFC 6265, section 4.1.1): PizzaPi could read it as another.
func theirCookies(h http.Header) string {
	var kept []string
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			pair = ascii.Trim(pair)
			name, _, _ := strings.Cut(pair, "=")
			if isToken(name) && !isBetterAuth(name) {
				kept = append(kept, pair)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// isToken reports whether a name is a token (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// isBetterAuth reports whether a cookie is one that better-auth takes for its own.
func isBetterAuth(name string) bool {
	name = ascii.Lower(ascii.Trim(name))
	for _, prefix := range []string{"__secure-", "__host-"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return strings.HasPrefix(name, "better-auth")
}

// Modify makes PizzaPi's answer one for the browser.
func (a *App) Modify(res *http.Response) {
	v, _ := res.Request.Context().Value(visitKey{}).(visit)
	h := res.Header
	var kept []string
	for _, line := range h["Set-Cookie"] {
		name, _, _ := strings.Cut(line, "=")
		if !isBetterAuth(name) {
			kept = append(kept, line)
		}
	}
	h.Del("Set-Cookie")
	if kept != nil {
		h["Set-Cookie"] = kept
	}
	for _, name := range []string{"Set-Auth-Token", "Set-Auth-Jwt"} {
		h.Del(name)
	}
	if res.StatusCode == http.StatusUnauthorized && v.sub != "" {
		a.doubt(v.sub)
	}
	if v.page {
		addScript(res)
	}
}
