package flows

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // driver

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestStepUp: what is dangerous asks who signed in long ago to do it again, however they ask.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	id := s.Org(ada, "acme")
	s.Invite(ada, "acme", "eve@example.com", "member")
	var key struct{ Secret string }
	ada.Call(t, "POST", s.URL("")+"/api/v1/me/keys", `{"name":"k","scopes":["platform"]}`, 201, &key)
	servertest.SQL(t, s.Dir, `UPDATE sessions SET auth_time = auth_time - 1860000000`) // 31 minutes
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.Call(t, "POST", s.URL("")+"/api/v1/tokens", "", 200, &token)
	for name, p := range map[string]*servertest.Person{"session": ada, "token": s.Bearer(token.AccessToken)} {
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
			if a := p.Call(t, method, s.URL("")+"/api/v1"+path, body, status, nil); !strings.Contains(a.Body, says) {
				t.Errorf("%s by %s: %s", request, name, a.Body)
			}
		}
		p.Call(t, "GET", s.URL("")+"/api/v1/users", "", 200, nil) // looking is no danger
		p.Call(t, "PATCH", s.URL("")+"/api/v1/orgs/acme", `{"name":"Acme"}`, 200, nil)
	}
	// A key is no person: it is never asked, and never does what is kept for people.
	s.Bearer(key.Secret).Call(t, "PATCH", s.URL("")+"/api/v1/users/eve@example.com", `{"platform_admin":true}`, http.StatusForbidden, nil)
	s.Bearer(key.Secret).Call(t, "POST", s.URL("")+"/api/v1/orgs/acme/suspend", "", 200, nil)
	s.Bearer(key.Secret).Call(t, "POST", s.URL("")+"/api/v1/orgs/acme/resume", "", 200, nil)

	ada.Call(t, "POST", s.URL("")+"/api/v1/me/keys", `{"name":"k4","scopes":["org:read"]}`, http.StatusUnauthorized, nil, "Idempotency-Key", "again")

	// In the console, the page comes back after a sign-in.
	a := ada.Open(s.URL("") + "/orgs/" + id + "/delete")
	if a.URL.Path != "/sign-in" || a.URL.Query().Get("return") != "/orgs/"+id+"/delete" || !strings.Contains(a.Body, "asks for a new sign-in") {
		t.Fatalf("%d at %s", a.Status, a.URL)
	}
	for path, form := range map[string]url.Values{"/device": {"user_code": {"BCDF-GHJK"}, "answer": {"approve"}}, "/orgs/acme/runners": {"name": {"x"}, "days": {"7"}}} {
		if a := ada.Submit(s.URL("")+path, form); a.URL.Path != "/sign-in" {
			t.Errorf("%s: %d at %s", path, a.Status, a.URL)
		}
	}
	if a := ada.Submit(s.URL("")+"/account/keys", url.Values{"key_name": {"k"}, "scope": {"org:read"}, "days": {"7"}}); a.URL.Path != "/sign-in" {
		t.Errorf("a key was made: %d at %s", a.Status, a.URL)
	}
	if a := ada.Do("POST", s.URL("")+"/platform/apps", strings.NewReader("name=x"), map[string]string{
		"Sec-Fetch-Site": "same-origin", "Origin": s.URL(""), "Referer": s.URL("") + "/platform/apps", "Content-Type": "application/x-www-form-urlencoded",
	}); !strings.HasPrefix(a.URL.Query().Get("return"), "/continue/") { // with what was typed
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	if a := ada.Submit(s.URL("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {servertest.Password}, "return": {"/orgs/" + id + "/delete"}}); a.Status != 200 || !strings.HasSuffix(a.URL.Path, "/delete") {
		t.Fatalf("%d at %s", a.Status, a.URL)
	}
	ada.Call(t, "POST", s.URL("")+"/api/v1/me/keys", `{"name":"k4","scopes":["org:read"]}`, 201, nil, "Idempotency-Key", "again")
}
