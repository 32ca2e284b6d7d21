package egress

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestProxyMetadata: what gives out a cloud's credentials is refused before it is dialled, whatever
// the operator allows.
func TestProxyMetadata(t *testing.T) {
	rules, err := ParseRules([]string{"0.0.0.0/0", "::/0", "*"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Rules: rules}
	for _, address := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "[::ffff:169.254.169.254]:80", "[fd20:ce::254]:80",
		"168.63.129.16:80", "100.100.100.200:80", "192.0.0.192:80"} {
		r := httptest.NewRequest(http.MethodConnect, "http://"+address, nil)
		r.Host = address
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", address, w.Code, w.Body)
		}
	}
}

// TestProxy: what the rules say is reached, over http and https, and nothing else, also not what an
// allowed name leads to within the machine.
func TestProxy(t *testing.T) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if via := r.Header.Get("X-Forwarded-For"); via != "" {
			t.Errorf("it tells who asks: %s", via)
		}
		_, _ = io.Copy(w, io.MultiReader(strings.NewReader("hello "), r.Body))
	})
	plain, secure := httptest.NewServer(hello), httptest.NewTLSServer(hello)
	defer plain.Close()
	defer secure.Close()
	for _, c := range []struct {
		rules []string
		host  string
		want  bool
	}{
		{[]string{"127.0.0.0/8"}, "127.0.0.1", true},
		{[]string{"127.0.0.0/8"}, "localhost", true},
		{nil, "127.0.0.1", false},
		{[]string{"*"}, "127.0.0.1", false},
		{[]string{"localhost:%s"}, "localhost", false},
		{[]string{"*:%s"}, "localhost", false},
		{[]string{"10.0.0.0/8"}, "127.0.0.1", false},
	} {
		for _, at := range []*httptest.Server{plain, secure} {
			u, err := url.Parse(at.URL)
			if err != nil {
				t.Fatal(err)
			}
			var rules []string
			for _, r := range c.rules {
				if strings.Contains(r, "%s") {
					r = fmt.Sprintf(r, u.Port())
				}
				rules = append(rules, r)
			}
			parsed, err := ParseRules(rules)
			if err != nil {
				t.Fatal(err)
			}
			proxy := httptest.NewServer(&Proxy{Rules: parsed})
			through, err := url.Parse(proxy.URL)
			if err != nil {
				t.Fatal(err)
			}
			transport := secure.Client().Transport.(*http.Transport).Clone()
			transport.Proxy = http.ProxyURL(through)
			transport.TLSClientConfig.ServerName = "example.com"
			res, err := (&http.Client{Transport: transport}).Post(u.Scheme+"://"+c.host+":"+u.Port()+"/", "text/plain", strings.NewReader("world"))
			got := ""
			if err == nil {
				b, _ := io.ReadAll(res.Body)
				got = string(b)
				_ = res.Body.Close()
			}
			if reached := got == "hello world"; reached != c.want {
				t.Errorf("%v to %s: %q %v", rules, u.Scheme+"://"+c.host, got, err)
			}
			transport.CloseIdleConnections()
			proxy.Close()
		}
	}
}

// TestRules: which names and ports a rule allows.
func TestRules(t *testing.T) {
	for rule, hosts := range map[string]map[string]bool{
		"api.example.com":      {"api.example.com:443": true, "API.example.com.:80": true, "api.example.com:8080": false, "x.api.example.com:443": false, "example.com:443": false, "evilapi.example.com:443": false},
		"*.example.com":        {"api.example.com:443": true, "a.b.example.com:443": true, "example.com:443": false, "evilexample.com:443": false},
		"api.example.com:8443": {"api.example.com:8443": true, "api.example.com:443": false},
		"*":                    {"anything.test:443": true, "anything.test:22": false},
	} {
		r, err := ParseRules([]string{rule})
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range hosts {
			i := strings.LastIndexByte(at, ':')
			if got := r.allows(at[:i], at[i+1:]); got != want {
				t.Errorf("%s allows %s: %t", rule, at, got)
			}
		}
	}
	for _, bad := range []string{"", "a.*.example.com", "https://example.com", "127.0.0.1", "*.", "10.0.0.0/40", "::1"} {
		if _, err := ParseRules([]string{bad}); err == nil {
			t.Errorf("%q is a rule", bad)
		}
	}
}
