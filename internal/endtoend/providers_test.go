package endtoend

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestProviders: plans and orgs are given one of several providers, an org that moves keeps its
// data, and one whose provider was removed is served, until it needs that provider.
func TestProviders(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string) string {
		return fmt.Sprintf(`provider process %[1]s {
			command sh -c "echo by=%[1]s; cd $PIZZERIA_DATA_DIR; touch %[1]s; ls; exec %[2]s mirror"
			files %[2]s
		}
		`, name, self)
	}
	plan := "plan team {\n\t\t\tprovider large\n\t\t}\n\t\t"
	s := startWith(t, named("small")+named("large")+plan, "org_gateway")
	ada := s.admin()
	cli := func(args ...string) string {
		t.Helper()
		out, err := s.cli("", args...)
		if err != nil {
			t.Fatalf("%v: %s", args, out)
		}
		return out
	}
	runs := func(slug, provider string, generation int) {
		t.Helper()
		s.eventually("it runs", func() bool {
			out := strings.Join(strings.Fields(cli("instance", "show", slug)), " ")
			out = strings.ReplaceAll(out, " (outdated)", "") // while its provider is not there
			return strings.Contains(out, fmt.Sprintf("running running %d %s", generation, provider))
		})
		if printed := cli("instance", "logs", slug); strings.LastIndex(printed, "by="+provider) <
			max(strings.LastIndex(printed, "by=small"), strings.LastIndex(printed, "by=large")) {
			t.Errorf("%s does not run under %s: %s", slug, provider, printed)
		}
	}
	s.org(ada, "acme")
	runs("acme", "small", 1)
	cli("org", "update", "acme", "--provider", "large")
	runs("acme", "large", 2)
	printed := cli("instance", "logs", "acme")
	if _, after, _ := strings.Cut(printed, "by=large"); !strings.Contains(after, "small") {
		t.Errorf("the data did not come along: %s", printed)
	}
	if out, err := s.cli("", "org", "update", "acme", "--provider", "huge"); err == nil ||
		!strings.Contains(out, `there is no provider "huge": use small or large`) {
		t.Errorf("%v %s", err, out)
	}
	cli("org", "create", "globex", "--plan", "team", "--wait")
	runs("globex", "large", 1)

	if out, err := s.reload(s.caddyfile(named("small"), 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	s.eventually("it is logged", func() bool {
		return strings.Contains(s.out.String(), "provider not configured, leaving its instances alone")
	})
	if out, err := s.cli("", "instance", "logs", "acme"); err == nil ||
		!strings.Contains(out, `provider "large" is not configured any more`) {
		t.Errorf("%v %s", err, out)
	}
	if page := ada.open(s.url("acme") + "/"); page.status != 200 {
		t.Errorf("it is not served: %d", page.status)
	}
	cli("instance", "restart", "acme")
	s.eventually("it says what to do", func() bool {
		return strings.Contains(cli("instance", "show", "acme", "-o", "json"),
			`provider \"large\" is not configured any more: configure it again`)
	})
	if out, err := s.reload(s.caddyfile(named("small")+named("large"), 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	runs("acme", "large", 3)
}
