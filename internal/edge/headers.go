package edge

import (
	"net/http"
	"strings"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// Headers of a request that servers and frameworks believe because a proxy before them is supposed
// to set them. From a client they are lies, so they are removed, in every spelling that a server
// could read as one of them: CGI, WSGI and the like turn each character of a name that is no letter
// or digit into "_", and then two names are one. The operator's own (`header_up`, `request_header`,
// `forward_auth`) come later, and pass.
//
// Not here: X-Forwarded-For and X-Forwarded-Host, which reverse_proxy sets, and keeps from those
// whom the option `trusted_proxies` names; and X-Forwarded-Proto, which RoundTrip sets. Their other
// spellings are removed.

// spoofable are whole names, in lower case and with "-".
const spoofable = `
	pizzeria-assertion

	// who the client is: its address
	client-ip x-client-ip x-clientip x-real-ip x-real-port x-cluster-client-ip x-originating-ip x-coming-from
	true-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-ipcountry cf-visitor do-connecting-ip
	x-proxyuser-ip proxy-client-ip wl-proxy-client-ip x-nf-client-connection-ip
	forwarded x-forwarded forwarded-for forwarded-for-ip forwarded-proto forwarded-host
	x-forward-for x-forward-proto x-original-forwarded-for

	// who the client is: its name, its certificate
	proxy-user proxy-remote-user x-proxy-user x-proxy-remote-user x-userinfo x-goog-iap-jwt-assertion
	client-cert client-cert-chain client-verify x-client-cert x-client-verify x-client-dn x-client-cn x-arr-clientcert

	// what the client asks for: method, URL, host
	x-http-method x-http-method-override x-method-override x-method x-original-method
	x-original-url x-original-uri x-rewrite-url x-rewrite-uri x-override-url x-request-uri x-http-destinationurl
	request-uri script-name x-script-name path-info x-middleware-subrequest
	x-original-host x-host x-http-host-override x-original-proto x-scheme x-url-scheme front-end-https

	// how the exchange works
	proxy proxy-host trailer
`

// spoofablePrefixes are the beginnings of such names.
const spoofablePrefixes = `
	x-forwarded- x-remote- remote- x-auth-request- x-webauth- x-authentik- x-authenticated- x-authelia-
	x-pomerium- x-vouch- x-consumer- x-credential- x-oidc- oidc-claim- oidc-access- x-amzn-oidc-
	x-goog-authenticated- x-ms-client-principal cf-access- tailscale- x-ssl- ssl-client x-client-cert- x-tls-client-
	x-envoy- x-azure- x-appengine- x-vercel- cloudfront-viewer- fastly- fly-
`

// ownSpelling are names that pass in their own spelling alone. The first line is reverse_proxy's to
// set, the second says where a message ends and what becomes of its connection, which net/http reads.
const ownSpelling = `
	x-forwarded-for x-forwarded-proto x-forwarded-host
	host connection content-length transfer-encoding keep-alive upgrade te expect proxy-connection proxy-authorization proxy-authenticate
`

type verdict int

const (
	verdictGone  verdict = iota + 1 // removed in every spelling
	verdictPlain                    // passes in its own
)

var verdicts = func() map[string]verdict {
	m := map[string]verdict{}
	for _, name := range words(spoofable) {
		m[name] = verdictGone
	}
	for _, name := range words(ownSpelling) {
		m[name] = verdictPlain
	}
	return m
}()

// beginnings are grouped by their first byte, since every header of every request is looked at.
var beginnings = func() (m [256][]string) {
	for _, p := range words(spoofablePrefixes) {
		m[p[0]] = append(m[p[0]], p)
	}
	return m
}()

// first says with which bytes the names in the lists begin, in either case. Most headers' do not.
var first = func() (m [256]bool) {
	for _, name := range words(spoofable + spoofablePrefixes + ownSpelling) {
		m[name[0]], m[name[0]&^0x20] = true, true
	}
	return m
}()

// words are a list's lines without comments.
func words(list string) (all []string) {
	for line := range strings.Lines(list) {
		line, _, _ = strings.Cut(line, "//")
		all = append(all, strings.Fields(line)...)
	}
	return all
}

// clean removes what a client may not say.
func clean(r *http.Request) {
	for name := range r.Header {
		if mayNotSay(name) {
			delete(r.Header, name)
		}
	}
	r.Trailer = nil
}

// longestName is how much of a header's name is looked at; the names in the lists are shorter.
const longestName = 48

func mayNotSay(name string) bool {
	if name == "" || !first[name[0]] {
		return false
	}
	var buf [longestName]byte
	n, odd := fold(&buf, name)
	if n < longestName {
		if v := verdicts[string(buf[:n])]; v != 0 { // the compiler copies no key for a look-up
			return v == verdictGone || odd
		}
	}
	for _, p := range beginnings[buf[0]] {
		if len(p) <= n && string(buf[:len(p)]) == p {
			return true
		}
	}
	return false
}

// fold writes a header's name as the laxest servers read it: in one case, and "-" for all that is no
// letter or digit. odd says that there was something other than "-".
func fold(buf *[longestName]byte, name string) (n int, odd bool) {
	for n = 0; n < len(name) && n < longestName; n++ {
		switch c := name[n]; {
		case !ascii.IsAlphanumeric(c):
			buf[n], odd = '-', odd || c != '-'
		default:
			buf[n] = c | 0x20
		}
	}
	return n, odd
}

// identityAlias reports whether an upstream could read a header name as our identity header.
func identityAlias(name string) bool {
	if len(name) != len(AssertionHeader) {
		return false
	}
	for i := range len(name) {
		a, b := name[i], AssertionHeader[i]
		if !ascii.IsAlphanumeric(a) && b != '-' || ascii.IsAlphanumeric(a) && a|0x20 != b|0x20 {
			return false
		}
	}
	return true
}
