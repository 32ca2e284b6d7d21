package egress

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true,
		"127.0.0.1": false, "127.8.8.8": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "240.0.0.1": false, "192.0.0.8": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false, "fec0::1": false,
	} {
		if got := Public(netip.MustParseAddr(address), nil); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	if !Public(netip.MustParseAddr("10.1.2.3"), allow) || !Public(netip.MustParseAddr("::ffff:10.1.2.3"), allow) || Public(netip.MustParseAddr("10.2.0.1"), allow) {
		t.Error("allowed networks")
	}
}

// TestJudgedAtDial: also a name that resolves to a private address, and a redirect to one.
func TestJudgedAtDial(t *testing.T) {
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
		if res, err := c.Get("http://" + host + port); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s is reached", host)
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
