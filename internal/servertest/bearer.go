package servertest

import "net/http"

// Bearer returns a transport that sends a key or token with each request.
func Bearer(inner http.RoundTripper, key string) http.RoundTripper { return bearer{inner, key} }

// Bearer returns somebody with an API key or token, and no cookie.
func (i *Installation) Bearer(key string) *Person {
	p := i.Person()
	p.Client.Transport = Bearer(p.Client.Transport, key)
	return p
}

type bearer struct {
	http.RoundTripper
	key string
}

// CloseIdleConnections implements what http.Client asks of its transport.
func (t bearer) CloseIdleConnections() {
	(&http.Client{Transport: t.RoundTripper}).CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (t bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.key)
	return t.RoundTripper.RoundTrip(r)
}
