package endtoend

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var redisTitle = regexp.MustCompile(`^redis-server 127\.0\.0\.1:(\d+)`)

// redis finds an org's Redis: a process in its network, and the port.
func (s *server) redis(slug string) (network, port string) {
	s.t.Helper()
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		s.t.Fatal(err)
	}
	networks := map[string]string{}
	for _, pid := range s.processes(filepath.Join(s.dir, "data/orgs", s.idOf(slug))) {
		if n, err := os.Readlink("/proc/" + pid + "/ns/net"); err == nil && n != here {
			networks[n] = "/proc/" + pid + "/ns/net"
		}
	}
	if len(networks) == 0 {
		lacking(s.t, "isolation", "instances have no network of their own")
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range lines {
		b, err := os.ReadFile(file)
		if m := redisTitle.FindSubmatch(b); err == nil && m != nil {
			n, err := os.Readlink(filepath.Join(filepath.Dir(file), "ns/net"))
			if err == nil && networks[n] != "" {
				return networks[n], string(m[1])
			}
		}
	}
	s.t.Fatalf("%s has no Redis in %v", slug, networks)
	return "", ""
}

// idOf is an org's.
func (s *server) idOf(slug string) string {
	s.t.Helper()
	var o struct{ ID string }
	if err := s.operator("/orgs/"+slug, &o); err != nil {
		s.t.Fatal(err)
	}
	return o.ID
}

// asksPassword is what Redis says to somebody who gave none.
var asksPassword = []byte("-NOAUTH")

// An org's Redis is reached from its own network alone, and with its password.
func testPizzaPiRedis(t *testing.T, s pizzapis) {
	acme, own := s.redis("acme")
	_, other := s.redis("globex")
	asAcme := func(port string) []byte {
		enter := []string{"--net=" + acme}
		if os.Geteuid() != 0 {
			enter = append(enter, "--user="+filepath.Join(filepath.Dir(acme), "user"), "--preserve-credentials")
		}
		enter = append(enter, "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/"$0" && echo PING >&3 && head -c 7 <&3`, port)
		out, _ := exec.CommandContext(t.Context(), "nsenter", enter...).Output() //nolint:gosec // of this test
		return out
	}
	if got := asAcme(own); !bytes.Equal(got, asksPassword) {
		t.Errorf("acme's own Redis answers acme %q", got)
	}
	if other != own {
		if got := asAcme(other); bytes.Equal(got, asksPassword) {
			t.Error("acme reaches the Redis of globex")
		}
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+other)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }() // something else listens at that port here
	got := make([]byte, len(asksPassword))
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("PING\r\n")); err == nil {
		_, _ = c.Read(got)
	}
	if bytes.Equal(got, asksPassword) {
		t.Error("the Redis of globex is reached from the machine's own network")
	}
}

// redisKeeps fails if an org's Redis has left a file.
func (s *server) redisKeeps(slug string) {
	s.t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(s.dir, "data/orgs", s.idOf(slug)), func(path string, d os.DirEntry, err error) error {
		switch name := filepath.Base(path); {
		case name == "auth.db":
			found = true
		case filepath.Ext(name) == ".rdb", name == "appendonlydir", filepath.Ext(name) == ".aof":
			s.t.Errorf("Redis has kept %s", path)
		}
		return err
	})
	if err != nil || !found {
		s.t.Errorf("PizzaPi's own data is not there: %v", err)
	}
}
