package token

import "testing"

// TestPrefix: the reserved path may lie anywhere, but only where everybody reads it alike.
func TestPrefix(t *testing.T) {
	for prefix, good := range map[string]bool{
		"": true, "/.pizzeria": true, "/api/.pizzeria": true, "/api/v1/auth": true, "/...": true,
		"/": false, "/a": false, "api": false, "/api/": false, "/a//b": false, "/a/../b": false, "/a/..": false, "/..": false,
		"/a/./b": false, "/a/.": false, "/a%2fb": false, "/a b": false, "/a\"b": false, "/a?b": false, "/a#b": false, "/a;b": false,
		`/a\b`: false, "/a{b}": false, "/\u212aey": false, "/a\n": false,
	} {
		site, err := NewSite("d.example", "", prefix)
		if (err == nil) != good {
			t.Errorf("%q: %v", prefix, err)
		}
		if good && prefix != "" && (site.CallbackURL("acme") != "https://acme.d.example"+prefix+"/callback" || site.SignInURL("acme") != "https://acme.d.example"+prefix+"/sign-in") {
			t.Errorf("%q: %s", prefix, site.SignInURL("acme"))
		}
	}
}
