package endtoend

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Nobody makes, enters or changes an account of PizzaPi's, however the path is written, and an API key
// makes no other credential.
func testPizzaPiAccounts(t *testing.T, s pizzapis) {
	ada := s.ada
	ada.open(s.url("acme") + "/")
	key := ada.pizzaKey("acme", "laptop")
	const account = `{"email":"eve@example.com","password":"Aa1-eve-eve-eve","name":"Eve"}`
	spellings := []string{
		"/api/auth/sign-up/email", "/api/auth/./sign-up/email", "/api/x/../auth/sign-up/email", `/api\\auth/sign-up/email`,
		"/api/auth/%2e/sign-up/email", "/api/x/%2e%2e/auth/sign-up/email", "//evil.example/api/auth/sign-up/email",
		"/api/auth//sign-up/email", "/api/auth/sign-up%2femail", "/api/%61uth/sign-up/email", "/API/auth/sign-up/email",
		"/api/auth/sign-in/email", "/api/register", "/api/./register", "/api/register/", "/api/auth/change-password",
		"/api/auth/change-email", "/api/auth/set-password", "/api/auth/forget-password", "/api/auth/request-password-reset",
		"/api/auth/reset-password", "/api/auth/update-user", "/api/auth/delete-user", "/api/auth/list-sessions",
		"/api/auth/revoke-sessions", "/api/auth/revoke-session", "/api/auth/api-key/verify", "/api/auth/link-social",
	}
	headers := map[string]map[string]string{
		"a member": {}, "a key": {"X-Api-Key": key}, "a client like a runner": {"X-Api-Key": key, "Upgrade": "websocket", "Connection": "Upgrade"},
	}
	nobody := s.person()
	nobody.c.Jar = nil
	for _, path := range spellings {
		for name, h := range headers {
			who := nobody
			h["Content-Type"] = "application/json"
			if name == "a member" {
				who, h["Origin"], h["Sec-Fetch-Site"] = ada, s.url("acme"), "same-origin"
			}
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				status, body := who.raw(method, s.url("acme"), path, account, h)
				if status == 200 && strings.HasPrefix(body, "<!doctype") {
					continue // PizzaPi's page, which it shows at any path
				}
				if status < 400 || status == 429 || strings.Contains(body, "token") {
					t.Errorf("%s: %s %s: %d %s", name, method, path, status, body)
				}
			}
		}
	}
	made := func(path string, h map[string]string) {
		t.Helper()
		h["Content-Type"] = "application/json"
		if a := s.person().do(http.MethodPost, s.url("acme")+path, strings.NewReader(`{"name":"escalated"}`), h); a.status != 401 && a.status != 403 {
			t.Errorf("%s with %v: %d %s", path, h, a.status, a.body)
		}
	}
	made("/api/auth/api-key/create", map[string]string{"X-Api-Key": key})
	made("/api/auth/get-session", map[string]string{"X-Api-Key": key})
	made("/api/auth/api-key/create", map[string]string{})

	// Pairing: anybody asks, a member approves; a key does not.
	a := s.person().do(http.MethodPost, s.url("acme")+"/api/setup-claim", nil, nil)
	var claim struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &claim); err != nil || claim.ID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	made("/api/setup-claim/"+claim.ID+"/approve", map[string]string{"X-Api-Key": key})
	if a := ada.fetch(http.MethodPost, s.url("acme")+"/api/setup-claim/"+claim.ID+"/approve", "{}"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.eventually("pairing has a limit", func() bool {
		return s.person().do(http.MethodPost, s.url("acme")+"/api/setup-claim", nil, nil).status == 429
	})
	if a := s.person().do(http.MethodPost, s.url("globex")+"/api/setup-claim", nil, nil); a.status != 200 {
		t.Errorf("acme's limit holds for globex: %d %s", a.status, a.body)
	}
}

