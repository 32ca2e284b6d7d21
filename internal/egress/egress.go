// Package egress reaches addresses that people of an org typed: never private ones, unless the operator allows it.
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
)

// ErrPrivate says that an address is not one of the public Internet.
var ErrPrivate = errors.New("private addresses are not reached: ask the operator to allow it")

// special are networks that are not the public Internet, beyond those that
// netip knows (IANA special-purpose registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("fec0::/10"),
}

// Public reports whether an address may be dialled: one of the public Internet, or one of allow.
func Public(a netip.Addr, allow []netip.Prefix) bool {
	a = a.Unmap().WithZone("")
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	if slices.ContainsFunc(allow, in) {
		return true
	}
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special, in)
}

// NewClient makes a client that judges addresses as it dials them: a name that
// resolves to something else at the second look gains nothing.
func NewClient(allow func() []netip.Prefix) *http.Client {
	d := &net.Dialer{Timeout: 5 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !Public(ap.Addr(), allow()) {
			return fmt.Errorf("%w: %s", ErrPrivate, address)
		}
		return nil
	}}
	return client(&http.Transport{DialContext: d.DialContext}) // no proxy: it would dial for us, unjudged
}

// NewTrusting makes a client for addresses that the operator named: private ones too, and through the operator's proxy.
func NewTrusting() *http.Client {
	d := &net.Dialer{Timeout: 5 * time.Second}
	return client(&http.Transport{DialContext: d.DialContext, Proxy: http.ProxyFromEnvironment})
}

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 1 << 20

func client(t *http.Transport) *http.Client {
	t.TLSHandshakeTimeout, t.ResponseHeaderTimeout, t.MaxResponseHeaderBytes = 5*time.Second, 10*time.Second, 16<<10
	t.DisableKeepAlives, t.ForceAttemptHTTP2 = true, true
	return &http.Client{
		Timeout: 10 * time.Second, Transport: bounded{t},
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
