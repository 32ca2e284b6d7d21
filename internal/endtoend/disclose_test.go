package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// TestDiscloseOff: who is not signed in gets the same answers, to the byte, from an org, from one that is suspended, deleted or
// renamed, and from none; who is signed in and no member gets 404 from each.
func TestDiscloseOff(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", strings.Replace(patient, "hold 90s", "hold 90s\ndisclose off", 1))
	ada := s.admin()
	for _, slug := range []string{"acme-x", "closed", "gone-x", "old-xx"} { // of one length, and so are the answers
		s.org(ada, slug)
	}
	api := s.url("") + "/api/v1/orgs/"
	ada.call(t, "POST", api+"closed/suspend", "", 200, nil)
	ada.call(t, "POST", api+"old-xx/rename", `{"slug":"new-xx"}`, 200, nil)
	ada.call(t, "DELETE", api+"gone-x?now=true&confirm=gone-x", "", 202, nil)
	others := []string{"closed", "gone-x", "old-xx", "nosuch"}
	mia := s.invite(ada, "acme-x", "mia@example.com", "member")
	eve := s.invite(ada, "new-xx", "eve@example.com", "member")

	random := regexp.MustCompile(`asked_at(=|%3[dD])[0-9]+|[A-Za-z0-9_-]{43,}|__Host-pizzeria-tx-[^;]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	answerTo := func(slug, method, path string, header map[string]string) string {
		t.Helper()
		req, err := http.NewRequest(method, s.url(slug)+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			req.Header.Set(k, strings.ReplaceAll(v, "{slug}", slug))
		}
		c := s.anonymous()
		c.Transport.(*http.Transport).DisableKeepAlives = true
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var b strings.Builder
		_, _ = fmt.Fprintln(&b, res.StatusCode)
		res.Header.Del("Date")
		for k, v := range res.Header {
			v := strings.Join(v, ", ")
			if k == "Location" && strings.Contains(v, "/authorize?") { // and on to the page to sign in
				page := s.person().open(v)
				v += fmt.Sprint(page.status, page.body)
			}
			_, _ = fmt.Fprintln(&b, k, v)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String()+string(body), "\n")
		sort.Strings(lines[1:])
		return strings.ReplaceAll(random.ReplaceAllString(strings.Join(lines, "\n"), "*"), slug, "{slug}")
	}
	page := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
	onward := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty"}
	with := func(more ...string) map[string]string {
		h := map[string]string{"Accept": "application/json"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	cookie := orgCookie + "=" + mia.cookie(s.url("acme-x"), orgCookie) + "x"
	for _, q := range []struct {
		method, path string
		header       map[string]string
	}{
		{"GET", "/", page}, {"GET", "/some/page?q=1", page}, {"HEAD", "/", page},
		{"GET", "/", with()}, {"POST", "/notes", with("Sec-Fetch-Site", "cross-site")}, {"DELETE", "/x", with()},
		{"POST", "/", with("Cookie", cookie, "Sec-Fetch-Site", "cross-site")}, {"GET", "/", with("Cookie", cookie, "Sec-Fetch-Site", "same-origin")},
		{"GET", "/", with("Authorization", "Bearer "+strings.Repeat("e", 43)+".e.e")},
		{"GET", "/echo", with("Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Origin", s.url("{slug}"))},
		{"GET", "/", onward}, {"GET", "/.pizzeria/sign-in?return=/x", page}, {"GET", "/.pizzeria/sign-in", onward}, {"GET", "/.pizzeria/sign-in", with()}, {"POST", "/notes", page},
		{"GET", "/.pizzeria/session", with()}, {"GET", "/.pizzeria/callback", page}, {"GET", "/.pizzeria/callback?state=" + strings.Repeat("s", 43) + "&code=c&iss=" + url.QueryEscape(s.url("")), page},
		{"POST", "/.pizzeria/sign-out", page}, {"GET", "/.pizzeria/sign-out", page}, {"GET", "/.pizzeria/none", page}, {"GET", "/.pizzeria//x", page}, {"TRACE", "/", with()},
	} {
		want := answerTo("acme-x", q.method, q.path, q.header)
		if strings.Contains(want, "The acme-x org") {
			t.Errorf("%s %s names the org: %s", q.method, q.path, want)
		}
		for _, slug := range others {
			if got := answerTo(slug, q.method, q.path, q.header); got != want {
				t.Errorf("%s %s tells %s from an org:\n%s\nis not\n%s", q.method, q.path, slug, got, want)
			}
		}
	}

	// Somebody who is signed in, and a member elsewhere.
	missing := eve.open(s.url("nosuch") + "/")
	if missing.status != http.StatusNotFound {
		t.Errorf("no org: %d at %s: %s", missing.status, missing.url, missing.body)
	}
	same := func(body, slug string) string {
		return strings.ReplaceAll(random.ReplaceAllString(body, "*"), slug, "{slug}")
	}
	for _, slug := range []string{"acme-x", "closed", "gone-x"} {
		a := eve.open(s.url(slug) + "/")
		if same(a.body, slug) != same(missing.body, "nosuch") || a.status != missing.status {
			t.Errorf("%s, to no member: %d %s", slug, a.status, a.body)
		}
	}

	// Members are served, also from an old address.
	if a := mia.open(s.url("acme-x") + "/whoami"); a.status != http.StatusOK || !strings.Contains(a.body, "mia@example.com") {
		t.Errorf("a member: %d %s", a.status, a.body)
	}
	s.active("new-xx") // it was restarted for its new address
	if a := eve.open(s.url("old-xx") + "/whoami"); a.status != http.StatusOK || a.url.Host != s.host("new-xx") {
		t.Errorf("a member at the old address: %d at %s", a.status, a.url)
	}
	ws, err := s.dialOrg(mia, "acme-x", s.url("acme-x"))
	if err != nil {
		t.Errorf("a member's WebSocket: %v", err)
	} else {
		_ = ws.CloseNow()
	}
	if a := mia.submit(s.url("acme-x")+"/.pizzeria/sign-out", url.Values{}); a.status != http.StatusOK {
		t.Errorf("sign-out: %d", a.status)
	}
}
