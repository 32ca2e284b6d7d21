package flows

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestSecondStepRequired: an org that asks for a second step lets nobody in without, asks for it in time, and lets in at once who adds one.
func TestSecondStepRequired(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	eve, api := s.Invite(ada, "acme", "eve@example.com", "member"), s.URL("")+"/api/v1"
	if a := eve.Open(s.URL("acme") + "/"); a.Status != 200 {
		t.Fatalf("%d", a.Status)
	}
	ws, err := eve.Dial(s.URL("acme"), s.URL("acme"))
	if err != nil {
		t.Fatal(err)
	}
	s.Must("PUT", "/orgs/acme/sign-in", `{"second_step_required":true}`)
	s.Eventually("a WebSocket of before ends", func() bool { return servertest.Echo(ws) != nil })
	if a := eve.Fetch("GET", s.URL("acme")+"/whoami", ""); a.Status != 401 {
		t.Errorf("a session of before: %d", a.Status)
	}
	if a := eve.Fetch("GET", api+"/orgs/acme", ""); a.Status != 401 || !strings.Contains(a.Body, "second step") {
		t.Errorf("management: %d %s", a.Status, a.Body)
	}
	if a := eve.Open(s.URL("acme") + "/"); a.URL.Path != "/account" || !strings.Contains(a.Body, "requires two-factor authentication") {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	eve.AddApp("Phone")
	if a := eve.Open(s.URL("acme") + "/"); a.Status != 200 || !strings.HasPrefix(a.URL.String(), s.URL("acme")) {
		t.Errorf("with the second step that was just shown: %d at %s", a.Status, a.URL)
	}
	if a := eve.Fetch("GET", api+"/orgs/acme", ""); a.Status != 200 {
		t.Errorf("management: %d", a.Status)
	}

	// Elsewhere, where a session of before has none, the person is asked for it on the way.
	bob := s.Invite(ada, "acme", "bob@example.com", "member")
	again := s.Person()
	again.Submit(s.URL("")+"/sign-in", url.Values{"email": {"bob@example.com"}, "password": {servertest.Password}})
	code := bob.AddApp("Phone")
	a := again.Open(s.URL("acme") + "/")
	if a.URL.Path != "/sign-in" || !strings.Contains(a.Body, "new sign-in") {
		t.Fatalf("%d at %s", a.Status, a.URL)
	}
	back := a.URL.Query().Get("return")
	a = again.Submit(s.URL("")+"/sign-in", url.Values{"email": {"bob@example.com"}, "password": {servertest.Password}, "return": {back}})
	second := regexp.MustCompile(`name="second" value="([^"]+)"`).FindStringSubmatch(a.Body)
	if second == nil {
		t.Fatalf("%d at %s", a.Status, a.URL)
	}
	a = again.Submit(s.URL("")+"/sign-in/second", url.Values{"second": {second[1]}, "return": {"/account"}, "code": {code(time.Now().Add(30 * time.Second))}})
	if a.Status != 200 || a.URL.Path != "/account" {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	a = again.Open(s.URL("acme") + "/")
	if a.Status != 200 || !strings.HasPrefix(a.URL.String(), s.URL("acme")) {
		t.Errorf("%d at %s", a.Status, a.URL)
	}
	s.Must("PUT", "/orgs/acme/sign-in", `{"second_step_required":false}`)
}
