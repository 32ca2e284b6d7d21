package flows

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Org(ada, "globex")
	mia := s.Invite(ada, "acme", "mia@example.com", "member")
	api := s.URL("") + "/api/v1"
	next := mia.Stream(t, api+"/orgs/acme/events")
	ada.Call(t, "PATCH", api+"/orgs/globex", `{"name":"Secret"}`, 200, nil)
	ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Seen"}`, 200, nil)
	next.Until(t, "id: ") // where the stream begins
	id := strings.TrimPrefix(next.Until(t, "id: "), "id: ")
	next.Until(t, "event: org.updated")
	if data := next.Until(t, "data: "); !strings.Contains(data, `"slug":"acme"`) {
		t.Errorf("another org's change: %s", data)
	}
	next.Close()
	ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Missed"}`, 200, nil)
	next = mia.Stream(t, api+"/orgs/acme/events", "Last-Event-ID", id)
	if begins := next.Until(t, "id: "); begins != "id: "+id {
		t.Errorf("it resumes at %s, not at %s", begins, id)
	}
	if again := next.Until(t, "id: "); again == "id: "+id {
		t.Errorf("the event that was seen comes again: %s", again)
	}
	old := mia.Stream(t, api+"/orgs/acme/events", "Last-Event-ID", "999999")
	old.Until(t, "event: reset")
	old.Close()
	mia.Call(t, "GET", api+"/orgs/acme/events?after=x", "", 422, nil)

	// Who is removed sees no more; the stream ends, or stays silent, and never tells.
	ada.Call(t, "DELETE", api+"/orgs/acme/members/mia@example.com", "", 200, nil)
	ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"After"}`, 200, nil)
	for l, ok := next.Next(t); ok; l, ok = next.Next(t) {
		if strings.Contains(l, "member.removed") {
			t.Errorf("a removed member is told: %s", l)
		}
	}
	all := ada.Stream(t, api+"/events?after=0")
	all.Until(t, "event: user.created")
	all.Until(t, "event: member.removed")
	all.Close()

	// What an instance prints goes on as it prints.
	logs := ada.Stream(t, api+"/orgs/acme/instance/logs?lines=0&follow=true")
	ada.Call(t, "POST", api+"/orgs/acme/instance/restart", "", 200, nil)
	if _, ok := logs.Next(t); !ok {
		t.Error("the log ended")
	}
	logs.Close()

	// Who may no longer read it reads no more, and the stream ends.
	olga := s.Invite(ada, "acme", "olga@example.com", "admin")
	logs = olga.Stream(t, api+"/orgs/acme/instance/logs?lines=1&follow=true")
	page := olga.Stream(t, s.URL("")+"/orgs/acme/instance/log")
	ada.Call(t, "PATCH", api+"/orgs/acme/members/olga@example.com", `{"role":"member"}`, 204, nil)
	logs.Ended(t)
	page.Ended(t)
}
