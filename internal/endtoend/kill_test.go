package endtoend

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestKill ends the server with SIGKILL at seeded moments of creating, suspending,
// resuming, restarting and deleting orgs. After each restart nothing acknowledged
// is lost, and every org has exactly one instance or none, as it should.
func TestKill(t *testing.T) {
	t.Parallel()
	points := scale.Of(t, "kills", 15, 500)
	s := start(t)
	ada := s.admin()
	s.org(ada, "first")
	rng := rand.New(rand.NewPCG(2026, 11))
	var slowest time.Duration
	want := map[string]bool{"first": true} // slugs whose creation was acknowledged, and whose deletion was not asked for
	for i := range points {
		names := make([]string, 0, len(want))
		for n := range want {
			names = append(names, n)
		}
		path, body, method := "/api/v1/orgs", `{"slug":"kill`+strconv.Itoa(i)+`"}`, "POST"
		if i%3 != 0 && len(names) > 0 {
			body = ""
			path += "/" + names[rng.IntN(len(names))]
			switch rng.IntN(4) {
			case 0:
				path += "/suspend"
			case 1:
				path += "/resume"
			case 2:
				path += "/instance/restart"
			default:
				delete(want, path[len("/api/v1/orgs/"):])
				method, path = "DELETE", path+"?confirm="+path[len("/api/v1/orgs/"):]+"&now=true"
			}
		}
		if a := ada.fetch(method, s.url("")+path, body); a.status == 201 {
			want["kill"+strconv.Itoa(i)] = true
		} else if a.status != 200 && a.status != 202 && a.status != 409 {
			t.Fatalf("point %d: %s %s: %d %s", i, method, path, a.status, a.body)
		}
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond) // the moment is the point
		s.kill()
		began := time.Now()
		s.run()
		s.settle(i, want)
		slowest = max(slowest, time.Since(began))
	}
	scale.Keep(t, map[string]any{"kills": points, "orgs_at_the_end": len(want), "slowest_recovery_ms": slowest.Milliseconds()})
}

type orgState struct {
	ID, Slug, Status string
	Instance         struct{ State string }
}

// settle waits until every org is at rest, and judges what is there then.
func (s *server) settle(point int, want map[string]bool) {
	s.t.Helper()
	var orgs []orgState
	s.eventually("all orgs are at rest", func() bool {
		out, err := s.cli("", "org", "list", "-o", "json")
		var v struct{ Items []orgState }
		if err != nil || json.Unmarshal([]byte(out), &v) != nil {
			return false
		}
		orgs = v.Items
		for _, o := range orgs {
			if o.Status != "active" && o.Status != "suspended" || o.Status == "active" && o.Instance.State != "running" || o.Status == "suspended" && o.Instance.State != "stopped" {
				return false
			}
		}
		return true
	})
	found := map[string]bool{}
	total := 0
	for _, o := range orgs {
		found[o.Slug] = true
		n := len(s.processes(filepath.Join(s.dir, "data/orgs", o.ID)))
		total += n
		if expect := map[string]int{"active": 1, "suspended": 0}[o.Status]; n != expect {
			s.t.Errorf("point %d: %s is %s and has %d instances", point, o.Slug, o.Status, n)
		}
	}
	for slug := range want {
		if !found[slug] {
			s.t.Errorf("point %d: %s was acknowledged and is lost", point, slug)
		}
	}
	s.eventually("nobody's instances are gone", func() bool { return len(s.processes(filepath.Join(s.dir, "data/orgs"))) == total })
}

// processes returns the IDs of processes that work below a directory.
func (s *server) processes(dir string) (pids []string) {
	s.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd")); err == nil && strings.HasPrefix(cwd, dir+"/") {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// alive reports whether a thread of a process is left that holds its sockets: the first to end takes the process's name and directory with it.
func alive(pid string) bool {
	threads, err := os.ReadDir(filepath.Join("/proc", pid, "task"))
	if err != nil || len(threads) == 0 {
		return false
	}
	b, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err == nil && (len(threads) > 1 || !bytes.Contains(b, []byte(") Z ")))
}

// signal sends a signal to a process of the server's.
func (s *server) signal(pid, name string) {
	s.t.Helper()
	if out, err := exec.Command("kill", "-"+name, pid).CombinedOutput(); err != nil {
		s.t.Fatalf("kill: %s", out)
	}
}
