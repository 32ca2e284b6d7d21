package edge

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"
)

// ownSpellings are names that some browser or server could take for our cookie.
var ownSpellings = []string{
	"__Host-pizzeria", "__Host-pizzeria-org", "__HOST-PIZZERIA-org", "__host-pizzeria-tx-1", " __Host-pizzeria-org", "\t__Host-pizzeria-org", "\u2000__Host-pizzeria-org", "\u00a0__Host-pizzeria-org",
	"\u0085__Host-pizzeria-org", "\xa0__Host-pizzeria-org", "\x85__Host-pizzeria-org", "\v__Host-pizzeria-org", "\u200b__Host-pizzeria-org", "\ufeff__Host-pizzeria-org", "=__Host-pizzeria-org", "==__Host-pizzeria-org",
	" = __Host-pizzeria-org", "\"__Host-pizzeria-org\"", "'__Host-pizzeria-org'", "__Host\u2000-pizzeria-org", "__%48ost-pizzeria-org", "%5f%5fHost-pizzeria-org", "%5F%5FHost%2Dpizzeria-org%zz", "__%2548ost-pizzeria-org",
	"..Host-pizzeria-org", "_.Host-pizzeria-org", "[_Host-pizzeria-org", "__Host_pizzeria_org", "__Host+pizzeria+org", "%C2%A0__Host-pizzeria-org", "%20__Host-pizzeria-org", "__Host-pizzeria\x00", "__Host-pizzer%69a%", ". Host-piZZeriA", " . Host-pizzeria", "__Host pizzeria",
}

// appNames are an app's own, close as they are.
var appNames = []string{"app", "__Host-app", "__Secure-pizzeria", "__Host-pizza", "_Host-pizzeria", "Host-pizzeria", "pizzeria", "x__Host-pizzeria", "___Host-pizzeria", "%", "%5f", "", "\u00fc"}

func TestOurCookiesInEverySpelling(t *testing.T) {
	for _, name := range ownSpellings {
		for _, value := range []string{"=x", "", "=x=y"} {
			h := http.Header{"Cookie": {"a=1;" + name + value + "; b=2"}}
			if stripCookies(h, DefaultCookieBytes); h.Get("Cookie") != "a=1; b=2" {
				t.Errorf("the instance gets %q", h["Cookie"])
			}
			h = http.Header{"Set-Cookie": {name + value + "; Path=/; Secure", "a=1"}}
			if filtered(h); len(h["Set-Cookie"]) != 1 || h["Set-Cookie"][0] != "a=1" {
				t.Errorf("the browser gets %q", h["Set-Cookie"])
			}
		}
	}
	for _, name := range appNames {
		h := http.Header{"Cookie": {name + "=x"}, "Set-Cookie": {name + "=x; Secure"}}
		stripCookies(h, DefaultCookieBytes)
		if filtered(h); h.Get("Cookie") != name+"=x" || h.Get("Set-Cookie") != name+"=x; Secure" {
			t.Errorf("an app's own cookie is taken away: %q %v", name, h)
		}
	}
}

// FuzzStripCookies: nothing that the instance gets can be read as a cookie of ours, however its server trims, folds and decodes names.
func FuzzStripCookies(f *testing.F) {
	for _, s := range append(append([]string{"a=1; __Host-pizzeria=x; b=2", ";;  ;__Host-pizzeria-tx-1=\"y\"", "a=__Host-pizzeria=x", "a=\"b;__Host-pizzeria=x\""}, ownSpellings...), appNames...) {
		f.Add(s)
	}
	latin1 := func(s string) string {
		var r []rune
		for _, c := range []byte(s) {
			r = append(r, rune(c))
		}
		return string(r)
	}
	php := func(s string) string { // its request variables
		if d, err := url.QueryUnescape(s); err == nil {
			s = d
		}
		return strings.NewReplacer(".", "_", " ", "_", "[", "_").Replace(strings.TrimLeft(s, " "))
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		stripCookies(h, DefaultCookieBytes)
		isOurs := func(name string) bool { return strings.HasPrefix(strings.ToLower(name), "__host-pizzeria") }
		for _, got := range h["Cookie"] {
			for part := range strings.SplitSeq(got, ";") {
				name, value, _ := strings.Cut(part, "=")
				if strings.TrimSpace(name) == "" {
					name, _, _ = strings.Cut(value, "=")
				}
				for _, form := range []string{name, strings.TrimSpace(name), strings.TrimFunc(latin1(name), unicode.IsSpace), strings.Trim(strings.TrimSpace(name), `"`), php(name), strings.TrimFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })} {
					if isOurs(form) {
						t.Fatalf("%q: the instance gets %q", line, part)
					}
				}
			}
		}
		for _, c := range (&http.Request{Header: h}).Cookies() {
			if isOurs(c.Name) {
				t.Fatalf("%q: the instance gets %s", line, c.Name)
			}
		}
	})
}

// TestOldAttemptsAreDropped: of more attempts than eight the browser forgets the oldest, and no answer grows with what was sent.
func TestOldAttemptsAreDropped(t *testing.T) {
	drop := func(cookie string) []string {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		dropOldAttempts(w, r)
		return w.Header()["Set-Cookie"]
	}
	if got := drop(strings.Repeat(txCookie+"abcdefghijkl=x; ", 9)); len(got) != 2 || !strings.HasPrefix(got[0], txCookie+"abcdefghijkl=;") {
		t.Errorf("of nine: %q", got)
	}
	for _, other := range []string{"\u2000" + txCookie + "abcdefghijkl=x; ", txCookie + "abc=x; ", txCookie + "abcdefghij\u00a0=x; ", "__HOST-pizzeria-tx-abcdefghijkl=x; "} {
		if got := drop(strings.Repeat(other, 9)); len(got) != 0 {
			t.Errorf("%q: %q", other, got)
		}
	}
	if got := drop(strings.Repeat(txCookie+"abcdefghijkl=x; ", 20000)); len(got) > 200 {
		t.Errorf("%d cookies in one answer", len(got))
	}
}