// Nothing of an org or a person reaches another.
func testPizzaPiLeaks(t *testing.T, s pizzapis) {
	ada, mia := s.ada, s.mia
	for _, p := range []*person{ada, mia} {
		p.open(s.url("acme") + "/")
	}
	ada.open(s.url("globex") + "/")

	// A key of one org is nothing in another.
	key := mia.pizzaKey("acme", "laptop")
	if got := [2]int{s.withKey("acme", key, "/api/me"), s.withKey("globex", key, "/api/me")}; got != [2]int{200, 401} {
		t.Errorf("the key answers %v", got)
	}
	if _, err := s.runner("globex", key, "stray"); err == nil || !strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("a runner of acme at globex: %v", err)
	}
	events, err := s.join("globex", "/hub", nil, s.asPage(ada, "globex", "globex"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.join("acme", "/hub", nil, s.asPage(ada, "acme", "globex")); err == nil || err.Error() != "status 403" {
		t.Errorf("a page of globex opens a socket at acme: %v", err)
	}
	if _, err := s.join("acme", "/hub", nil, nil); err == nil || !strings.Contains(err.Error(), "origin") {
		t.Errorf("nobody at /hub: %v", err)
	}
	if status := s.person().fetched(s.url("acme") + "/socket.io/?EIO=4&transport=polling"); status != 401 {
		t.Errorf("polling as nobody: %d", status)
	}

	// One member's files and runners are not another's. Large ones pass, larger ones do not.
	a := mia.upload("acme", attachmentPaths[0], 5<<20)
	var file struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &file); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for p, want := range map[*person]int{mia: 200, ada: 403, s.person(): 401} {
		if status := p.fetched(s.url("acme") + "/api/attachments/" + file.ID); status != want {
			t.Errorf("an attachment: %d, want %d", status, want)
		}
	}
	for _, path := range attachmentPaths {
		for size, want := range map[int]int{30 << 20: 200, 32 << 20: 413} {
			if a := mia.upload("acme", path, size); a.status != want || strings.Contains(a.body, "Too large") { // PizzaPi's own words
				t.Errorf("%s: %d MiB: %d %s", path, size>>20, a.status, a.body)
			}
		}
	}
	if _, err := s.runner("acme", key, "hers"); err != nil {
		t.Fatal(err)
	}
	s.eventually("her runner is hers", func() bool { return mia.fetch("GET", s.url("acme")+"/api/runners", "").body == `[{"name":"hers"}]` })
	s.eventually("another member sees none", func() bool { // but one of an earlier part, for a moment
		return ada.fetch("GET", s.url("acme")+"/api/runners", "").body == "[]"
	})
	select {
	case e := <-events.events:
		t.Errorf("globex was told %s", e)
	default:
	}

	// What a runner's machine serves is no page of PizzaPi's.
	tunneled := ada.open(s.url("acme") + "/api/tunnel/s/3000/").body
	if strings.Contains(tunneled, "pizzeria-agent.js") || strings.Contains(strings.ToLower(tunneled), "assertion") || strings.Contains(tunneled, orgCookie) {
		t.Errorf("a tunnel: %s", tunneled)
	}
	session, _, _ := strings.Cut(sessionToken(tunneled), `"`)
	s.opensNothing("acme", session, key)
	s.person().do(http.MethodPost, s.url("acme")+"/api/webhooks/nightly/fire", nil, map[string]string{
		"Cookie": "own=1; __Secure-better-auth.session_token=" + session,
	})
	if url, h := ada.seen("acme"); !strings.HasSuffix(url, "/fire") || h["cookie"] != "own=1" {
		t.Errorf("%s got the cookies %q of nobody", url, h["cookie"])
	}
	for _, path := range []string{"/", "/api/me", "/api/auth/get-session"} {
		if c := ada.open(s.url("acme") + path).header.Values("Set-Cookie"); len(c) > 0 {
			t.Errorf("%s sets %q", path, c)
		}
	}
}

