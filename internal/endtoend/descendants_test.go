package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNothingOutlivesItsOrg: what an instance started ends with the instance, wherever it went,
// also when shim or server were killed.
func TestNothingOutlivesItsOrg(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "command")
	body := fmt.Sprintf(`#!/bin/sh
setsid sleep 4011 &
( ( setsid sleep 4012 & ) & )
nohup sleep 4013 >/dev/null 2>&1 &
setsid sh -c 'trap "" HUP INT TERM; exec sleep 4014' &
exec %s sample-instance
`, binary)
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s := startWith(t, "provider process {\n\t\t\tcommand "+script+"\n\t\t\tfiles "+binary+"\n\t\t\tgrace 1s\n\t\t}", "org_gateway")
	ada := s.admin()
	api := s.url("") + "/api/v1/orgs/"
	const all = 5 // the instance and what it started
	type org struct {
		slug, id string
		was      []string
	}
	here := func(o *org) []string { return s.processes(filepath.Join(s.dir, "data/orgs", o.id)) }
	create := func(slug string) *org {
		o := &org{slug: slug, id: s.org(ada, slug)}
		s.eventually("all have started", func() bool { o.was = here(o); return len(o.was) >= all })
		return o
	}
	none := func(o *org) {
		t.Helper()
		s.eventually("nothing of "+o.slug+" is left", func() bool { return len(here(o)) == 0 })
	}
	others := func(o *org) {
		t.Helper()
		s.eventually(o.slug+" runs without its old processes", func() bool {
			now := here(o)
			return len(now) >= all && !slices.ContainsFunc(now, func(pid string) bool {
				return slices.Contains(o.was, pid)
			})
		})
	}
	ask := func(method, path string) {
		t.Helper()
		if a := ada.fetch(method, api+path, ""); a.status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
		}
	}
	killSample := func(o *org) {
		t.Helper()
		for _, pid := range s.sample() {
			if slices.Contains(o.was, pid) {
				s.signal(pid, "KILL")
				return
			}
		}
		t.Fatalf("no instance of %s", o.slug)
	}
	killShim := func(o *org) {
		t.Helper()
		for _, pid := range s.processes(filepath.Join(s.dir, "data/run")) {
			line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
			env, err2 := os.ReadFile(filepath.Join("/proc", o.was[0], "environ"))
			if err != nil || err2 != nil {
				continue
			}
			_, dir, _ := strings.Cut(string(line), "shim\x00")
			dir, _, _ = strings.Cut(dir, "\x00")
			if strings.Contains(string(env), dir+"/app.sock\x00") {
				s.signal(pid, "KILL")
				return
			}
		}
		t.Fatalf("no shim of %s", o.slug)
	}

	o := create("suspended")
	ask("POST", o.slug+"/suspend")
	none(o)
	o = create("deleted")
	ask("DELETE", o.slug+"?confirm="+o.slug+"&now=true")
	none(o)
	o = create("restarted")
	ask("POST", o.slug+"/instance/restart")
	others(o)
	o = create("crashed")
	killSample(o)
	others(o)
	o = create("shimless")
	killShim(o)
	others(o)

	// Both are killed, and nobody looks until the next server does.
	o = create("adopted")
	left := create("unwatched")
	s.kill()
	killShim(left)
	s.run()
	others(left)
	now := here(o)
	if len(now) < all || slices.ContainsFunc(now, func(pid string) bool { return !slices.Contains(o.was, pid) }) {
		t.Errorf("an adopted instance has other processes: %v then %v", o.was, now)
	}
	if out, err := s.cli("", "down"); err != nil {
		t.Fatalf("down: %s %v", out, err)
	}
	s.eventually("nothing is left after down", func() bool {
		return len(s.processes(filepath.Join(s.dir, "data/orgs"))) == 0
	})
}
