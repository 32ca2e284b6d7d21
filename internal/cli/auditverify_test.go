package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// chained are n entries, as an export has them.
func chained(t *testing.T, n int) []registry.AuditEntry {
	t.Helper()
	list := make([]registry.AuditEntry, n)
	prev := ""
	for i := range list {
		e := registry.AuditEntry{
			Seq: int64(
				i + 1,
			), ActorKind: "operator", Actor: "operator", Action: registry.ChangeOrgUpdated,
			Target: "acme", Prev: prev, Format: registry.AuditCommitted,
		}
		e.Salt()
		var err error
		if e.Hash, _, err = registry.AuditHash(prev, e); err != nil {
			t.Fatal(err)
		}
		list[i], prev = e, e.Hash
	}
	return list
}

func lines(t *testing.T, list []registry.AuditEntry) string {
	t.Helper()
	var b strings.Builder
	for _, e := range list {
		if err := json.NewEncoder(&b).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logServer answers as a control plane whose log passes its own check, as one would whose attacker
// has the secret key.
func logServer(t *testing.T, list []registry.AuditEntry) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/pizzeria/api/v1/audit/verify", func(w http.ResponseWriter, _ *http.Request) {
		last := list[len(list)-1]
		_ = json.NewEncoder(w).Encode(registry.AuditReport{
			First: list[0].Seq, Before: list[0].Prev,
			Head: registry.AuditHead{Seq: last.Seq, Hash: last.Hash, Epoch: 1},
		})
	})
	mux.HandleFunc("/pizzeria/api/v1/audit/export", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, lines(t, list))
	})
	srv := httptest.NewUnstartedServer(mux)
	_ = srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return "unix/" + socket
}

func verify(args ...string) error {
	for _, c := range (App{Exit: func(int) error { return nil }}).Commands() {
		if c.Name() != "audit" {
			continue
		}
		c.SetArgs(append([]string{"verify"}, args...))
		c.SilenceUsage, c.SilenceErrors = true, true
		return c.Execute()
	}
	return fmt.Errorf("there is no command audit")
}

// TestVerifyAgainst: what was saved elsewhere in any form shows a log that was cut off, written anew
// or changed on its way, whatever the server itself says of it.
func TestVerifyAgainst(t *testing.T) {
	list, anew := chained(t, 30), chained(t, 30) // other salts, so other hashes
	head := func(e registry.AuditEntry) string {
		return registry.AuditHead{Seq: e.Seq, Hash: e.Hash}.String()
	}
	forms := map[string]func(registry.AuditEntry) string{
		"a head": head,
		"a file of heads": func(e registry.AuditEntry) string {
			return file(t, "saved by cron\n"+head(list[3])+"\n"+head(e)+"\n")
		},
		"an export": func(e registry.AuditEntry) string { return file(t, lines(t, list[:e.Seq])) },
		"log lines": func(e registry.AuditEntry) string {
			return file(t, fmt.Sprintf(`{"level":"info","msg":"another","seq":99,"hash":"%s"}
{"level":"info","ts":1,"logger":"pizzeria","msg":"audit head","seq":%d,"hash":"%s","epoch":1}`, e.Hash, e.Seq, e.Hash))
		},
		"a webhook's messages": func(e registry.AuditEntry) string {
			return file(t, fmt.Sprintf(`{"type":"org.created","data":{"seq":99}}
{"type":"audit.head","timestamp":"2030-01-01T00:00:00Z","data":{"seq":%d,"hash":"%s","epoch":1}}`, e.Seq, e.Hash))
		},
	}
	swapped := append([]registry.AuditEntry{}, list...)
	swapped[10], swapped[11] = swapped[11], swapped[10]
	for name, form := range forms {
		against := form(list[24])
		for log, c := range map[string]struct {
			list []registry.AuditEntry
			says string // "" when it holds
		}{
			"whole": {list, ""}, "later": {list[:25], ""}, "kept in part": {list[20:], ""},
			"cut off": {list[:10], "entries are missing"}, "written anew": {anew, "rewritten"},
			"swapped on the way": {swapped, "in the place of entry 11"},
		} {
			err := verify("--admin", logServer(t, c.list), "--against", against)
			if c.says == "" && err != nil ||
				c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%s against %s: %v", log, name, err)
			}
		}
	}
	for name, c := range map[string]struct{ against, says string }{
		"no such file": {filepath.Join(t.TempDir(), "none"), "or a file"},
		"no heads":     {file(t, "nothing\n{}\n"), "has no head"},
		"too old":      {head(list[2]), "every saved head is older"},
	} {
		err := verify("--admin", logServer(t, list[20:]), "--against", c.against)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyExport: an export is checked without a server and without a key, in whole or in part.
func TestVerifyExport(t *testing.T) {
	list := chained(t, 30)
	erased := append([]registry.AuditEntry{}, list...)
	if _, err := erased[7].Erase("actor"); err != nil {
		t.Fatal(err)
	}
	changed := append([]registry.AuditEntry{}, list...)
	changed[7].Target = "globex"
	gap := append(append([]registry.AuditEntry{}, list[:7]...), list[8:]...)
	for name, c := range map[string]struct {
		list []registry.AuditEntry
		says string
	}{
		"whole": {list, ""}, "in part": {list[12:20], ""}, "erased": {erased, ""},
		"changed": {changed, "at or before entry 8"}, "a gap": {gap, "in the place of entry 8"},
	} {
		err := verify("--export", file(t, lines(t, c.list)))
		if c.says == "" && err != nil ||
			c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	head := registry.AuditHead{Seq: 31, Hash: list[0].Hash}.String()
	err := verify("--export", file(t, lines(t, list)), "--against", head)
	if err == nil || !strings.Contains(err.Error(), "entries are missing") {
		t.Error(err)
	}
	if err := verify("--export", file(t, lines(t, list)+"{")); err == nil {
		t.Error("half a line is a line")
	}
}