// A restart brings what an admin has set, keeps what must last, ends sockets first, and no log tells a
// secret.
func testPizzaPiRestart(t *testing.T, s pizzapis) {
	ada := s.ada
	ada.open(s.url("acme") + "/")
	push := func(slug string) string {
		ada.open(s.url(slug) + "/")
		return ada.fetch("GET", s.url(slug)+"/api/push/vapid-public-key", "").body
	}
	key, was := ada.pizzaKey("acme", "laptop"), push("acme")
	if len(was) < 80 || was == push("globex") {
		t.Fatalf("the push key is %s", was)
	}
	c, err := s.runner("acme", key, "build-1")
	if err != nil {
		t.Fatal(err)
	}
	ada.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme/settings", `{
		"values":  {"PIZZAPI_ATTACHMENT_MAX_FILE_SIZE_BYTES": "5242880", "VAPID_SUBJECT": "mailto:ops@example.com"},
		"secrets": {"ANTHROPIC_API_KEY": "sk-ant-canary-canary"}}`, 200, nil)
	if out, err := s.cli("", "instance", "restart", "acme"); err != nil {
		t.Fatal(out)
	}
	s.ends("a runner's socket", c)
	s.active("acme")
	s.eventually("it serves again", func() bool { return s.withKey("acme", key, "/api/me") == 200 })
	if now := push("acme"); now != was {
		t.Errorf("the push key was %s and is %s", was, now)
	}
	const set = `{"key":"sk-ant-canary-canary","kept":"900000","contact":"mailto:ops@example.com"}`
	if got := ada.fetch("GET", s.url("acme")+"/api/test/settings", "").body; got != set {
		t.Errorf("it has the settings %s", got)
	}
	for _, path := range attachmentPaths {
		for size, want := range map[int]int{5 << 20: 200, 6 << 20: 413} {
			if a := ada.upload("acme", path, size); a.status != want || (want == 413) != strings.Contains(a.body, "Too large") {
				t.Errorf("%s: %d bytes: %d %s", path, size, a.status, a.body)
			}
		}
	}
	if m := ada.fetch("GET", s.url("")+"/api/v1/orgs/acme/instance/metrics", ""); !strings.Contains(m.body, `profile="pizzapi"} 1`) {
		t.Errorf("%d %s", m.status, m.body)
	} else {
		t.Log(regexp.MustCompile(`(?m)^pizzeria_agent_memory_bytes .*$`).FindString(m.body))
	}
	out, err := s.cli("", "instance", "logs", "acme")
	if err != nil || !strings.Contains(out, "connecting to Redis at [redacted]") || strings.Contains(out, "redis://:") {
		t.Errorf("%v %s", err, out)
	}
	stopped := regexp.MustCompile(`every socket is closed, stopping after \d+ ms`).FindString(out)
	if t.Log(stopped); stopped == "" {
		t.Errorf("it did not stop by itself: %s", out)
	}
	s.redisKeeps("acme")
}

// attachmentPaths are where PizzaPi takes files.
var attachmentPaths = []string{"/api/attachments", "/api/sessions/7/attachments"}

// upload sends an attachment of zeros.
func (p *person) upload(slug, path string, size int) answer {
	p.s.t.Helper()
	return p.do(http.MethodPost, p.s.url(slug)+path, bytes.NewReader(make([]byte, size)), map[string]string{
		"Origin": p.s.url(slug), "Sec-Fetch-Site": "same-origin", "Content-Type": "application/octet-stream",
	})
}

// opensNothing tries a session of PizzaPi's, which an app in a tunnel has seen, from outside.
func (s *server) opensNothing(slug, session, key string) {
	s.t.Helper()
	if !strings.Contains(session, ".") {
		s.t.Fatalf("the app has seen no session: %q", session)
	}
	cookie := "__Secure-better-auth.session_token=" + session
	for name, h := range map[string]map[string]string{
		"alone":            {},
		"beside a key":     {"X-Api-Key": "none"},
		"of an org's page": {"Origin": s.url(slug), "Sec-Fetch-Site": "same-origin"},
	} {
		h["Cookie"], h["Accept"] = cookie, "application/json"
		if a := s.person().do(http.MethodGet, s.url(slug)+"/api/me", nil, h); a.status != 401 {
			s.t.Errorf("%s it answers %d %s", name, a.status, a.body)
		}
	}
	for _, h := range []http.Header{{}, {"Origin": {s.url(slug)}}} {
		h.Set("Cookie", cookie)
		if _, err := s.join(slug, "/hub", nil, h); err == nil {
			s.t.Errorf("it opens a socket with %v", h)
		}
	}
	if status := s.withKey(slug, key, "/api/me"); status != 200 { // so nothing else refused them
		s.t.Errorf("a key answers %d", status)
	}
}

// asPage are the headers of a person's socket to an org, from a page of another's.
func (s *server) asPage(p *person, slug, page string) http.Header {
	s.t.Helper()
	return http.Header{"Cookie": {orgCookie + "=" + p.cookie(s.url(slug)+"/", orgCookie)}, "Origin": {s.url(page)}}
}

// raw sends a request whose path stays as it is written.
func (p *person) raw(method, base, path, body string, h map[string]string) (int, string) {
	p.s.t.Helper()
	req, err := http.NewRequestWithContext(p.s.t.Context(), method, base+"/", strings.NewReader(body))
	if err != nil {
		p.s.t.Fatal(err)
	}
	req.URL.Opaque = path
	for name, v := range h {
		req.Header.Set(name, v)
	}
	if strings.HasPrefix(path, "//") {
		req.URL.Opaque = "//" + req.URL.Host + path // what is after the host is sent
	}
	res, err := p.c.Do(req)
	if err != nil {
		return 400, err.Error() // no request
	}
	defer func() { _ = res.Body.Close() }()
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	return res.StatusCode, b.String()
}
