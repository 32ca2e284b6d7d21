package endtoend

import (
	"net/url"
	"path/filepath"
	"regexp"
	"testing"
)

var pizzapiVariables = regexp.MustCompile(`^PIZZAPI_RELAY_URL=(\S+)\nPIZZAPI_RUNNER_API_KEY=(\S+)\n$`)

// A person enrolls a runner as the guide says: on the machine, signed in there, or with the command
// that the console shows. The console and the API end it.
func testPizzaPiEnroll(t *testing.T, s pizzapis) {
	mia, m := s.mia, s.machine()
	mia.open(s.url("acme") + "/")
	keys, clients := map[string]string{}, map[string]*client{}
	works := func(name, out string) {
		t.Helper()
		printed := pizzapiVariables.FindStringSubmatch(out)
		if printed == nil || printed[1] != "wss://"+s.host("acme") {
			t.Fatalf("%s: %q", name, out)
		}
		c, err := s.runner("acme", printed[2], name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		keys[name], clients[name] = printed[2], c
	}
	if out, err := m.login("here", func(page string) {
		if a := mia.submit(s.url("")+"/device", answerTo(page, "approve")); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	out, err := m.command("runner", "enroll", "--org", "acme", "--app", "pizzapi", "--name", "build-3").Output()
	if err != nil {
		t.Fatal(err)
	}
	works("build-3", string(out))

	a := mia.submit(s.url("")+"/orgs/acme/runners", url.Values{"runner_name": {"build-4"}, "app": {"pizzapi"}, "days": {"30"}})
	claim := regexp.MustCompile(`--claim (pzc_[\w-]+)`).FindStringSubmatch(a.body)
	if a.status != 200 || claim == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	printed, err := s.cli("", "runner", "enroll", "--server", s.url(""), "--ca-file",
		filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"), "--claim", claim[1])
	if err != nil {
		t.Fatal(printed)
	}
	works("build-4", printed)
	s.eventually("both are hers", func() bool {
		return mia.fetch("GET", s.url("acme")+"/api/runners", "").body == `[{"name":"build-3"},{"name":"build-4"}]`
	})

	// The console and the API end them like any other runner.
	var all struct{ Items []struct{ ID, Name string } }
	ids := map[string]string{}
	mia.call(t, "GET", s.url("")+"/api/v1/orgs/acme/runners", "", 200, &all)
	for _, r := range all.Items {
		ids[r.Name] = r.ID
	}
	onPage := func(name, verb string) {
		t.Helper()
		if a := mia.submit(s.url("")+"/orgs/acme/runners/"+ids[name]+"/"+verb, nil); a.status != 200 {
			t.Errorf("%s %s: %d %s", verb, name, a.status, a.body)
		}
	}
	onPage("build-4", "disconnect")
	s.ends("build-4", clients["build-4"])
	refused := func(name string) {
		t.Helper()
		s.eventually("the key of "+name+" is refused", func() bool { return s.withKey("acme", keys[name], "/api/me") == 401 })
	}
	mia.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/runners/"+ids["build-3"], "", 204, nil)
	refused("build-3")
	if status := s.withKey("acme", keys["build-4"], "/api/me"); status != 200 {
		t.Errorf("the key of build-4 answers %d", status)
	}
	onPage("build-4", "revoke")
	refused("build-4")
}
