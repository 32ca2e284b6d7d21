package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

var (
	postForms = regexp.MustCompile(`<form [^>]*method="post"[^>]*>`)
	nonces    = regexp.MustCompile(`name="form_nonce" value="([\w.-]{26,})"`)
	copied    = regexp.MustCompile(`<input readonly[^>]* value="([^"]+)"`)
)

// TestShownOnce: a form with an effect leads to a page by a redirect. What is shown once is on that
// page at its first load, for the same session, and neither in its address nor at a later load.
// The same form sent twice at once has its effect once.
func TestShownOnce(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	admin := s.User("root@example.com", true)
	acme := s.Org("acme", admin)
	mia := s.Member(acme.ID, "mia@example.com", registry.RoleMember)
	me, other := s.Page(s.SignIn(admin)), s.Page(s.SignIn(admin))
	client, _, err := s.Identity.CreateClient(t.Context(), s.As(admin), registry.NewClient{
		Name: "App", RedirectURIs: []string{"https://example.com/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := "/orgs/acme"
	for i, c := range []struct {
		path, form string
		count      string // the resource that the form makes
	}{
		{"/account/keys", "key_name=A&scope=org%3Aread&days=9", "/api/v1/me/keys"},
		{at + "/keys", "key_name=A&role=member&scope=org%3Aread&days=9", "/api/v1" + at + "/keys"},
		{at + "/runners", "days=9", ""},
		{at + "/webhooks", "url=https%3A%2F%2Fexample.com%2F", "/api/v1" + at + "/webhooks"},
		{"/platform/webhooks", "url=https%3A%2F%2Fexample.com%2F", "/api/v1/webhooks"},
		{at + "/invites", "email=kim%40example.com&role=member", "/api/v1" + at + "/invites"},
		{"/platform/apps", "name=B&redirect_uris=https%3A%2F%2Fexample.com%2F", "/api/v1/clients"},
		{"/platform/apps/" + string(client.ID) + "/secret", "", ""},
		{"/platform/users/" + string(mia.ID) + "/password-link", "", ""},
	} {
		count := func() int {
			if c.count == "" {
				return 0
			}
			return strings.Count(me.Want(t, 200, "GET", c.count, "").Body, `"id":`)
		}
		before := count()
		body := c.form + "&form_nonce=" + fmt.Sprintf("NONCE%d", i)
		var to [2]string
		var wg sync.WaitGroup
		for n := range to { // a double click
			wg.Go(func() {
				a := me.With("Content-Type", form).Do("POST", c.path, body)
				to[n] = a.Header.Get("Location")
				if a.Status != http.StatusSeeOther || strings.TrimSpace(a.Body) != "" {
					t.Errorf("%s: %d %.300s", c.path, a.Status, a.Body)
				}
			})
		}
		wg.Wait()
		if to[0] != to[1] || !strings.HasPrefix(to[0], "/") {
			t.Errorf("%s leads to %q and %q", c.path, to[0], to[1])
			continue
		}
		if n := count() - before; c.count != "" && n != 1 {
			t.Errorf("%s: a double click made %d", c.path, n)
		}
		if a := me.With("Sec-Fetch-Site", "", "Sec-Fetch-Site", "cross-site").Do("GET", to[0],
			""); copied.MatchString(a.Body) {
			t.Errorf("%s is shown to a link from another site", c.path)
		}
		page := me.Want(t, 200, "GET", to[0], "")
		secret := copied.FindAllStringSubmatch(page.Body, -1)
		if len(secret) == 0 {
			t.Errorf("%s is not shown: %s", c.path, page.Body)
			continue
		}
		value := secret[len(secret)-1][1]
		if strings.Contains(to[0], value) || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v", c.path, to[0], page.Header)
		}
		if a := me.Want(t, 200, "GET", to[0], ""); strings.Contains(a.Body, value) {
			t.Errorf("%s is shown again after a reload", c.path)
		}
		// The same nonce with another content is another form.
		a := me.With("Content-Type", form).Do("POST", c.path, body+"&x=1")
		if again := a.Header.Get("Location"); again == to[0] {
			t.Errorf("%s: another form got the same answer", c.path)
		} else if a := other.Want(t, 200, "GET", again, ""); copied.MatchString(a.Body) {
			t.Errorf("%s is shown to another session", c.path)
		}
	}
}

// TestFormsHaveNonces: every form that changes something has a nonce of its own, and what is refused
// leaves it free.
func TestFormsHaveNonces(t *testing.T) {
	t.Parallel()
	_, _, people, fill := world(t)
	seen, forms := map[string]bool{}, 0
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodGet || strings.HasSuffix(rt.Pattern, "/live") ||
			strings.HasSuffix(rt.Pattern, "/log") {
			continue
		}
		body := people["owner"].Do("GET", fill(rt.Pattern), "").Body
		found := nonces.FindAllStringSubmatch(body, -1)
		if n := len(postForms.FindAllString(body, -1)); n != len(found) {
			t.Errorf("%s: %d forms, %d nonces", rt.Pattern, n, len(found))
		}
		for _, n := range found {
			if seen[n[1]] {
				t.Errorf("%s: nonce %s is there twice", rt.Pattern, n[1])
			}
			seen[n[1]], forms = true, forms+1
		}
	}
	if forms < 30 {
		t.Errorf("only %d forms", forms)
	}
	own := people["owner"].With("Content-Type", form)
	for range 2 {
		own.Want(t, 422, "POST", "/account/name", "name=&form_nonce=N")
	}
	own.Want(t, 303, "POST", "/account/name", "name=Ada&form_nonce=N")
}

// TestRecoveryCodesShownOnce: recovery codes are on the page that a redirect leads to, once.
func TestRecoveryCodesShownOnce(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	ada := s.User("ada@example.com", false)
	me := s.Page(s.SignIn(ada))
	n, err := s.Identity.NewTOTP(s.As(ada), ada.Email, "")
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(n.Secret, s.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	a := submit(t, me, 303, "/account/second-step", url.Values{
		"sealed": {n.Sealed}, "name": {"Phone"}, "code": {code},
		"old_password": {controltest.Password},
	})
	to := a.Header.Get("Location")
	if a := me.Want(t, 200, "GET", to, ""); !strings.Contains(a.Body, "<pre>") {
		t.Errorf("no codes: %s", a.Body)
	}
	if a := me.Want(t, 303, "GET", to, ""); a.Header.Get("Location") != "/account?done=second" {
		t.Errorf("after a reload: %v", a.Header)
	}
}
