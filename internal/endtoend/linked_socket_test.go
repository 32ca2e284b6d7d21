package endtoend

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestLinkedSocket: an instance that puts a link to another org's socket in place of its own reaches
// nobody there, with whatever its members send.
func TestLinkedSocket(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	sockets, err := filepath.Glob(filepath.Join(s.dir, "data/run/*/app.sock"))
	if err != nil || len(sockets) != 2 {
		t.Fatalf("%v %v", sockets, err)
	}
	of := map[string]string{}
	for _, socket := range sockets {
		spec, err := os.ReadFile(filepath.Join(filepath.Dir(socket), "spec.json"))
		if err != nil {
			t.Fatal(err)
		}
		of[slugIn(t, spec)] = socket
	}
	if err := os.Remove(of["acme"]); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(of["globex"], of["acme"]); err != nil {
		t.Fatal(err)
	}
	if a := ada.open(s.url("acme") + "/whoami"); a.status != http.StatusBadGateway {
		t.Errorf("acme answers %d %s", a.status, a.body)
	}
	if a := ada.open(s.url("globex") + "/whoami"); a.status != http.StatusOK {
		t.Errorf("globex answers %d %s", a.status, a.body)
	}
}

// slugIn is the org's of an instance's specification.
func slugIn(t *testing.T, spec []byte) string {
	t.Helper()
	var v struct{ Env map[string]string }
	if err := json.Unmarshal(spec, &v); err != nil {
		t.Fatal(err)
	}
	return v.Env["PIZZERIA_ORG_SLUG"]
}
