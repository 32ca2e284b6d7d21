package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestProviderChangesAtReload: a changed provider counts for the instances that start after the
// reload. Those that run are shown as outdated until they are restarted, wherever one would look.
func TestProviderChangesAtReload(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	provider := func(word string) string {
		return fmt.Sprintf("provider process {\n\t\t\tcommand sh -c \"echo token=$TOKEN; exec %[1]s mirror\"\n\t\t\tenv TOKEN %[2]s\n\t\t\tfiles %[1]s\n\t\t}", self, word)
	}
	s := startWith(t, provider("{env.PIZZERIA_TEST_TOKEN}-1"), "org_gateway", "PIZZERIA_TEST_TOKEN=from-the-environment")
	ada := s.admin()
	for _, slug := range []string{"acme", "globex"} {
		s.org(ada, slug)
	}
	lastToken := func(slug string) string {
		t.Helper()
		out, err := s.cli("", "instance", "logs", slug)
		if err != nil {
			t.Fatalf("logs: %s", out)
		}
		return strings.TrimSpace(out[strings.LastIndex(out, "token=")+len("token="):])
	}
	if got := lastToken("acme"); got != "from-the-environment-1" {
		t.Errorf("the instance got %q", got)
	}
	outdated := func(want ...string) {
		t.Helper()
		list := func(query string) (slugs []string) {
			var page struct {
				Items []struct {
					Slug     string
					Instance struct{ Outdated bool }
				}
			}
			ada.call(t, "GET", s.url("")+"/api/v1/orgs"+query, "", 200, &page)
			for _, o := range page.Items {
				if o.Instance.Outdated {
					slugs = append(slugs, o.Slug)
				}
			}
			return slugs
		}
		for _, query := range []string{"?sort=slug", "?sort=slug&outdated=true"} {
			if got := list(query); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: outdated are %v, want %v", query, got, want)
			}
		}
		for _, slug := range []string{"acme", "globex"} {
			is := strings.Contains(fmt.Sprint(want), slug)
			var instance struct{ Outdated bool }
			ada.call(t, "GET", s.url("")+"/api/v1/orgs/"+slug+"/instance", "", 200, &instance)
			page := ada.open(s.url("") + "/orgs/" + slug + "/instance")
			out, err := s.cli("", "instance", "show", slug)
			if err != nil {
				t.Fatalf("instance show: %s", out)
			}
			if instance.Outdated != is || strings.Contains(page.body, "Outdated") != is || strings.Contains(out, "running (outdated)") != is {
				t.Errorf("%s is outdated: %v; the API says %v, the page %v, the command line %q", slug, is,
					instance.Outdated, strings.Contains(page.body, "Outdated"), out)
			}
		}
		page := ada.open(s.url("") + "/platform/instances?outdated=1")
		out, err := s.cli("", "org", "list", "--outdated")
		for _, slug := range []string{"acme", "globex"} {
			is := strings.Contains(fmt.Sprint(want), slug)
			if strings.Contains(page.body, "/orgs/"+slug+"/instance") != is || strings.Contains(out, slug) != is || err != nil {
				t.Errorf("%s is listed as outdated: want %v: %v %s", slug, is, err, out)
			}
		}
		metric := fmt.Sprintf("\npizzeria_instances_outdated %d\n", len(want))
		if !strings.Contains(s.adminGet("/metrics"), metric) {
			t.Errorf("the metric is not%s", metric)
		}
	}
	reload := func(global string) {
		t.Helper()
		if out, err := s.reload(s.caddyfile(global, 0)); err != nil {
			t.Fatalf("reload: %s", out)
		}
	}
	reload(provider("{env.PIZZERIA_TEST_TOKEN}-1") + "\n\t\toffline_grace 30m")
	outdated()
	reload(provider("{env.PIZZERIA_TEST_TOKEN}-2"))
	outdated("acme", "globex")
	if out, err := s.cli("", "instance", "restart", "acme", "--wait"); err != nil {
		t.Fatalf("restart: %s", out)
	}
	if got := lastToken("acme"); got != "from-the-environment-2" {
		t.Errorf("after a restart the instance got %q", got)
	}
	outdated("globex")
	if out, err := s.reload(strings.Replace(s.caddyfile(provider("never"), 0), "control_plane", "control_plane {\n\t\tnonsense\n\t}", 1)); err == nil {
		t.Errorf("a config that is wrong was loaded: %s", out)
	}
	outdated("globex")
	reload(provider("{env.PIZZERIA_TEST_TOKEN}-1"))
	outdated("acme") // the one that has been restarted meanwhile
	if a := ada.open(s.url("acme") + "/"); a.status != http.StatusOK {
		t.Errorf("acme: %d", a.status)
	}
	if out, err := s.reload(s.caddyfile("secret_key ./data/other.key", 0)); err == nil || !strings.Contains(out, "while the server runs") {
		t.Errorf("another secret key at a reload: %v %s", err, out)
	}
}
