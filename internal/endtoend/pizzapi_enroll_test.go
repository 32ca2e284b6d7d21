package endtoend

import (
	"net/url"
	"path/filepath"
	"regexp"
	"testing"
)

var pizzapiVariables = regexp.MustCompile(`^PIZZAPI_RELAY_URL=(\S+)\nPIZZAPI_RUNNER_API_KEY=(\S+)\n$`)

// A person enrolls a runner as the guide says: on the machine, signed in there, or with the command
// that the console shows.
func testPizzaPiEnroll(t *testing.T, s pizzapis) {
	mia, m := s.mia, s.machine()
	works := func(name, out string) {
		t.Helper()
		printed := pizzapiVariables.FindStringSubmatch(out)
		if printed == nil || printed[1] != "wss://"+s.host("acme") {
			t.Fatalf("%s: %q", name, out)
		}
		if _, err := s.runner("acme", printed[2], name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
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
}
