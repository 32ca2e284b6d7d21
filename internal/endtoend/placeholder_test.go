package endtoend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestPlaceholdersAreExpandedOnce: what somebody writes into a host, path, query, header or name is text, also where the Caddyfile
// puts it through a placeholder: the server's environment and files reach nobody.
func TestPlaceholdersAreExpandedOnce(t *testing.T) {
	t.Parallel()
	const evil, canary = "{env.PIZZERIA_CANARY}", "canary-4711"
	s := startWith(t, mirrors(t), `log
	log_append seen {http.request.header.X-Text}
	header X-Seen "{http.request.header.X-Text} {http.request.uri.query} {http.org.slug} {http.org.user.role}"
	vars twice {http.request.header.X-Text}
	route {
		org
		respond /vars* "{http.vars.twice} {http.request.uri} {http.request.host}" 200
		org_auth {
			except /open*
		}
		reverse_proxy {
			dynamic org
			transport org
			header_up X-Copied "{http.request.header.X-Text} {http.request.cookie.text}"
		}
	}`)
	s.stop()
	s.env = append(s.env, "PIZZERIA_CANARY="+canary)
	s.run()
	ada := s.admin()
	id := s.org(ada, "acme")
	ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme", `{"name":"`+evil+`"}`, 200, nil)
	ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme", `{"name":"The {env.PIZZERIA_CANARY} org {file./etc/passwd}"}`, 200, nil)
	ada.call(
		t, "PATCH", s.url("")+"/api/v1/orgs/acme/settings",
		`{"values":{"APP_TEXT":"`+evil+`"},"restart":true}`, 200, nil,
	)
	s.active("acme")
	ada.open(s.url("acme") + "/")
	var answers []string
	for _, text := range []string{evil, "{{env `PIZZERIA_CANARY`}}", "{file./etc/passwd}", "{http.request.header.X-Text}", `{\env.PIZZERIA_CANARY}`, "{http.vars.pizzeria.state}"} {
		for _, path := range []string{"/open/", "/vars/", "/"} {
			a := ada.do("GET", s.url("acme")+path+"%7Benv.PIZZERIA_CANARY%7D?q="+strings.ReplaceAll(text, " ", "%20"), nil, map[string]string{
				"X-Text": text, "Sec-Fetch-Site": "same-origin", "Accept": "application/json", "User-Agent": text, "Referer": text,
			})
			answers = append(answers, fmt.Sprint(a.status, a.header, a.body))
			if a.status != http.StatusOK || !strings.Contains(a.header.Get("X-Seen"), text) {
				t.Errorf("%s %s: %d, X-Seen %q", path, text, a.status, a.header.Get("X-Seen"))
			}
			if path == "/vars/" {
				if !strings.HasPrefix(a.body, text+" ") {
					t.Errorf("vars: %q", a.body)
				}
				continue
			}
			var m mirrored
			if err := json.Unmarshal([]byte(a.body), &m); err != nil {
				t.Fatalf("%s %s: %d %s", path, text, a.status, a.body)
			}
			if got := m.Header.Get("X-Text"); got != text {
				t.Errorf("the instance got %q for %q", got, text)
			}
			if got := m.Header.Get("X-Copied"); !strings.HasPrefix(got, text) {
				t.Errorf("a copied header is %q for %q", got, text)
			}
			if !slices.Contains(m.Env, "APP_TEXT="+evil) {
				t.Errorf("the instance's setting is not as it was written: %q", m.Env)
			}
			for _, e := range m.Env {
				if strings.Contains(e, canary) {
					t.Errorf("an instance has the server's environment: %s", e)
				}
			}
		}
	}
	for _, host := range []string{evil + "." + domain, "acme." + domain + evil, evil} {
		req, err := http.NewRequest("GET", s.url("acme")+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := s.anonymous().Do(req)
		if err != nil {
			continue // the client or the server refuses to speak it
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest && res.StatusCode != http.StatusBadRequest && (res.StatusCode != http.StatusOK || res.ContentLength > 0) {
			t.Errorf("host %s: %d", host, res.StatusCode)
		}
	}
	for _, target := range []string{s.url("") + "/orgs/acme", s.url("") + "/api/v1/orgs/acme", s.url("") + "/sign-in?return=" + evil} {
		a := ada.open(target)
		answers = append(answers, fmt.Sprint(a.status, a.header, a.body))
	}
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/acme/suspend", `{"reason":"`+evil+`"}`, 200, nil)
	s.eventually("the org is closed", func() bool { return ada.status(s.url("acme")+"/") == 403 })
	a := ada.open(s.url("acme") + "/")
	answers = append(answers, fmt.Sprint(a.status, a.header, a.body))
	if !strings.Contains(a.body, "The {env.PIZZERIA_CANARY} org {file./etc/passwd}") {
		t.Errorf("the org's name is not as it was written: %s", a.body)
	}
	answers = append(answers, s.out.String())
	for _, text := range answers {
		if strings.Contains(text, canary) || strings.Contains(text, "root:x:0") {
			t.Errorf("expanded: %s", text)
		}
	}
	if !strings.Contains(s.out.String(), id) || !strings.Contains(s.out.String(), evil) {
		t.Error("the access log does not hold what was sent, so this test proves nothing of it")
	}
}
