package flows

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Org(ada, "globex")
	eve := s.Invite(ada, "globex", "eve@example.com", "owner")
	api := s.URL("") + "/api/v1"
	type made struct {
		Key    struct{ ID string }
		Secret string
	}
	var own, org made
	ada.Call(t, "POST", api+"/me/keys", `{"name":"laptop","scopes":["org:write","member:read"]}`, 201, &own)
	ada.Call(t, "POST", api+"/orgs/acme/keys", `{"name":"backup","role":"member","scopes":["org:read"],"days":1}`, 201, &org)
	if !strings.HasPrefix(own.Secret, "pza_") || !strings.HasPrefix(org.Secret, "pzs_") {
		t.Fatalf("%s %s", own.Secret, org.Secret)
	}
	for _, list := range []string{"/me/keys", "/orgs/acme/keys"} {
		if a := ada.Call(t, "GET", api+list, "", 200, nil); strings.Contains(a.Body, own.Secret) || strings.Contains(a.Body, org.Secret) {
			t.Errorf("%s shows a key again", list)
		}
	}
	mine, its := s.Bearer(own.Secret), s.Bearer(org.Secret)
	mine.Call(t, "PATCH", api+"/orgs/acme", `{"name":"By key"}`, 200, nil)
	mine.Call(t, "GET", api+"/orgs/acme/members", "", 200, nil)
	mine.Call(t, "GET", api+"/orgs/acme/audit", "", 403, nil)
	mine.Call(t, "POST", api+"/orgs", `{"slug":"newer"}`, 403, nil) // its holder is a platform admin, it is not
	its.Call(t, "GET", api+"/orgs/acme", "", 200, nil)
	its.Call(t, "GET", api+"/orgs/globex", "", 404, nil)
	its.Call(t, "PATCH", api+"/orgs/acme", `{"name":"x"}`, 403, nil)
	for _, p := range []*servertest.Person{mine, its} {
		p.Call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["org:read"]}`, 403, nil)
		p.Call(t, "POST", api+"/orgs/acme/keys", `{"name":"x","role":"member","scopes":["org:read"]}`, 403, nil)
		p.Call(t, "POST", api+"/tokens", "", 403, nil)
		p.Call(t, "GET", api+"/me/sessions", "", 403, nil)
		if a := p.Open(s.URL("") + "/"); !strings.Contains(a.URL.Path, "sign-in") {
			t.Errorf("the console takes a key: %s", a.URL)
		}
		// A key is for the control plane alone: an org's gateway does not know it.
		if a := p.Fetch("GET", s.URL("acme")+"/whoami", ""); a.Status != 401 || strings.Contains(a.Body, "pz") {
			t.Errorf("acme with a key: %d %s", a.Status, a.Body)
		}
	}
	// A token is worth five minutes: it makes no key that is worth more.
	var token struct {
		AccessToken string `json:"access_token"`
	}
	ada.Call(t, "POST", api+"/tokens", "", 200, &token)
	s.Bearer(token.AccessToken).Call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["org:read"]}`, 403, nil)

	wrong := []byte(own.Secret)
	wrong[10] ^= 1
	for _, key := range []string{string(wrong), own.Secret + "x", "pza_", strings.Replace(own.Secret, "pza_", "pzs_", 1), own.Secret[:20]} {
		s.Bearer(key).Call(t, "GET", api+"/me", "", 401, nil)
	}
	eve.Call(t, "DELETE", api+"/me/keys/"+own.Key.ID, "", 404, nil)
	eve.Call(t, "DELETE", api+"/orgs/globex/keys/"+org.Key.ID, "", 404, nil)
	ada.Call(t, "DELETE", api+"/me/keys/"+own.Key.ID, "", 204, nil)
	ada.Call(t, "DELETE", api+"/orgs/acme/keys/"+org.Key.ID, "", 204, nil)
	mine.Call(t, "GET", api+"/me", "", 401, nil)
	its.Call(t, "GET", api+"/me", "", 401, nil)
	for what, text := range map[string]string{"log": s.Log.String(), "audit": s.Must("GET", "/audit", "").Body} {
		if strings.Contains(text, own.Secret) || strings.Contains(text, org.Secret) {
			t.Errorf("a key is in the %s", what)
		}
	}
}
