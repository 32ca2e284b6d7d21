package edge

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// filterSetCookie removes cookies that an instance may not set: ours, and those for other hosts too.
// One for the org's own host alone passes without its Domain, which would make it one for the hosts
// below as well.
func (g *Gateway) filterSetCookie(s *State, h http.Header) {
	cookies, ok := h["Set-Cookie"]
	if !ok {
		return
	}
	domain := g.Tokens.Site().Domain
	keep := cookies[:0]
	for _, c := range cookies {
		switch pass, drop := judgeSetCookie(c, s.slug, domain); drop {
		case "":
			keep = append(keep, pass)
		default:
			g.cookiesDropped(s, drop, 1, len(c))
		}
	}
	if len(keep) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = keep
}

// maxAttribute is the longest value of an attribute that browsers read (RFC 6265bis, section 5.6).
const maxAttribute = 1024

// judgeSetCookie returns a Set-Cookie line as it may pass, or why it may not. The org's host is
// slug and domain. What a browser would refuse stays as it is, or is dropped: nothing is set that
// would not be without the gateway.
func judgeSetCookie(line, slug, domain string) (pass string, drop CookieDrop) {
	switch {
	case ours(line):
		return "", CookieReserved
	case hasControl(line):
		return "", CookieInvalid
	}
	pair, attributes, _ := strings.Cut(line, ";")
	found, last := false, ""
	for part := range strings.SplitSeq(attributes, ";") {
		name, value, _ := strings.Cut(part, "=")
		if !domainName(name) {
			continue
		}
		if !ascii.EqualFold(ascii.Trim(name), "domain") {
			return "", CookieDomain // some browser may read it so, and none should
		}
		if value = ascii.Trim(value); len(value) <= maxAttribute {
			last = value // the last one counts, also an empty one (sections 5.6.3 and 5.7)
		}
		found = true
	}
	if !found {
		return line, ""
	}
	if last != "" {
		name, _, named := strings.Cut(pair, "=")
		name = ascii.Trim(name)
		const prefix = "__Host-"
		host := named && len(name) >= len(prefix) && ascii.EqualFold(name[:len(prefix)], prefix)
		if host || !isHost(strings.TrimPrefix(last, "."), slug, domain) {
			return "", CookieDomain
		}
	}
	return withoutDomain(pair, attributes), ""
}

// isHost reports whether s is the host of slug under domain, in any case.
func isHost(s, slug, domain string) bool {
	n := len(slug)
	return len(s) > n && s[n] == '.' &&
		ascii.EqualFold(s[:n], slug) && ascii.EqualFold(s[n+1:], domain)
}

func withoutDomain(pair, attributes string) string {
	var b strings.Builder
	b.Grow(len(pair) + 1 + len(attributes))
	b.WriteString(pair)
	for part := range strings.SplitSeq(attributes, ";") {
		if name, _, _ := strings.Cut(part, "="); !domainName(name) {
			b.WriteByte(';')
			b.WriteString(part)
		}
	}
	return b.String()
}

// domainName reports whether some browser could read an attribute's name as Domain.
func domainName(name string) bool { return ascii.EqualFold(graphic(ascii.Trim(name)), "domain") }
