package wire

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestReturnPath(t *testing.T) {
	long := "/" + strings.Repeat("a", MaxPath-1)
	for target, want := range map[string]string{
		"":                                       "/",
		"/":                                      "/",
		"notes":                                  "/",
		"https://evil.example/a/b":               "/",
		"javascript:alert(1)":                    "/",
		"/notes/1?x=1&y=%2F#top":                 "/notes/1?x=1&y=%2F#top",
		"//evil.example/a":                       "/",
		`/\evil.example`:                         "/",
		"/\t/evil.example":                       "/",
		"/a//b?x":                                "/a/",
		"/a/b//c#top":                            "/a/b/",
		`/a\b`:                                   "/",
		`/a/b\c/d`:                               "/a/",
		"/a/b c":                                 "/a/",
		"/a/b%zz/c":                              "/a/",
		"/a/b%2":                                 "/a/",
		"/a/\u00e9":                              "/a/",
		"/a/b/../c":                              "/a/b/../c",
		"/a?to=https://b.example//":              "/a?to=https://b.example//",
		`/a?x=\b`:                                `/a?x=\b`,
		"/a/b?x=\u00e9#top":                      "/a/b",
		"/a/b?x=1 #top":                          "/a/b",
		"/a#":                                    "/a",
		"/a#//b":                                 "/a#//b",
		`/a#!/b?c=\d#e`:                          `/a#!/b?c=\d#e`,
		"/a?x#100%":                              "/a?x",
		"/a?x#\u00e9":                            "/a?x",
		"/a?x#b c":                               "/a?x",
		"/a?x#b\r\nX: y":                         "/a?x",
		long:                                     long,
		long + "a":                               "/",
		"/a/b/c" + long:                          "/a/b/c/",
		"/a/b?x=" + long + "#top":                "/a/b",
		long + "#top":                            long + "#top",
		"/a#" + strings.Repeat("b", MaxFragment): "/a#" + strings.Repeat("b", MaxFragment),
		"/a#" + strings.Repeat("b", MaxFragment+1): "/a",
	} {
		if got := ReturnPath(target); got != want {
			t.Errorf("%.60q became %.60q, want %.60q", target, got, want)
		}
	}
	if got := ReturnPathMax(long+"a", MaxPath+1); got != long+"a" {
		t.Errorf("another limit: %d bytes", len(got))
	}
}

// TestGoToKeepsPath: a redirect to where somebody was going is to no other page.
func TestGoToKeepsPath(t *testing.T) {
	for _, path := range []string{"/a/../b", "/a#//b/../c", "/a?x=//y#/z/"} {
		w := httptest.NewRecorder()
		GoTo(w, path)
		if got := w.Header().Get("Location"); w.Code != 303 || got != path {
			t.Errorf("%d %q, want %q", w.Code, got, path)
		}
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{
		"/", "/notes?x=1", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"https://evil.example", "/%2f/evil", "/a//b", "javascript:alert(1)", "/..//evil.example",
		"/a#//b", `/a?\b#c%`,
	} {
		f.Add(s)
	}
	base, _ := url.Parse("https://acme.d.example/deep/page")
	f.Fuzz(func(t *testing.T, target string) {
		got := ReturnPath(target)
		if again := ReturnPath(got); again != got {
			t.Fatalf("%q became %q, and then %q", target, got, again)
		}
		if !strings.HasPrefix(target, got) && got != "/" {
			t.Fatalf("%q became %q", target, got)
		}
		// As browsers do (WHATWG URL): no tabs or line breaks, controls and spaces trimmed,
		// backslashes as slashes.
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").
			Replace(strings.Trim(got, " \x00\x01\x1f"))
		for _, read := range []string{seen, got} {
			u, err := base.Parse(read)
			if err != nil {
				t.Fatalf("%q: %v", target, err)
			}
			if u.Host != base.Host || u.Scheme != "https" || u.User != nil {
				t.Fatalf("%q leads to %s", target, u)
			}
		}
	})
}
