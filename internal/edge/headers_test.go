package edge

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// others are the characters of a header's name that are no letter or digit (RFC 9110, section 5.6.2).
const others = "!#$%&'*+-.^_`|~"

func TestIdentityAlias(t *testing.T) {
	for _, c := range others {
		for _, alias := range []string{"Pizzeria" + string(c) + "Assertion", "pizzeria" + string(c) + "ASSERTION"} {
			if !identityAlias(alias) || !mayNotSay(alias) {
				t.Errorf("%s passes", alias)
			}
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Connection", "close,\t"+alias)
			if checkProtocol(r) == nil {
				t.Errorf("Connection: %s passes", alias)
			}
		}
	}
	for _, other := range []string{"Pizzeria-Assertions", "X-Pizzeria-Assertion", "Pizzeria-Assertiom", "Pizzeria0Assertion", "Cookie", "", "\u2000Pizzeria-Assert"} {
		if identityAlias(other) {
			t.Errorf("%s is taken for ours", other)
		}
	}
}

// TestSpoofedHeaders: a client says neither who it is nor what else it asks for, in no spelling.
func TestSpoofedHeaders(t *testing.T) {
	gone := []string{
		"X-Real-IP", "True-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "Fly-Client-IP", "X-ProxyUser-IP", "X-Envoy-External-Address", "X-Azure-ClientIP", "X-Original-Forwarded-For",
		"Forwarded", "X-Forwarded", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Client-Cert", "X-Forwarded-Uri",
		"Remote-User", "Remote-Groups", "Remote-Addr", "X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "X-Auth-Request-User", "X-Auth-Request-Access-Token", "X-Webauth-User", "X-Authentik-Username", "X-Goog-Authenticated-User-Email",
		"X-Amzn-Oidc-Data", "X-Ms-Client-Principal-Name", "Cf-Access-Jwt-Assertion", "Tailscale-User-Login", "Client-Cert", "X-SSL-Client-Verify", "Ssl-Client-Cert", "OIDC-Claim-Sub",
		"X-HTTP-Method", "X-Method-Override", "X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Original-Host", "X-Host", "X-Middleware-Subrequest", "Script-Name", "Proxy", "Trailer",
	}
	for _, name := range gone {
		for _, c := range others {
			if alias := strings.ReplaceAll(name, "-", string(c)); !mayNotSay(alias) || !mayNotSay(strings.ToUpper(alias)) || !mayNotSay(http.CanonicalHeaderKey(alias)) {
				t.Errorf("%s passes", alias)
			}
		}
	}
	// These pass in their own spelling: reverse_proxy judges them by trusted_proxies, net/http by the protocol.
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Content-Length", "Transfer-Encoding", "Keep-Alive"} {
		for _, c := range others {
			if alias := strings.ReplaceAll(name, "-", string(c)); mayNotSay(alias) != (c != '-') {
				t.Errorf("%s: %v", alias, mayNotSay(alias))
			}
		}
	}
	for _, name := range []string{
		"Accept", "Accept-Language", "User-Agent", "Referer", "Origin", "Cookie", "Authorization", "Content-Type", "If-None-Match", "Range", "Sec-Fetch-Site", "Sec-Websocket-Key", "Upgrade", "Connection", "Te", "Expect", "Via", "Destination", "Depth",
		"X-Requested-With", "X-Csrf-Token", "X-Request-Id", "Traceparent", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amzn-Trace-Id", "X-Auth-Token", "X-Api-Key", "X_App", "Idempotency-Key", "Last-Event-Id", "X", "", strings.Repeat("x-forwarder", 100), ":protocol",
	} {
		if mayNotSay(name) {
			t.Errorf("%s is taken away", name)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"X_real_ip": {"6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"}, "Remote-User": {"root"}, "X-App": {"1"}, "X-Forwarded-For": {"6.6.6.6"}}
	r.Trailer = http.Header{"X": nil}
	clean(r)
	if names := slices.Sorted(func(yield func(string) bool) {
		for n := range r.Header {
			if !yield(n) {
				return
			}
		}
	}); !slices.Equal(names, []string{"X-App", "X-Forwarded-For"}) || r.Trailer != nil {
		t.Errorf("left: %v, trailers %v", names, r.Trailer)
	}
}

// TestAdmitCleans: nothing that comes after Admit sees what a client may not say, the instance least of all.
func TestAdmitCleans(t *testing.T) {
	f := newFixture(t)
	f.g.Routes = registryRoutes{f.org}
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "acme.d.example"
	r.Header = http.Header{"X_real-Ip": {"6.6.6.6"}, "Remote-User": {"root"}, "X-App": {"1"}}
	if st := f.g.Admit(httptest.NewRecorder(), r, func() string { return "r" }, Admission{}); st == nil || len(r.Header) != 1 {
		t.Errorf("left: %v", r.Header)
	}
}

// TestNamesCanBeFound: what the lists say is written as names are looked up.
func TestNamesCanBeFound(t *testing.T) {
	for _, name := range slices.Concat(words(spoofable), words(spoofablePrefixes), words(ownSpelling)) {
		var buf [longestName]byte
		if n, odd := fold(&buf, name); odd || string(buf[:n]) != name || n >= longestName || !first[name[0]] || !first[strings.ToUpper(name)[0]] {
			t.Errorf("%q is never found", name)
		}
	}
}

// TestCleaningCostsNoAllocation: it is done for every header of every request.
func TestCleaningCostsNoAllocation(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for _, name := range []string{"Accept", "User-Agent", "X-Forwarded-For", "X-App", "Sec-Fetch-Site", "Cookie"} {
		r.Header.Set(name, "x")
	}
	if n := testing.AllocsPerRun(100, func() { clean(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
