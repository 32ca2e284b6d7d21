package wire

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const ownHost = "acme.d.example"

// received is what net/http's server makes of a request line, nil when it refuses it itself.
func received(method, target string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: " + ownHost + "\r\n\r\n")))
	if err != nil {
		return nil
	}
	return r
}

// over2 is what HTTP/2 and HTTP/3 servers make of a `:path`.
func over2(major int, path string) *http.Request {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil
	}
	return &http.Request{Method: "GET", URL: u, RequestURI: path, Host: ownHost, ProtoMajor: major, Header: http.Header{}}
}

func TestOriginForm(t *testing.T) {
	for target, want := range map[string]string{ // "" is refused
		"/":                                      "/",
		"/a?b=c":                                 "/a?b=c",
		"/a%20b/%C3%BC?q=%C3%BC":                 "/a%20b/%C3%BC?q=%C3%BC",
		"/a|b?c={d}^`'\\":                        "/a%7Cb?c={d}^`'\\",
		"//a":                                    "//a",
		"/http://evil.example/":                  "/http://evil.example/",
		"/?":                                     "/?",
		"http://" + ownHost:                      "/",
		"http://" + ownHost + "/":                "/",
		"https://" + ownHost + "/a?b":            "/a?b",
		"HTTPS://" + ownHost + "?x=1":            "/?x=1",
		"http://" + ownHost + "//evil.example":   "//evil.example",
		"x:http://evil.example/":                 "",
		"x:y":                                    "",
		"http:" + ownHost:                        "",
		"http:/a":                                "",
		"http:///a":                              "",
		"http:?a":                                "",
		"https:":                                 "",
		"ftp://" + ownHost + "/":                 "",
		"ws://" + ownHost + "/":                  "",
		"x://" + ownHost + "/":                   "",
		"javascript:alert(1)":                    "",
		"http://user@" + ownHost + "/":           "",
		"http://user:password@" + ownHost + "/":  "",
		"http://@" + ownHost + "/":               "",
		"*":                                      "",
		ownHost:                                  "",
		ownHost + ":443":                         "",
		"a/b":                                    "",
		"?a":                                     "",
		"/a#b":                                   "",
		"/a?b#c":                                 "",
		"/a%00b":                                 "",
		"/a\xa0b":                                "",
		"/a?b\xa0HTTP/1.0":                       "",
		"/a?b\xe2\x80\xa8c":                      "",
		"/\xc3\xbc":                              "",
		"http://" + ownHost + "/a?\xc2\xa0b":     "",
		"http://" + ownHost + "/%00":             "",
		"http://" + ownHost + "#/" + "/evil.com": "",
	} {
		r := received("GET", target)
		ok := r != nil && OriginForm(r)
		if ok != (want != "") {
			t.Errorf("%q: %v", target, ok)
		} else if ok && (r.URL.RequestURI() != want || r.URL.Host != "" || r.URL.Scheme != "" || !strings.HasPrefix(r.URL.Path, "/") || r.RequestURI[0] != '/') {
			t.Errorf("%q: became %q (%q), want %q", target, r.URL.RequestURI(), r.RequestURI, want)
		}
	}
	for _, method := range []string{"OPTIONS", "CONNECT"} {
		for _, target := range []string{"*", "x:y", ownHost + ":443"} {
			if r := received(method, target); r != nil && OriginForm(r) {
				t.Errorf("%s %s passes", method, target)
			}
		}
	}
	if OriginForm(&http.Request{Method: "GET", ProtoMajor: 1, RequestURI: "/", Host: ownHost, URL: &url.URL{Opaque: "//evil.example/x", Path: "/"}}) {
		t.Error("an opaque URL with a path beside it passes")
	}
	// The URL's host is the request's. Where it is not, somebody in between changed one of them.
	r := received("GET", "http://"+ownHost+"/")
	r.Host = "globex.d.example"
	if OriginForm(r) {
		t.Error("a target on another host passes")
	}
}

// TestOriginFormOfHTTP2: a `:path` is a path, and a Host header says what `:authority` says.
func TestOriginFormOfHTTP2(t *testing.T) {
	for _, major := range []int{2, 3} {
		for path, want := range map[string]bool{
			"/": true, "/a?b=c": true, "/a?b HTTP/1.0": false, "/a b": false, "/a?b HTTP/1.0\tx": false, "/a?\x7f": false, "x:y": false, "*": false, "/a#b": false,
			"http://" + ownHost + "/": false, "https://" + ownHost + "/": false, "https://evil.example/": false, "http://" + ownHost: false,
		} {
			r := over2(major, path)
			if got := r != nil && OriginForm(r); got != want {
				t.Errorf("HTTP/%d %q: %v", major, path, got)
			}
		}
		for _, hosts := range [][]string{{"evil.example"}, {ownHost, ownHost}, {ownHost, "evil.example"}, {""}} {
			r := over2(major, "/")
			r.Header["Host"] = hosts
			if OriginForm(r) {
				t.Errorf("HTTP/%d, Host %q beside another authority passes", major, hosts)
			}
		}
		r := over2(major, "/")
		r.Header["Host"] = []string{ownHost}
		if !OriginForm(r) || len(r.Header) != 0 {
			t.Errorf("HTTP/%d: the same Host is refused, or stays: %v", major, r.Header)
		}
	}
}

// FuzzOriginForm: whatever passes is sent on as the path that was judged, whole and alone.
func FuzzOriginForm(f *testing.F) {
	for _, s := range []string{"/", "x:http://evil.example/.pizzeria/callback", "http://" + ownHost, "http://" + ownHost + "?a", "/a?b HTTP/1.0", "//a", "http:a", "/%2e%2e/%00", "*", "http:///x", "/\\evil", "/a?\xa0"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, target string, two bool) {
		var r *http.Request
		if two {
			r = over2(2, target)
		} else if !strings.ContainsAny(target, "\r\n") {
			r = received("GET", target)
		}
		if r == nil || !OriginForm(r) {
			t.Skip()
		}
		line := r.URL.RequestURI()
		sent := received("GET", line)
		if sent == nil || sent.RequestURI != line || line[0] != '/' || strings.ContainsAny(line, " \t\x00#") {
			t.Fatalf("%q is sent as %q", target, line)
		}
		// A target that begins with "//" has no authority: RFC 9112, section 3.2.1.
		if sent.URL.Path != r.URL.Path || sent.URL.RawQuery != r.URL.RawQuery || sent.Host != ownHost || r.URL.Path == "" {
			t.Fatalf("%q is judged as %q, and sent as %q", target, r.URL.Path, line)
		}
	})
}
