package wire

import (
	"net/http"
	"testing"
)

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer T": "T", "bearer T": "T", "BEARER  T": "T", "Bearer T \t": "T", "Bearer a-._~+/9==": "a-._~+/9==",
		"Bearer\tT": "", "Bearer \tT": "", "Bearer\u00a0T": "", "Bearer \u2000T": "", "Bearer T, Bearer U": "", "Bearer T U": "", "Bearer": "", "Bearer ": "", "Bearer =": "", "BearerT": "",
		" Bearer T": "", "Basic T": "", "Bearer, T": "", "Bea\u0280er T": "", "Bearer \"T\"": "", "Bearer T=x": "", "": "",
	} {
		got, ok := Bearer(&http.Request{Header: http.Header{"Authorization": {header}}})
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v", header, got, ok)
		}
	}
	for _, h := range []http.Header{{}, {"Authorization": {"Bearer T", "Bearer T"}}} {
		if _, ok := Bearer(&http.Request{Header: h}); ok {
			t.Errorf("%v", h)
		}
	}
}
