package endtoend

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestAppCookies: an app's own cookies stay with browsers, those that name its host too; of too many
// the largest are dropped, and the operator is told of each that does not pass.
func TestAppCookies(t *testing.T) {
	t.Parallel()
	s := startWith(t, mirrors(t), "route {\norg\norg_auth\nreverse_proxy {\ndynamic org\ntransport org {\nmax_cookies 12KiB\n}\n}\n}")
	ada := s.admin()
	s.org(ada, "acme")
	ask := func(query url.Values, cookies string) string {
		t.Helper()
		header := map[string]string{
			"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
		}
		if cookies != "" {
			header["Cookie"] = cookies
		}
		a := ada.do("GET", s.url("acme")+"/?"+query.Encode(), nil, header)
		var m mirrored
		if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
		return strings.Join(m.Header["Cookie"], "|")
	}
	dropped := func(reason string) float64 {
		n, _ := s.metric("pizzeria_cookies_dropped_total", `reason="`+reason+`"`)
		return n
	}
	host := "acme." + domain
	ask(url.Values{"set": {
		"own=1; Path=/; Domain=" + host, "wide=2; Domain=" + domain, "__Host-pizzeria-org=3; Secure; Path=/",
	}}, "")
	if got := ask(nil, ""); got != "own=1" {
		t.Errorf("the app gets %q back", got)
	}
	if d, r := dropped("domain"), dropped("reserved"); d != 1 || r != 1 {
		t.Errorf("counted: domain %v, reserved %v", d, r)
	}
	cookie := func(name string, size int) string { return name + "=" + strings.Repeat("x", size) }
	for _, c := range []struct{ cookies, want string }{
		{cookie("a", 11_000), cookie("a", 11_000)},
		{"b=1; " + cookie("a", 12_000) + "; " + cookie("c", 500), "b=1; " + cookie("c", 500)},
		{"b=1; " + cookie("a", 40_000) + "; c=2", "b=1; c=2"}, // more than the guard lets in
	} {
		before := dropped("too_large")
		if got := ask(nil, c.cookies); got != c.want+"; own=1" {
			t.Errorf("of %.40q... the app gets %.40q...", c.cookies, got)
		}
		want := 0.0
		if c.cookies != c.want {
			want = 1
		}
		if n := dropped("too_large") - before; n != want {
			t.Errorf("of %.40q... %v are counted, want %v", c.cookies, n, want)
		}
	}
	if log := s.out.String(); strings.Count(log, `"cookies dropped"`) != 3 || !strings.Contains(log, `"reason":"too_large"`) {
		t.Errorf("the log: %s", tail(log, 3000))
	}
}
