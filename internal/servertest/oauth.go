package servertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// OAuthApp is an OAuth application.
type OAuthApp struct {
	ID     string
	Secret string
}

// Register registers an OAuth application that people come back to at a URI. More is added to the
// request's JSON.
func (p *Person) Register(uri, more string) OAuthApp {
	p.Helper()
	var v struct {
		Client struct{ ID string }
		Secret string
	}
	p.Call(p, "POST", p.Console+"/api/v1/clients", `{"name":"An app","redirect_uris":["`+uri+
		`"],"post_logout_redirect_uris":["`+uri+`"]`+more+`}`, 201, &v)
	return OAuthApp{v.Client.ID, v.Secret}
}

// WebPage is somebody else's web page, which people come back to.
func WebPage(t testing.TB) *httptest.Server {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the app at "+r.URL.Path)
	}))
	t.Cleanup(p.Close)
	return p
}

// Elsewhere lets the person's browser reach other addresses than the server's, which alone are
// https.
func (p *Person) Elsewhere() *Person {
	p.Client.Transport = elsewhere{p.Client.Transport}
	return p
}

type elsewhere struct{ inside http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return http.DefaultTransport.RoundTrip(r)
	}
	return t.inside.RoundTrip(r)
}
