package endtoend

import (
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // driver
)

// sql changes the running server's database, for what no request can do.
func (s *server) sql(statement string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "data/pizzeria.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statement); err != nil {
		s.t.Fatal(err)
	}
}

// TestStepUp: what is dangerous asks who signed in long ago to do it again, however they ask.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	id := s.org(ada, "acme")
	s.invite(ada, "acme", "eve@example.com", "member")
	var key struct{ Secret string }
	ada.call(t, "POST", s.url("")+"/api/v1/me/keys", `{"name":"k","scopes":["platform"]}`, 201, &key)
	s.sql(`UPDATE sessions SET auth_time = auth_time - 1860000000`) // 31 minutes
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.call(t, "POST", s.url("")+"/api/v1/tokens", "", 200, &token)
	for name, p := range map[string]*person{"session": ada, "token": s.bearer(token.AccessToken)} {
		for request, body := range map[string]string{
			"DELETE /orgs/acme": "", "POST /orgs/acme/keys": `{"name":"k","role":"member","scopes":["org:read"]}`, "POST /me/keys": `{"name":"k2","scopes":["org:read"]}`,
			"PATCH /users/eve@example.com": `{"platform_admin":true}`, "POST /users/eve@example.com/password-link": "", "POST /clients": `{"name":"x","redirect_uris":["https://x.example/"]}`,
			"POST /signing-keys/rotate": `{}`, "POST /orgs/acme/runners/claims": `{"name":"x"}`,
		} {
			method, path, _ := strings.Cut(request, " ")
			status, says := http.StatusUnauthorized, "sign in again"
			if name == "token" && path == "/me/keys" {
				status, says = http.StatusForbidden, "outlives it"
			}
			if a := p.call(t, method, s.url("")+"/api/v1"+path, body, status, nil); !strings.Contains(a.body, says) {
				t.Errorf("%s by %s: %s", request, name, a.body)
			}
		}
		p.call(t, "GET", s.url("")+"/api/v1/users", "", 200, nil) // looking is no danger
		p.call(t, "PATCH", s.url("")+"/api/v1/orgs/acme", `{"name":"Acme"}`, 200, nil)
	}
	// A key is no person: it is never asked, and never does what is kept for people.
	s.bearer(key.Secret).call(t, "PATCH", s.url("")+"/api/v1/users/eve@example.com", `{"platform_admin":true}`, http.StatusForbidden, nil)
	s.bearer(key.Secret).call(t, "POST", s.url("")+"/api/v1/orgs/acme/suspend", "", 200, nil)
	s.bearer(key.Secret).call(t, "POST", s.url("")+"/api/v1/orgs/acme/resume", "", 200, nil)

	ada.call(t, "POST", s.url("")+"/api/v1/me/keys", `{"name":"k4","scopes":["org:read"]}`, http.StatusUnauthorized, nil, "Idempotency-Key", "again")

	// In the console, the page comes back after a sign-in.
	a := ada.open(s.url("") + "/orgs/" + id + "/delete")
	if a.url.Path != "/sign-in" || a.url.Query().Get("return") != "/orgs/"+id+"/delete" || !strings.Contains(a.body, "asks for a new sign-in") {
		t.Fatalf("%d at %s", a.status, a.url)
	}
	for path, form := range map[string]url.Values{"/device": {"user_code": {"BCDF-GHJK"}, "answer": {"approve"}}, "/orgs/acme/runners": {"name": {"x"}, "days": {"7"}}} {
		if a := ada.submit(s.url("")+path, form); a.url.Path != "/sign-in" {
			t.Errorf("%s: %d at %s", path, a.status, a.url)
		}
	}
	if a := ada.submit(s.url("")+"/account/keys", url.Values{"key_name": {"k"}, "scope": {"org:read"}, "days": {"7"}}); a.url.Path != "/sign-in" {
		t.Errorf("a key was made: %d at %s", a.status, a.url)
	}
	if a := ada.do("POST", s.url("")+"/platform/apps", strings.NewReader("name=x"), map[string]string{
		"Sec-Fetch-Site": "same-origin", "Origin": s.url(""), "Referer": s.url("") + "/platform/apps", "Content-Type": "application/x-www-form-urlencoded",
	}); !strings.HasPrefix(a.url.Query().Get("return"), "/continue/") { // with what was typed
		t.Errorf("%d at %s", a.status, a.url)
	}
	if a := ada.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}, "return": {"/orgs/" + id + "/delete"}}); a.status != 200 || !strings.HasSuffix(a.url.Path, "/delete") {
		t.Fatalf("%d at %s", a.status, a.url)
	}
	ada.call(t, "POST", s.url("")+"/api/v1/me/keys", `{"name":"k4","scopes":["org:read"]}`, 201, nil, "Idempotency-Key", "again")
}
