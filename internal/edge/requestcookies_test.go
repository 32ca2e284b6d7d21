package edge

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func asking(t *testing.T, h http.Header) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = h
	return r
}

// sized is a cookie of n bytes.
func sized(name string, n int) string { return name + "=" + strings.Repeat("x", n-len(name)-1) }

// TestLargestCookiesAreDropped: as few as possible, the largest first, and the others in order.
func TestLargestCookiesAreDropped(t *testing.T) {
	join := func(c ...string) string { return strings.Join(c, "; ") }
	own := SessionCookie + "=" + strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		in    []string
		limit int
		want  string
	}{
		"all fit":            {[]string{join("b=2", "a=1")}, 8, "b=2; a=1"},
		"one byte more":      {[]string{join("b=2", "a=1")}, 7, "b=2"}, // equals: the later ones go
		"the largest":        {[]string{join("a=1", sized("b", 500), sized("c", 400), "d=4")}, 500, join("a=1", sized("c", 400), "d=4")},
		"the two largest":    {[]string{join("a=1", sized("b", 500), sized("c", 400), "d=4")}, 400, "a=1; d=4"},
		"exactly":            {[]string{join(sized("a", 500), sized("b", 498))}, 1000, join(sized("a", 500), sized("b", 498))},
		"the separator":      {[]string{join(sized("a", 500), sized("b", 499))}, 1000, sized("b", 499)},
		"ours do not count":  {[]string{join(own, sized("a", 500), own)}, 500, sized("a", 500)},
		"some of equal size": {[]string{join(sized("a", 100), "x=1", sized("b", 100), sized("c", 100))}, 210, join(sized("a", 100), "x=1", sized("b", 100))},
		"all too large":      {[]string{join(sized("a", 500), sized("b", 600))}, 100, ""},
		"several lines":      {[]string{sized("a", 500), "b=2", sized("c", 400)}, 410, join("b=2", sized("c", 400))},
	} {
		h := http.Header{"Cookie": c.in}
		all := 0
		for _, line := range c.in {
			for part := range strings.SplitSeq(line, "; ") {
				if !ours(part) {
					all++
				}
			}
		}
		cut := stripCookies(h, c.limit)
		left := 0
		if got := strings.Join(h["Cookie"], "|"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		} else if got != "" {
			left = strings.Count(got, "; ") + 1
		}
		if cut.Cookies != all-left || (cut.Cookies > 0) != (cut.Bytes > 0) {
			t.Errorf("%s: %+v is cut, %d of %d are left", name, cut, left, all)
		}
	}
}

// FuzzCookieLimit: what is left fits, in order, and no cookie that is gone is smaller than one that
// is left, or would have fitted as well.
func FuzzCookieLimit(f *testing.F) {
	f.Add("a=1; b=22; c=333", "d=4", 10)
	f.Add("a; a; a;;", "", 2)
	f.Fuzz(func(t *testing.T, one, two string, limit int) {
		limit = max(1, limit%100)
		split := func(lines ...string) (all []string) {
			for _, line := range lines {
				for part := range strings.SplitSeq(line, ";") {
					if part = strings.Trim(part, " \t"); part != "" && !ours(part) {
						all = append(all, part)
					}
				}
			}
			return all
		}
		before := split(one, two)
		h := http.Header{"Cookie": {one, two}}
		dropped := stripCookies(h, limit).Cookies
		after := split(h["Cookie"]...)
		if len(before)-len(after) != dropped {
			t.Fatalf("%d dropped of %q, %q is left", dropped, before, after)
		}
		largest, at := 0, 0
		smallestGone := 1 << 30
		for _, c := range before {
			if at < len(after) && after[at] == c {
				largest = max(largest, len(c))
				at++
				continue
			}
			smallestGone = min(smallestGone, len(c))
		}
		size := len(h.Get("Cookie"))
		if at != len(after) || size > limit || dropped > 0 && largest > smallestGone {
			t.Fatalf("%d: %q is left of %q", limit, after, before)
		}
		if room := size + smallestGone; dropped > 0 && (size == 0 && room <= limit || size > 0 && room+2 <= limit) {
			t.Fatalf("%d: one more of %q fits beside %q", limit, before, after)
		}
	})
}

// TestPassingCookiesCostNoAllocation: where nothing is taken away or changed.
func TestPassingCookiesCostNoAllocation(t *testing.T) {
	g, st, _ := cookieGateway(t)
	in := http.Header{"Cookie": {"a=1; b=2; __Host-app=3"}}
	out := http.Header{"Set-Cookie": {"a=1; Path=/; Secure; HttpOnly; SameSite=Lax", "b=2"}}
	if n := testing.AllocsPerRun(100, func() {
		stripCookies(in, DefaultCookieBytes)
		g.filterSetCookie(st, out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCookies: what the cookies of a request and its answer cost.
func BenchmarkCookies(b *testing.B) {
	g, st, _ := cookieGateway(b)
	own := SessionCookie + "=" + strings.Repeat("x", 700)
	for name, cookies := range map[string]string{
		"the app's": "a=1; theme=dark; sid=" + strings.Repeat("x", 40), "ours too": own + "; a=1; theme=dark; sid=" + strings.Repeat("x", 40),
		"ours alone": own, "too many": strings.Repeat(sized("a", 400)+"; ", 50),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				stripCookies(http.Header{"Cookie": {cookies}}, DefaultCookieBytes)
			}
		})
	}
	for name, line := range map[string]string{
		"set": "sid=1; Path=/; Secure; HttpOnly; SameSite=Lax", "set with the own host": "sid=1; Domain=acme.d.example; Path=/; Secure",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				g.filterSetCookie(st, http.Header{"Set-Cookie": {line}})
			}
		})
	}
}
