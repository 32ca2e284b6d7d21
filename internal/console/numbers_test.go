package console_test

import (
	"net/url"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestNumbersInForms: a number that is none, or that no duration holds, makes nothing.
func TestNumbersInForms(t *testing.T) {
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	acme := s.Org("acme", owner)
	login := s.SignIn(owner)
	page := s.Page(login).With("Content-Type", "application/x-www-form-urlencoded")
	actor := registry.AsSession(owner, login.Session, "")
	for _, n := range []string{
		"", "0", "-1", "367", "1.5", "1e2", "NaN", "0x10", "106752", "213504", "-213503",
		"9223372036854775807", "9223372036854775808", "99999999999999999999",
	} {
		form := url.Values{"days": {n}, "key_name": {"k"}, "role": {"member"}, "scope": {"org:read"}}
		for _, at := range []string{"/account/keys", "/orgs/acme/keys", "/orgs/acme/runners"} {
			page.Want(t, 422, "POST", at, form.Encode())
		}
	}
	for _, org := range []registry.OrgID{"", acme.ID} {
		if keys, err := s.Store.APIKeys(t.Context(), actor, org); err != nil || len(keys) != 0 {
			t.Errorf("%+v %v", keys, err)
		}
	}
	form := url.Values{"days": {"366"}, "key_name": {"k"}, "scope": {"org:read"}}
	page.Want(t, 303, "POST", "/account/keys", form.Encode())
}
