package endtoend

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The runners that PizzaPi publishes register through the edge with what their enrollment prints.
// When a member is removed, their runner is refused, and another's comes back by itself.
func testPizzaPiPublished(t *testing.T, s pizzapis) {
	programs, _ := filepath.Glob(filepath.Join(os.Getenv("PIZZERIA_NODE_MODULES"), "@pizzapi/cli-*/bin/pizza"))
	if len(programs) == 0 {
		lacking(t, "pizzapi", "PIZZERIA_NODE_MODULES does not have PizzaPi's runner")
	}
	if os.Getuid() != 0 {
		lacking(t, "mount", "the runner's machine needs names of its own, which takes root")
	}
	rosa, sam := s.invite(s.ada, "acme", "rosa@example.com", "member"), s.invite(s.ada, "acme", "sam@example.com", "member")
	hers, his := s.published(programs[0], rosa), s.published(programs[0], sam)
	mine := func(p *person, slug string) string {
		return p.fetch(http.MethodGet, s.url(slug)+"/api/runners", "").body
	}
	for p, out := range map[*person]*lockedBuffer{rosa: hers, sam: his} {
		for _, done := range []string{"[daemon] registered as ", "[tunnel-client] Registered as "} {
			s.eventually("a runner has "+done, func() bool { return strings.Contains(out.String(), done) })
		}
		p.open(s.url("acme") + "/")
		s.eventually("it is listed", func() bool { return strings.Contains(mine(p, "acme"), `"name":`) })
	}
	s.ada.open(s.url("globex") + "/")
	if body := mine(s.ada, "globex"); body != "[]" {
		t.Errorf("globex has %s", body)
	}
	s.ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/members/"+rosa.id(), "", 200, nil)
	s.eventually("her runner is refused", func() bool { return strings.Contains(hers.String(), "rejected our API key") })
	s.eventually("his is back", func() bool {
		return strings.Count(his.String(), "[daemon] registered as ") > 1 && strings.Contains(mine(sam, "acme"), `"name":`)
	})
}

// published enrolls a runner of a person's at acme, and starts PizzaPi's own program as it. It returns
// what that prints.
func (s pizzapis) published(program string, p *person) *lockedBuffer {
	t := s.t
	t.Helper()
	var claim struct{ Secret string }
	p.call(t, "POST", s.url("")+"/api/v1/orgs/acme/runners/claims", `{"name":"laptop","app":"pizzapi"}`, 201, &claim)
	authority := filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt")
	out, err := s.cli("", "runner", "enroll", "--server", s.url(""), "--ca-file", authority, "--claim", claim.Secret)
	if err != nil {
		t.Fatal(out)
	}
	host, _, err := net.SplitHostPort(s.host("acme"))
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	hosts := filepath.Join(home, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost "+host+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := new(lockedBuffer)
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/hosts && exec "$2" runner`, "sh", hosts, program) //nolint:gosec // of the test
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, printed, printed
	cmd.Env = append(strings.Split(strings.TrimSpace(out), "\n"), "PATH="+os.Getenv("PATH"), "HOME="+home, "NODE_EXTRA_CA_CERTS="+authority)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the runner printed:\n%s", printed)
		}
	})
	return printed
}
