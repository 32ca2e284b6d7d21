package wire

import (
	"net/http"
	"testing"
)

func TestSetHSTS(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://pizzapi.example.com": "max-age=31536000", "https://pizzapi.example.com:443": "max-age=31536000",
		"https://pizzapi.example.com:8443": "", "https://pizzapi.localhost": "", "https://pizzapi.localhost:8443": "", "https://localhost": "", "https://192.0.2.1": "", "https://[::1]": "",
	} {
		h := http.Header{}
		if SetHSTS(h, issuer); h.Get("Strict-Transport-Security") != want {
			t.Errorf("%s: %v", issuer, h)
		}
	}
	h := http.Header{"Strict-Transport-Security": {"max-age=0"}}
	if SetHSTS(h, "https://pizzapi.example.com"); h.Get("Strict-Transport-Security") != "max-age=0" {
		t.Error("the operator's own is replaced")
	}
}
