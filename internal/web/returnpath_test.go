package web

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/", "/notes?x=1", "//evil.example", `/\evil.example`, "/\t/evil.example", "https://evil.example", "/%2f/evil", "/a//b", "javascript:alert(1)", "/..//evil.example"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://acme.d.example/deep/page")
	f.Fuzz(func(t *testing.T, target string) {
		got := ReturnPath(target)
		if got != "/" && got != target {
			t.Fatalf("%q became %q", target, got)
		}
		// As browsers do (WHATWG URL): no tabs or line breaks, controls and spaces trimmed, backslashes as slashes.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.Trim(got, " \x00\x01\x1f"))
		u, err := base.Parse(seen)
		if err != nil {
			t.Skip()
		}
		if u.Host != base.Host || u.Scheme != "https" {
			t.Fatalf("%q leads to %s", target, u)
		}
	})
}
