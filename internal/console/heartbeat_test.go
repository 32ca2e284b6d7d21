package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestHeartbeatIsShown: on the org's page and in the list, as text, and without what is the server's
// for members. A heartbeat alone does not have live pages fetched again.
func TestHeartbeatIsShown(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	owner := s.SignIn(s.User("owner@example.com", false))
	acme := s.Org("acme", owner.User)
	root := s.SignIn(s.User("root@example.com", true))
	system := registry.AsSystem("test")
	l, err := s.Store.Acquire(t.Context(), system, acme.ID, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Store.Report(t.Context(), system, l, 1, "process", registry.Report{State: registry.InstanceRunning})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.Page(owner).Do("GET", "/orgs/acme/instance", ""); strings.Contains(a.Body, "Last heartbeat") {
		t.Error("one is shown before there is one")
	}
	none, runners := 0, 4
	beat := func(memory int64) {
		t.Helper()
		err := s.Store.SaveHeartbeats(t.Context(), system, []registry.Heartbeat{registry.Heartbeat{
			OrgID: acme.ID, Generation: 1, Version: "<b>1.2</b>", Agent: "agent-9", Health: "failing",
			Busy: true, Memory: memory, Disk: 7 << 20, CPU: 1.25, Sockets: 5, Sessions: &none,
			Runners: &runners,
		}.Cleaned(s.Clock.Now())})
		if err != nil {
			t.Fatal(err)
		}
	}
	beat(42 << 20)
	a := s.Page(owner).Do("GET", "/orgs/acme/instance", "")
	for _, want := range []string{
		"&lt;b&gt;1.2&lt;/b&gt;", "Failing", "Busy", "<dd>42 MiB</dd>", "<dd>7 MiB</dd>", "<dd>1.2 s</dd>",
		"<dt>Open connections</dt><dd>5</dd>", "<dt>Sessions</dt><dd>0</dd>",
		"<dt>Runners</dt><dd>4</dd>", "just now",
	} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("no %q in %s", want, a.Body)
		}
	}
	if strings.Contains(a.Body, "agent-9") {
		t.Error("members see the agent's version")
	}
	if a := s.Page(root).Do("GET", "/platform/instances", ""); !strings.Contains(a.Body, "42 MiB") {
		t.Error("the list does not show the memory")
	}
	s.Memory = 45 << 20
	if a := s.Page(root).Do("GET", "/platform/instances", ""); !strings.Contains(a.Body, "45 MiB") {
		t.Error("the list does not show the memory that is counted")
	}
	if a := s.Page(owner).Do("GET", "/orgs/acme/instance", ""); !strings.Contains(a.Body, "<dd>45 MiB</dd>") {
		t.Error("the page does not show the memory that is counted")
	}
	for _, target := range []string{"/api/v1/orgs", "/api/v1/orgs/acme", "/api/v1/orgs/acme/instance"} {
		if a := s.Page(owner).Do("GET", target, ""); !strings.Contains(a.Body, `"memory_bytes":47185920`) {
			t.Errorf("%s does not have the memory that is counted: %s", target, a.Body)
		}
	}
	s.Memory = 0

	live := func() string {
		t.Helper()
		stream := s.Page(owner).Stream(t, "/orgs/acme/live")
		id, _ := stream.Next("id: ")
		return id
	}
	before := live()
	if beat(43 << 20); live() != before {
		t.Error("a heartbeat has every page fetched again")
	}
}
