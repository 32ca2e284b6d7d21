package console_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestNothingTypedIsLost: every form that asks for a new sign-in comes back after it with what was
// typed, to be sent by a click, for the same person alone. Of the forms that do so by what is
// typed, too.
func TestNothingTypedIsLost(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.User("owner@example.com", true)
	acme := s.Org("acme", owner)
	member := s.Member(acme.ID, "member@example.com", registry.RoleMember)
	typed := url.Values{
		"name": {`Typed "here" & <there>`}, "role": {"owner"}, "slug": {"other"},
		"email": {"new@example.com"}, "scope": {"org:read", "org:write"}, "owner": {"me"},
		"client_secret": {"hush"}, "old_password": {"never kept"}, "password": {"never kept"},
		"days": {"9"}, "key_name": {"Typed"}, "confirm": {"acme"},
	}
	depends := map[string]bool{"/orgs": true, "/orgs/{org}/invites": true,
		"/orgs/{org}/members/{user}/role": true}
	old := s.SignIn(owner)
	s.Clock.Advance(registry.FreshFor + time.Second)
	stranger := s.Page(s.SignIn(s.User("stranger@example.com", true)))
	again := s.Page(s.SignIn(owner))
	forms := 0
	for _, rt := range console.Routes() {
		asks := rt.Fresh || rt.Action != "" && registry.NeedsFresh(rt.Action)
		if rt.Method != http.MethodPost || rt.Public || !asks && !depends[rt.Pattern] {
			continue
		}
		forms++
		target := strings.NewReplacer("{org}", string(acme.ID), "{user}", string(member.ID),
			"{domain}", "example.com", "{connection}", unknown, "{client}", unknown,
			"{key}", unknown, "{support}", unknown, "{approval}", unknown).Replace(rt.Pattern)
		from := controltest.Issuer + "/orgs/" + string(acme.ID) + "/members?sort=email"
		a := s.Page(old).With("Content-Type", form, "Referer", from).Do("POST", target,
			typed.Encode())
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil || a.Status != 303 || to.Path != "/sign-in" || !to.Query().Has("again") {
			t.Errorf("%s: %d to %v", rt.Pattern, a.Status, to)
			continue
		}
		back := to.Query().Get("return")
		if a := stranger.Do("GET", back, ""); a.Status != http.StatusGone {
			t.Errorf("%s for somebody else: %d %.200s", rt.Pattern, a.Status, a.Body)
		}
		page := again.Do("GET", back, "")
		body := html.UnescapeString(page.Body)
		if page.Status != 200 || !strings.Contains(page.Body, `action="`+target+`"`) ||
			strings.Contains(body, "never kept") || strings.Contains(page.Body, "<there>") ||
			!strings.Contains(body, "/members?sort=email") {
			t.Errorf("%s: %d %s", rt.Pattern, page.Status, page.Body)
		}
		for name, values := range typed {
			for _, v := range values {
				kept := strings.Contains(body, `type="hidden" name="`+name+`" value="`+v+`"`)
				if kept == strings.HasSuffix(name, "password") {
					t.Errorf("%s: %s=%s is kept: %v", rt.Pattern, name, v, kept)
				}
			}
		}
		if strings.Contains(page.Body, "<td>hush</td>") {
			t.Errorf("%s shows a secret", rt.Pattern)
		}
	}
	if forms < 20 {
		t.Errorf("only %d forms were tried", forms)
	}

	// Sent again, it does what it would have done at once.
	a := s.Page(old).With("Content-Type", form).Do("POST", "/orgs/"+string(acme.ID)+"/keys",
		"key_name=Typed&role=member&scope=org%3Aread&days=9")
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	again.Want(t, 200, "GET", to.Query().Get("return"), "")
	sent := again.With("Content-Type", form).Do("POST", "/orgs/"+string(acme.ID)+"/keys",
		"key_name=Typed&role=member&scope=org%3Aread&days=9")
	made := again.Want(t, 200, "GET", sent.Header.Get("Location"), "")
	if sent.Status != 303 || !strings.Contains(made.Body, "pzs_") {
		t.Errorf("%d %.300s", sent.Status, made.Body)
	}
	for _, c := range []*controltest.Client{s.Nobody(), stranger} {
		if a := c.Do("GET", "/continue/"+unknown, ""); a.Status == 200 {
			t.Errorf("nothing to continue: %d", a.Status)
		}
	}
}
