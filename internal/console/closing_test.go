package console_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestCloseAccounts: a platform admin disables, enables and deletes accounts in the console; the
// person is told, and only with the right password.
func TestCloseAccounts(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	root := s.User("root@example.com", true)
	admin := s.Page(s.SignIn(root))
	eve := s.User("eve@example.com", false)
	acme := s.Org("acme", eve)
	mine := s.Page(s.SignIn(eve))
	page := "/platform/users/" + string(eve.ID)
	signIn := func(password string) (string, error) {
		_, err := s.Identity.SignIn(t.Context(), eve.Email, password, identity.Client{Address: "192.0.2.1"})
		if err != nil {
			return err.Error(), err
		}
		return "", nil
	}

	admin.Want(t, 200, "GET", page+"/disable", "")
	a := submit(t, admin, 409, page+"/disable", url.Values{"reason": {"left & gone"}})
	for _, want := range []string{"the last owner of acme", `value="left &amp; gone"`} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("the page lacks %q: %s", want, a.Body)
		}
	}
	submit(t, admin, 303, page+"/disable", url.Values{"reason": {"left & gone"}, "last_owner": {"1"}})
	if a := admin.Want(t, 200, "GET", page, ""); !strings.Contains(a.Body, "left &amp; gone") ||
		!strings.Contains(a.Body, "Enable account") || strings.Contains(a.Body, "/password-link") {
		t.Errorf("its page: %s", a.Body)
	}
	if a := admin.Want(t, 200, "GET", "/platform/users?show=disabled", ""); !strings.Contains(a.Body, eve.Email) || strings.Contains(a.Body, "/platform/users/"+string(root.ID)) {
		t.Errorf("the list: %s", a.Body)
	}
	if a := admin.Want(t, 200, "GET", "/platform/users?dormant=30", ""); strings.Contains(a.Body, eve.Email) {
		t.Errorf("it is dormant at once: %s", a.Body)
	}
	if a := mine.Do("GET", "/account", ""); a.Status != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
		t.Errorf("the person is still signed in: %d", a.Status)
	}
	if said, err := signIn(controltest.Password); registry.ErrorCode(err) != registry.CodeForbidden || !strings.Contains(said, "disabled") {
		t.Errorf("with the password: %v", err)
	}
	if said, err := signIn("not the password at all"); err == nil || strings.Contains(said, "disabled") {
		t.Errorf("a stranger learns that the account is disabled: %v", err)
	}
	submit(t, admin, 409, page+"/password-link", nil)

	submit(t, admin, 303, page+"/enable", nil)
	if _, err := signIn(controltest.Password); err != nil {
		t.Fatal(err)
	}
	submit(t, admin, 409, page+"/delete", url.Values{"confirm": {eve.Email}})
	if err := s.Store.DeleteOrg(t.Context(), registry.AsOperator(), acme.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}); err != nil {
		t.Fatal(err)
	}
	if a := submit(t, admin, 422, page+"/delete", url.Values{"confirm": {"eve"}}); !strings.Contains(a.Body, "to confirm") {
		t.Errorf("%s", a.Body)
	}
	if a := submit(t, admin, 303, page+"/delete", url.Values{"confirm": {"EVE@example.com "}}); a.Header.Get("Location") != "/platform/users" {
		t.Errorf("to %s", a.Header.Get("Location"))
	}
	admin.Want(t, 404, "GET", page, "")
	if said, err := signIn(controltest.Password); err == nil || strings.Contains(said, "disabled") {
		t.Errorf("a deleted account: %v", err)
	}
}

// TestDeleteYourself: anybody deletes their own account, and no other one.
func TestDeleteYourself(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	bob, eve := s.User("bob@example.com", false), s.User("eve@example.com", false)
	mine := s.Page(s.SignIn(bob))
	mine.Want(t, 200, "GET", "/account/delete", "")
	for _, verb := range []string{"disable", "enable", "delete"} {
		path := "/platform/users/" + string(eve.ID) + "/" + verb
		if a := submit(t, mine, 403, path, url.Values{"confirm": {eve.Email}}); a.Status != 403 {
			t.Errorf("%s: %d", verb, a.Status)
		}
	}
	submit(t, mine, 422, "/account/delete", url.Values{"confirm": {eve.Email}})
	a := submit(t, mine, 303, "/account/delete", url.Values{"confirm": {bob.Email}})
	if a.Header.Get("Location") != "/signed-out" || !strings.Contains(strings.Join(a.Header["Set-Cookie"], " "), "Max-Age=0") {
		t.Errorf("%v", a.Header)
	}
	for email, want := range map[string]registry.Code{bob.Email: registry.CodeNotFound, eve.Email: ""} {
		_, err := s.Store.UserByEmail(t.Context(), registry.AsSystem("test"), email)
		if registry.ErrorCode(err) != want || want == "" && err != nil {
			t.Errorf("%s: %v", email, err)
		}
	}
}
