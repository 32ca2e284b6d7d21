package endtoend

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const parts = `route {
		org {
			hold %s
		}
		@open path /open/*
		org_auth {
			except @open
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`

// gated is a command that starts the sample instance when the file "go" is there, and fails when "fail" is.
func gated(t *testing.T) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	script := filepath.Join(dir, "gated")
	body := fmt.Sprintf("#!/bin/sh\nwhile [ ! -e %[1]s/go ]; do [ -e %[1]s/fail ] && { echo no luck >&2; exit 9; }; sleep 0.05; done\nexec %[2]s sample-instance\n", dir, binary)
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return dir, "provider process {\n\t\t\tcommand " + script + "\n\t\t\tfiles " + dir + " " + binary + "\n\t\t\tgrace 1s\n\t\t}"
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStarting: while an org starts, people get a page that loads again, and programs wait.
func TestStarting(t *testing.T) {
	t.Parallel()
	dir, config := gated(t)
	const hold = 20 * time.Second // longer than an instance takes to start on a busy machine
	s := startWith(t, config, fmt.Sprintf(parts, hold))
	ada := s.admin()
	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"acme","name":"Acme"}`); a.status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	if a := ada.open(s.url("acme") + "/"); a.status != 503 || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "Acme is starting") || !strings.Contains(a.body, `http-equiv="refresh"`) {
		t.Errorf("a page: %d %s", a.status, a.body)
	}
	began := time.Now()
	if a := ada.fetch("GET", s.url("acme")+"/notes", ""); a.status != 503 || a.header.Get("Retry-After") == "" || time.Since(began) < hold {
		t.Errorf("a program was not held: %d after %s", a.status, time.Since(began))
	}
	held := make(chan answer)
	go func() { held <- s.person().fetch("GET", s.url("acme")+"/open/x", "") }()
	touch(t, dir, "go")
	if a := <-held; a.status == 503 {
		t.Errorf("a program was held in vain: %d %s", a.status, a.body)
	}
	s.eventually("the page opens", func() bool { return ada.open(s.url("acme")+"/").status == 200 })
	// An exception passes without an identity, also for who is signed in; this app then refuses.
	if a := ada.fetch("GET", s.url("acme")+"/open/../whoami", ""); a.status == 200 && !strings.Contains(a.body, "Pizzeria-Assertion") {
		t.Errorf("a path that leads out of the exception: %d %s", a.status, a.body)
	}
	if a := ada.fetch("GET", s.url("acme")+"/open/x", ""); a.status != 404 { // the app's own answer
		t.Errorf("an exception: %d %s", a.status, a.body)
	}
}

// TestFailing: an instance that does not come up is said so, to people and in the console, and is tried again.
func TestFailing(t *testing.T) {
	t.Parallel()
	dir, config := gated(t)
	s := startWith(t, config, fmt.Sprintf(parts, "100ms"))
	ada := s.admin()
	touch(t, dir, "fail")
	if a := ada.fetch("POST", s.url("")+"/api/v1/orgs", `{"slug":"acme","name":"Acme"}`); a.status != http.StatusCreated {
		t.Fatalf("create: %d %s", a.status, a.body)
	}
	s.eventually("the failure is seen", func() bool { return strings.Contains(ada.open(s.url("acme")+"/").body, "Acme does not start") })
	if a := ada.open(s.url("") + "/orgs/acme"); !strings.Contains(a.body, "exit code 9") || !strings.Contains(a.body, "Failed") || !strings.Contains(a.body, "no luck") {
		t.Errorf("the console does not say why: %s", a.body)
	}
	if a := ada.fetch("GET", s.url("acme")+"/notes", ""); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a program: %d %s", a.status, a.body)
	}
	touch(t, dir, "go")
	s.eventually("the page opens", func() bool { return ada.open(s.url("acme")+"/").status == 200 })
}
