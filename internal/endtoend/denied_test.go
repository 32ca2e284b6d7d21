package endtoend

import "testing"

// TestDeniedInBrowser: somebody who may not enter an org reads as whom they are signed in, and gets
// there as somebody else. A form that is sent after the session has ended leads to a sign-in.
func TestDeniedInBrowser(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	s.invite(ada, "globex", "eve@example.com", "member")
	s.invite(ada, "acme", "mia@example.com", "member")
	b := s.chromium()
	b.visit(s.url("acme") + "/whoami?x=1")
	b.fill(map[string]string{"email": "eve@example.com", "password": password})
	b.press("form.card button", "You don’t have access to The acme org")
	b.shows("You are signed in as eve@example.com")
	b.shot("denied")
	b.press("main a.button", "You are signed in as eve@example.com until you sign in here")
	b.shot("other-account")
	b.fill(map[string]string{"email": "mia@example.com", "password": password})
	b.press("form.card button", "mia@example.com")
	if got := b.location(); got != s.url("acme")+"/whoami?x=1" {
		t.Errorf("it leads to %s", got)
	}

	b.script(`await fetch("/.pizzeria/sign-out", {method: "POST", redirect: "manual"});
		document.body.innerHTML = '<form method="post" action="/save"><input name="text" value="long"><button>Save</button></form>'`)
	b.press("form button", "You are signed out")
	b.shot("form-after-session")
	b.press("main a", "E-mail")
	b.fill(map[string]string{"email": "mia@example.com", "password": password})
	b.press("form.card button", "mia@example.com")
	if got := b.location(); got != s.url("acme")+"/whoami?x=1" {
		t.Errorf("the form leads back to %s", got)
	}
}
