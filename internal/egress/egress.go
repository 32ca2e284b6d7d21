// Package egress reaches addresses that people of an org typed: public ones over https. Private
// addresses, and http, are for the networks that the operator allows.
//
// Every address is judged as it is dialled, after the name is resolved. No redirect is followed and
// no proxy is used. What counts as public are IANA's special-purpose registries, as
// code.dny.dev/ssrf keeps them.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrPrivate says that an address is not one of the public Internet.
var ErrPrivate = errors.New("private addresses are not reached: ask the operator to allow it")

// ErrClear says that an address is asked in the clear outside of the allowed networks.
var ErrClear = errors.New("use https: only networks that the operator allows are reached over http")

// internet judges addresses, on any port. IPv4 in IPv6 (mapped, compatible, translated, NAT64, 6to4,
// Teredo) is not public there: it is outside of 2000::/3, or denied within.
var internet = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork())

// Allowed reports whether an address is in one of the allowed networks. An IPv4-mapped address is
// the IPv4 address: it is dialled as that.
func Allowed(a netip.Addr, allow []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Public reports whether an address may be dialled: one of the public Internet, or one of allow.
func Public(a netip.Addr, allow []netip.Prefix) bool {
	return Allowed(a, allow) || a.IsValid() && internet.SafeAddr(a.Unmap().WithZone("")) == nil
}

// NewClient makes a client that judges addresses as it dials them: a name that
// resolves to something else at the second look gains nothing.
func NewClient(allow func() []netip.Prefix) *http.Client {
	return newClient(allow, net.DefaultResolver)
}

func newClient(allow func() []netip.Prefix, names *net.Resolver) *http.Client {
	dial := func(refused error, may func(netip.Addr, []netip.Prefix) bool) *http.Transport {
		control := func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !may(ap.Addr(), allow()) {
				return fmt.Errorf("%w: %s", refused, address)
			}
			return nil
		}
		d := &net.Dialer{Timeout: 5 * time.Second, Resolver: names, ControlContext: control}
		return &http.Transport{DialContext: d.DialContext} // no proxy: it would dial for us, unjudged
	}
	return client(schemes{
		https: bound(dial(ErrPrivate, Public)),
		http:  bound(dial(ErrClear, Allowed)),
	})
}

// NewTrusting makes a client for addresses that the operator named: private ones too, and through the operator's proxy.
func NewTrusting() *http.Client {
	d := &net.Dialer{Timeout: 5 * time.Second}
	return client(bound(&http.Transport{DialContext: d.DialContext, Proxy: http.ProxyFromEnvironment}))
}

// schemes sends requests by their scheme: what may be dialled differs.
type schemes struct{ https, http http.RoundTripper }

func (s schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return s.https.RoundTrip(r)
	}
	return s.http.RoundTrip(r)
}

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 1 << 20

func bound(t *http.Transport) http.RoundTripper {
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes = 5*time.Second, 10*time.Second, 16<<10
	t.DisableKeepAlives, t.ForceAttemptHTTP2 = true, true
	return bounded{t}
}

func client(t http.RoundTripper) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second, Transport: t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded cuts answers off after maxAnswer.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	}
	return res, err
}
