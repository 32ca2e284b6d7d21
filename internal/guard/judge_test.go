package guard

import (
	"net/http"
	"strings"
	"testing"
)

// TestJudge: too many cookies leave ours, and everything else has a limit, counted as memory.
func TestJudge(t *testing.T) {
	t.Parallel()
	bomb := strings.Repeat("x", 4000)
	eight := strings.TrimSuffix(strings.Repeat("a="+bomb+"; ", 8), "; ") // fit into MaxCookies
	for _, c := range []struct {
		name   string
		header http.Header
		uri    string
		ok     bool
		cookie string
	}{
		{"plain", http.Header{"Accept": {"*/*"}, "Cookie": {"a=b"}}, "/", true, "a=b"},
		{"as many as are fine", http.Header{"Cookie": {"a=" + bomb + "; b=" + bomb}}, "/", true, "a=" + bomb + "; b=" + bomb},
		{"a bomb", http.Header{"Cookie": {strings.Repeat("a="+bomb+"; ", 250) + "__Host-pizzeria-org=t", "__host-Pizzeria=u"}}, "/", true, "__Host-pizzeria-org=t; __host-Pizzeria=u; " + eight},
		{"a bomb alone", http.Header{"Cookie": {strings.Repeat("a="+bomb+"; ", 250)}}, "/", true, eight},
		{"one cookie", http.Header{"Cookie": {"z=1; a=" + strings.Repeat("x", MaxCookies) + "; b=2"}}, "/", true, "z=1; b=2"},
		{"one cookie alone", http.Header{"Cookie": {"a=" + strings.Repeat("x", MaxCookies)}}, "/", true, ""},
		{"a bomb of ours", http.Header{"Cookie": {strings.Repeat("__Host-pizzeria="+bomb+"; ", 250)}}, "/", false, ""},
		{"a Unicode space is no space", http.Header{"Cookie": {strings.Repeat("a="+bomb+"; ", 250) + "\u2000__Host-pizzeria=t"}}, "/", true, strings.TrimSuffix(eight, "a="+bomb) + "a=" + bomb + "; \u2000__Host-pizzeria=t"},
		{"another large header", http.Header{"X": {strings.Repeat("x", maxHead)}}, "/", false, ""},
		{"many tiny values", http.Header{"X": make([]string, maxHead/valueCost)}, "/", false, ""},
		{"a long URI", http.Header{}, "/" + strings.Repeat("x", maxHead/3), false, ""},
	} {
		r := &http.Request{Method: http.MethodGet, RequestURI: c.uri, Header: c.header}
		r, cost, ok := judge(r)
		if ok != c.ok || ok && (r.Header.Get("Cookie") != c.cookie || cost <= 0) {
			t.Errorf("%s: %v, cookie %.60q, cost %d", c.name, ok, r.Header.Get("Cookie"), cost)
		}
	}
	tiny := http.Header{}
	for i := range maxHead / nameCost {
		tiny[strings.Repeat("x", i)] = nil
	}
	if _, _, ok := judge(&http.Request{Header: tiny}); ok {
		t.Error("many tiny names pass")
	}
}
