package flows

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func TestRunners(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Org(ada, "globex")
	mia := s.Invite(ada, "acme", "mia@example.com", "member")
	bob := s.Invite(ada, "globex", "bob@example.com", "owner")
	api := s.URL("") + "/api/v1"

	r := mia.Enroll(s.Person(), "acme", "build-1")
	if !strings.HasPrefix(r.Key, "pzr_") || r.URL != s.URL("acme") {
		t.Fatalf("%+v", r)
	}
	token, err := r.AccessToken(s.Person().Client, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.AccessToken(s.Person().Client, oauth2.AuthStyleInParams); err == nil {
		t.Error("the key is taken from a body") // one method of client authentication
	}
	wrong := r
	wrong.Key = mia.Enroll(s.Person(), "acme", "other").Key
	if _, err := wrong.AccessToken(s.Person().Client, oauth2.AuthStyleInHeader); err == nil {
		t.Error("another runner's key is taken")
	}

	// The token is good at its org, with a role of its own, and nowhere else.
	runner := s.Bearer(token)
	if a := runner.Fetch("GET", s.URL("acme")+"/whoami", ""); a.Status != 200 || !strings.Contains(a.Body, `runner`) || !strings.Contains(a.Body, "build-1") || strings.Contains(a.Body, token) {
		t.Errorf("acme: %d %s", a.Status, a.Body)
	}
	for _, target := range []string{s.URL("globex") + "/whoami", api + "/me", api + "/orgs/acme", api + "/orgs/acme/runners"} {
		if a := runner.Fetch("GET", target, ""); a.Status != 401 && a.Status != 403 {
			t.Errorf("%s: %d %s", target, a.Status, a.Body)
		}
	}
	if a := runner.Fetch("POST", s.URL("acme")+"/.pizzeria/sign-out", ""); a.Status != 403 {
		t.Errorf("a runner signs out: %d %s", a.Status, a.Body)
	}
	for _, secret := range []string{r.Key, "pzc_" + r.Key[4:]} { // nothing but the token endpoint knows them, and no instance sees them
		for _, target := range []string{s.URL("acme") + "/whoami", api + "/me"} {
			if a := s.Bearer(secret).Fetch("GET", target, ""); a.Status != 401 && a.Status != 404 || strings.Contains(a.Body, secret) {
				t.Errorf("%s with the key: %d %s", target, a.Status, a.Body)
			}
		}
	}

	// Who may: mine, or as an admin; not another org's. A key within its scopes, and its own end.
	var personal struct{ Secret string }
	mia.Call(t, "POST", api+"/me/keys", `{"name":"x","scopes":["runner:write","org:read"]}`, 201, &personal)
	key := s.Bearer(personal.Secret)
	key.Call(t, "POST", api+"/orgs/acme/runners/claims", `{"days":200}`, 422, nil)
	key.Call(t, "POST", api+"/orgs/acme/runners/claims", `{"name":"spare"}`, 201, nil)
	key.Call(t, "GET", api+"/orgs/acme/runners", "", 200, nil)
	bob.Call(t, "GET", api+"/orgs/acme/runners", "", 404, nil)
	bob.Call(t, "POST", api+"/orgs/acme/runners/claims", `{}`, 404, nil)
	bob.Call(t, "DELETE", api+"/orgs/globex/runners/"+string(r.Runner.ID), "", 404, nil)
	s.Person().Call(t, "POST", api+"/runners", `{"claim":"pzc_nonsense","name":"x"}`, 422, nil)
	s.Person().Call(t, "POST", api+"/runners", `{"claim":"`+"pzc_"+r.Key[4:]+`","name":"x"}`, 422, nil) // the checksum is another's

	// Disconnected it may come back; revoked it is out at once, and what is open closes.
	ws, err := s.Bearer(token).Dial(s.URL("acme"), "")
	if err != nil {
		t.Fatal(err)
	}
	s.Eventually("one connection is counted", func() bool {
		return strings.Contains(mia.Fetch("GET", api+"/orgs/acme/runners?search=build-1", "").Body, `"connections":1`)
	})
	mia.Call(t, "POST", api+"/orgs/acme/runners/"+string(r.Runner.ID)+"/disconnect", "", 204, nil)
	if code := servertest.Ending(ws); code != 1012 {
		t.Errorf("a disconnected runner's WebSocket ends with %d", code)
	}
	if ws, err = s.Bearer(token).Dial(s.URL("acme"), ""); err != nil {
		t.Fatalf("it may come back: %v", err)
	}
	key.Call(t, "DELETE", api+"/orgs/acme/runners/"+string(r.Runner.ID), "", 204, nil)
	if code := servertest.Ending(ws); code != 4401 {
		t.Errorf("a revoked runner's WebSocket ends with %d", code)
	}
	s.Eventually("a revoked runner is refused", func() bool { return runner.Fetched(s.URL("acme")+"/whoami") == 401 })
	if _, err := r.AccessToken(s.Person().Client, oauth2.AuthStyleInHeader); err == nil {
		t.Error("a revoked runner gets a token")
	}

	// Removing a person names what they enrolled, and can end it.
	left := mia.Enroll(s.Person(), "acme", "left behind")
	leftToken, err := left.AccessToken(s.Person().Client, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	page := ada.Open(s.URL("") + "/orgs/acme/members/" + string(left.Runner.EnrolledBy) + "/remove")
	if page.Status != 200 || !strings.Contains(page.Body, "left behind") {
		t.Errorf("the page does not name what she enrolled: %d %s", page.Status, page.Body)
	}
	ada.Submit(s.URL("")+"/orgs/acme/members/"+string(left.Runner.EnrolledBy)+"/remove", url.Values{"runners": {"revoke"}})
	s.Eventually("her runners are refused", func() bool { return s.Bearer(leftToken).Fetched(s.URL("acme")+"/whoami") == 401 })
	for what, text := range map[string]string{"log": s.Log.String(), "audit": s.Must("GET", "/audit", "").Body} {
		if strings.Contains(text, r.Key) || strings.Contains(text, token) {
			t.Errorf("a runner's secret is in the %s", what)
		}
	}
}
