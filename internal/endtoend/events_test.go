package endtoend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEventsResume: `pizzeria events` survives the end of the server, and prints every change once.
func TestEventsResume(t *testing.T) {
	t.Parallel()
	s := start(t)
	if out, err := s.cli("", "org", "create", "acme", "--wait"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var printed, said lockedBuffer
	events := exec.Command(cli, "events", "--after", "0")
	events.Dir, events.Stdout, events.Stderr = s.dir, &printed, &said
	events.Env = append(append(os.Environ(), "HOME="+filepath.Join(s.dir, "home")), s.env...)
	if err := events.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = events.Process.Kill()
		_ = events.Wait()
	}()
	updated := func() (n int) { return strings.Count(printed.String(), `"kind":"org.updated"`) }
	rename := func(name string) {
		t.Helper()
		if out, err := s.cli("", "org", "update", "acme", "--name", name); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	rename("One")
	s.eventually("the first change is printed", func() bool { return updated() == 1 })
	s.kill()
	s.eventually("the loss is noticed", func() bool { return strings.Contains(said.String(), "connection lost, retrying in") })
	s.run()
	rename("Two")
	s.eventually("the second change is printed", func() bool { return updated() == 2 })
	s.stop()
	s.run()
	rename("Three")
	s.eventually("the third change is printed", func() bool { return updated() == 3 })

	var last int64
	for line := range strings.Lines(printed.String()) {
		var e struct{ Seq int64 }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq <= last {
			t.Errorf("after %d comes %s (%v)", last, line, err)
		}
		last = e.Seq
	}
}
