package wire

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// SetHSTS makes browsers use HTTPS alone for the issuer's host, for a year (RFC 6797), unless
// something before it has said so in its own words. Without includeSubDomains: the hosts below are
// the orgs', and each decides for its own.
//
// Browsers apply it to all ports of a host, and then allow no exception for an unknown certificate.
// So it is not for addresses, localhost and names below it, where other things are developed, nor for
// a host on whose port 443 something else may be.
func SetHSTS(h http.Header, issuer string) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" || u.Port() != "" && u.Port() != "443" {
		return
	}
	name := strings.TrimSuffix(u.Hostname(), ".")
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return
	}
	if len(h["Strict-Transport-Security"]) == 0 {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}
