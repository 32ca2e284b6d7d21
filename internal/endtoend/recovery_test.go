package endtoend

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestReviewInBrowser: the review, the page that stops a change of address, and those of an account
// whose address nobody verified.
func TestReviewInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	eve := s.invite(ada, "acme", "eve@example.com", "admin")
	s.must("user", "verify", "eve@example.com")
	eve.addApp("My phone")
	if a := eve.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/keys",
		`{"name":"Deployment","role":"admin","scopes":["org:read"]}`,
	); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.enroll(eve, "acme", strings.Repeat("a-long-name-", 5)+"of-a-runner")
	eve.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/invites",
		`{"email":"friend@example.com","role":"admin"}`,
	)
	const fresh = "another good sentence"
	link := strings.TrimSpace(s.must("user", "password-link", "eve@example.com"))
	s.person().submit(link, url.Values{"password": {fresh}})
	s.must("user", "remove-second-step", "eve@example.com")

	b := s.chromium()
	b.visit(s.url("") + "/account")
	b.fill(map[string]string{"email": "eve@example.com", "password": fresh})
	b.press("form.card button", "Review your account")
	b.shot("review")
	b.script(`document.querySelectorAll("input[value=keep]").forEach(e => e.click()); return ""`)
	b.script(`document.querySelector("input[value=remove]").click(); return ""`)
	b.press("main form > button", "Change password") // on to where she was going
	if keys := ada.fetch(
		"GET",
		s.url("")+"/api/v1/orgs/acme/keys",
		"",
	); strings.Contains(
		keys.body,
		"Deployment",
	) {
		t.Errorf("the key that she removed: %s", keys.body)
	}

	// Mia's account is older than the invitation into acme.
	s.invite(ada, "globex", "mia@example.com", "member")
	a := ada.fetch(
		"POST",
		s.url("")+"/api/v1/orgs/acme/invites",
		`{"email":"mia@example.com","role":"owner"}`,
	)
	var v struct{ Link string }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b = b.other()
	b.signIn("mia@example.com")
	b.visit(v.Link)
	b.shows("This account is older than the invitation")
	b.shot("invitation-unverified")
	b.press("form.card button", "once your address is verified")
	b.shot("org-waiting")
	b = b.other()
	b.signIn("ada@example.com")
	b.visit(s.url("") + "/orgs/acme/members")
	b.shows("by an invitation into The globex org")
	b.shot("members-waiting")
	var mia struct{ ID string }
	if err := s.operator("/users/mia@example.com", &mia); err != nil {
		t.Fatal(err)
	}
	b.visit(s.url("") + "/platform/users/" + mia.ID)
	b.shot("user-unverified")
	b.press(`form[action$="/verify"] button`, ", verified")
	b.visit(s.url("") + "/orgs/acme/members")
	if text := b.text(); strings.Contains(text, "once the address is verified") {
		t.Error(text)
	}
}
