package wire

import (
	"net/http"
	"strings"
	"testing"
)

const orgCookie = "__Host-pizzeria-org"

func TestOneCookie(t *testing.T) {
	for line, want := range map[string]string{
		"__Host-pizzeria-org=a":                           "a",
		"x=1; __Host-pizzeria-org=a; y=2":                 "a",
		"x=1;__Host-pizzeria-org=a;y=2":                   "a",
		"\t__Host-pizzeria-org\t= a ":                     "a",
		"__Host-pizzeria-org=a=b":                         "a=b",
		"__Host-pizzeria-org=\"a\"":                       "\"a\"",
		"__Host-pizzeria-org=a; __Host-pizzeria-org=b":    "",
		"__Host-pizzeria-org=a; __Host-pizzeria-org=":     "",
		"__Host-pizzeria-org=a; __Host-pizzeria-org":      "",
		"__Host-pizzeria-org=a; __Host-pizzeria-org=\x80": "", // net/http would drop the second one
		"__Host-pizzeria-org=a;\t__Host-pizzeria-org =b":  "",
		"__host-pizzeria-org=a":                           "",
		"__HOST-pizzeria-org=a":                           "",
		"=__Host-pizzeria-org=a":                          "",
		"\"__Host-pizzeria-org=a\"":                       "",
		"":                                                "",
		";;=;":                                            "",
		"x__Host-pizzeria-org=a":                          "",
		"x=__Host-pizzeria-org=a":                         "",
		"\u2000__Host-pizzeria-org=a":                     "",
		"\u00a0__Host-pizzeria-org=a":                     "",
		"\u0085__Host-pizzeria-org=a":                     "",
		"\xa0__Host-pizzeria-org=a":                       "",
		"\v__Host-pizzeria-org=a":                         "",
		"\f__Host-pizzeria-org=a":                         "",
		"__Ho\u017ft-pizzeria-org=a":                      "",
		// What browsers do not take for ours neither hides ours nor makes a second one of it.
		"\u2000__Host-pizzeria-org=b; __Host-pizzeria-org=a":  "a",
		"__Host-pizzeria-org=a; __HOST-pizzeria-org=b":        "a",
		strings.Repeat("a; ", 5000) + "__Host-pizzeria-org=a": "a", // net/http would see none
	} {
		r := &http.Request{Header: http.Header{"Cookie": {line}}}
		if got, ok := OneCookie(r, orgCookie); got != want || ok != (want != "") {
			t.Errorf("%.80q: %q %v", line, got, ok)
		}
	}
	r := &http.Request{Header: http.Header{"Cookie": {"__Host-pizzeria-org=a", "__Host-pizzeria-org=b"}}}
	if _, ok := OneCookie(r, orgCookie); ok {
		t.Error("two lines with one cookie each are accepted")
	}
	r = &http.Request{Header: http.Header{"Cookie": {"x=1", "__Host-pizzeria-org=a"}}}
	if got, _ := OneCookie(r, orgCookie); got != "a" {
		t.Error("the second line is not read")
	}
}

// jar is a browser's cookies for one https host under the site, written from RFC 6265bis (draft 20):
// what scripts of this host and of a sibling set, and what is sent.
type jar struct{ cookies [][2]string }

// set is sections 5.6 (parsing) and 5.7 (storage), as far as they decide which name is sent here.
// tossed says that the sibling set it, so that only a cookie with the common domain comes here.
func (j *jar) set(line string, tossed bool) {
	wsp := func(s string) string {
		for s != "" && (s[0] == ' ' || s[0] == '\t') {
			s = s[1:]
		}
		for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
			s = s[:len(s)-1]
		}
		return s
	}
	for i := range len(line) { // 5.6, step 1
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return
		}
	}
	pair, attributes, _ := strings.Cut(line, ";")
	name, value := "", pair
	if i := strings.IndexByte(pair, '='); i >= 0 {
		name, value = pair[:i], pair[i+1:]
	}
	name, value = wsp(name), wsp(value)
	if name == "" && value == "" || len(name)+len(value) > 4096 {
		return
	}
	domain, path, secure := "", "", false
	for attributes != "" {
		var a string
		a, attributes, _ = strings.Cut(attributes, ";")
		n, v, _ := strings.Cut(a, "=")
		switch n, v = lowered(wsp(n)), wsp(v); n {
		case "domain":
			domain = lowered(strings.TrimPrefix(v, "."))
		case "path":
			path = v
		case "secure":
			secure = true
		}
	}
	if domain != "" && domain != "d.example" { // else it does not come here, or is refused
		return
	}
	// 5.7, steps 18 to 20: the prefixes, in any case; also in the value of a cookie without a name.
	if strings.HasPrefix(lowered(name), "__secure-") && !secure {
		return
	}
	if strings.HasPrefix(lowered(name), "__host-") && (!secure || domain != "" || path != "/") {
		return
	}
	if v := lowered(value); name == "" && (strings.HasPrefix(v, "__host-") || strings.HasPrefix(v, "__secure-") || strings.HasPrefix(v, "__http-")) {
		return
	}
	if tossed && domain == "" {
		return // the sibling's own
	}
	j.cookies = append(j.cookies, [2]string{name, value})
}

// header is section 5.8.3, step 4. Cookies for a shorter path come later; the sibling chooses.
func (j *jar) header(reverse bool) string {
	var out []string
	for _, c := range j.cookies {
		s := c[0]
		if s != "" {
			s += "="
		}
		s += c[1]
		if reverse {
			out = append([]string{s}, out...)
		} else {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return string(b)
}

// FuzzOneCookie: whatever a sibling's page sets for the whole domain, a visitor is who the host's own
// cookie says, and nobody without one. A browser is the model of RFC 6265bis above.
func FuzzOneCookie(f *testing.F) {
	for _, s := range []string{
		"\u2000__Host-pizzeria-org=T", "\u00a0__Host-pizzeria-org=T", "\xa0__Host-pizzeria-org=T", "\u0085__Host-pizzeria-org=T", "=__Host-pizzeria-org=T", "==__Host-pizzeria-org=T",
		"__HOST-pizzeria-org=T", "__Host-pizzeria-org =T", "\t__Host-pizzeria-org=T", "a=\"x", "__Host-pizzeria-org", "__Ho\u017ft-pizzeria-org=T", "__Host-pizzeria-org\u2000=T", "\v__Host-pizzeria-org=T", "a=b, __Host-pizzeria-org=T", "\ufeff__Host-pizzeria-org=T",
	} {
		f.Add(s, "x=1", false)
		f.Add(s, s, true)
	}
	f.Fuzz(func(t *testing.T, a, b string, reverse bool) {
		const own = "OWN"
		for _, signedIn := range []bool{true, false} {
			var j jar
			j.set(a+"; Domain=d.example; Path=/; Secure", true)
			if signedIn {
				j.set(orgCookie+"="+own+"; Path=/; Secure; HttpOnly", false)
			}
			j.set(b+"; Domain=.D.example; Path=/; Secure", true)
			line := j.header(reverse)
			got, ok := OneCookie(&http.Request{Header: http.Header{"Cookie": {line}}}, orgCookie)
			if ok != signedIn || ok && got != own {
				t.Fatalf("signed in %v, with %q and %q tossed, the browser sends %q: read as %q %v", signedIn, a, b, line, got, ok)
			}
		}
	})
}
