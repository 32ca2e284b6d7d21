package wire

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"
)

// TestAdmit: the control plane answers for its own name alone, at a path, and says HTTPS.
func TestAdmit(t *testing.T) {
	const issuer = "https://pizzapi.example.com"
	for _, c := range []struct {
		host, name, target string
		want               int
	}{
		{"pizzapi.example.com", "pizzapi.example.com", "/", 200}, {"PIZZAPI.example.com.:443", "pizzapi.example.com", "/", 200}, {"pizzapi.example.com:8443", "", "/", 200}, {"pizzapi.example.com", "pizzapi.example.com", "http://pizzapi.example.com", 200},
		{"acme.pizzapi.example.com", "pizzapi.example.com", "/", 421}, {"pizzapi.example.com", "acme.pizzapi.example.com", "/", 421}, {"pizzapi.example.com:0", "", "/", 421}, {"pizzapi.example.com:65536", "", "/", 421}, {"pizzapi.example.com:", "", "/", 421},
		{"pizzap\u0131.example.com", "", "/", 421}, {"", "", "/", 421}, {"pizzapi.example.com", "", "x:/healthz", 400}, {"pizzapi.example.com", "", "x:http://pizzapi.example.com/", 400},
	} {
		r := received("GET", c.target)
		r.Host, r.TLS = c.host, &tls.ConnectionState{ServerName: c.name}
		w := httptest.NewRecorder()
		if got := Admit(w, r, issuer); got != (c.want == 200) || w.Code != c.want {
			t.Errorf("%+v: %v %d", c, got, w.Code)
		}
		if hsts := w.Header().Get("Strict-Transport-Security"); (hsts != "") != (c.want != 421) {
			t.Errorf("%+v: HSTS %q", c, hsts)
		}
	}
}
