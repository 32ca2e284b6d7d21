package egress

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/dnstest"
)

// TestPublic: every block of IANA's special-purpose registries, and IPv4 in each of its spellings
// in IPv6.
func TestPublic(t *testing.T) {
	t.Parallel()
	private := strings.Fields(`
		0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8
		169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1
		192.31.196.1 192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.19.255.255
		198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255

		:: ::1 ::7f00:1 ::127.0.0.1 ::93.184.216.34
		::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:7f00:1 ::ffff:0:5db8:d822
		64:ff9b::7f00:1 64:ff9b::5db8:d822 64:ff9b:1::1 64:ff9b:1:7f00:0:100::
		100::1 100:0:0:1::1 2001::1 2001::7f00:1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1
		2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2002:7f00:1:: 2002:5db8:d822::
		2620:4f:8000::1 3fff::1 3fff:fff::1 5f00::1 4000::1 1fff::1 8000::1 fc00::1 fd00:ec2::254
		fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1 ff0e::1`)
	for _, address := range private {
		if Public(netip.MustParseAddr(address), nil) {
			t.Errorf("%s counts as public", address)
		}
	}
	for _, address := range strings.Fields(`1.1.1.1 93.184.216.34 100.63.255.255 100.128.0.1 172.15.255.255
		172.32.0.1 198.17.255.255 223.255.255.255 ::ffff:93.184.216.34
		2606:2800:220:1:248:1893:25c8:1946 2001:4860:4860::8888 2a00::1 3ffe::1`) {
		if !Public(netip.MustParseAddr(address), nil) {
			t.Errorf("%s does not count as public", address)
		}
	}
	if Public(netip.Addr{}, nil) {
		t.Error("no address counts as public")
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("64:ff9b::/96")}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "64:ff9b::5db8:d822": true,
		"::10.1.2.3": false,
	} {
		if got := Public(netip.MustParseAddr(address), allow); got != want {
			t.Errorf("with allowed networks: %s: %t", address, got)
		}
	}
}

// TestJudgedAtDial: also a name that resolves to a private address, and a redirect to one.
func TestJudgedAtDial(t *testing.T) {
	t.Parallel()
	asked := 0
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	}))
	defer target.Close()
	port := target.URL[strings.LastIndexByte(target.URL, ':'):]
	var allow []netip.Prefix
	c := NewClient(func() []netip.Prefix { return allow })
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f000001", "2130706433"} {
		for _, scheme := range []string{"http", "https"} {
			if res, err := c.Get(scheme + "://" + host + port); err == nil {
				_ = res.Body.Close()
				t.Errorf("%s is reached over %s", host, scheme)
			}
		}
	}
	if asked != 0 {
		t.Errorf("a private address was asked %d times", asked)
	}
	allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	res, err := c.Get("http://127.0.0.1" + port)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if asked != 1 || res.StatusCode != http.StatusFound {
		t.Errorf("a redirect was followed: %d requests, %s", asked, res.Status)
	}
}

// TestRebinding: a name is public when it is looked at and private when it is dialled, or is both at
// once. The address that is dialled decides.
func TestRebinding(t *testing.T) {
	t.Parallel()
	asked := 0
	target := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer target.Close()
	port := target.URL[strings.LastIndexByte(target.URL, ':'):]
	names := dnstest.New(t)
	// The first answer refuses connections in all networks: TEST-NET-1 is not public.
	names.Host("turns.example.com", []string{"192.0.2.1"}, []string{"127.0.0.1"})
	names.Host("both.example.com", []string{"192.0.2.1", "127.0.0.1"})
	names.Host("mapped.example.com", []string{"::ffff:127.0.0.1"})
	names.Host("inside.example.com", []string{"127.0.0.1"})
	var allow []netip.Prefix
	c := newClient(func() []netip.Prefix { return allow }, names.Resolver())
	c.Transport.(schemes).https.(bounded).next.(*http.Transport).TLSClientConfig =
		target.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	get := func(name string) error {
		res, err := c.Get("https://" + name + ".example.com" + port)
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	}
	for _, name := range []string{"turns", "turns", "both", "mapped", "inside"} {
		if err := get(name); !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", name, err)
		}
		if names.Asked(name+".example.com") == 0 {
			t.Errorf("%s was not looked up", name)
		}
	}
	if asked != 0 {
		t.Errorf("a private address was asked %d times", asked)
	}
	allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := get("inside"); err != nil || asked != 1 {
		t.Errorf("an allowed network: %v, %d requests", err, asked)
	}
}

// TestClear: http reaches the allowed networks alone, however public an address is.
func TestClear(t *testing.T) {
	t.Parallel()
	names := dnstest.New(t)
	names.Host("public.example.com", []string{"93.184.216.34"})
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c := newClient(func() []netip.Prefix { return allow }, names.Resolver())
	for _, host := range []string{"93.184.216.34", "public.example.com", "[2606:2800:220:1:248:1893:25c8:1946]"} {
		_, err := c.Get("http://" + host)
		if !errors.Is(err, ErrClear) {
			t.Errorf("%s: %v", host, err)
		}
	}
}
