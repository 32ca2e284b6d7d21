package endtoend

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// TestRekey: under another secret key everything goes on: sessions, keys, secrets of orgs, second steps.
func TestRekey(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	s.must("settings", "set", "acme", "APP_SECRET=a value to keep")
	page := ada.open(s.url("") + "/account/second-step").body
	field := func(before, after string) string {
		t.Helper()
		_, rest, ok := strings.Cut(page, before)
		v, _, ok2 := strings.Cut(rest, after)
		if !ok || !ok2 {
			t.Fatal(page)
		}
		return v
	}
	sealed := field(`name="sealed" value="`, `"`)
	typed := field(`<div class="copied"><input readonly`, `</div>`)
	_, typed, _ = strings.Cut(typed, `value="`)
	typed, _, _ = strings.Cut(typed, `"`)
	code := func(at time.Time) string {
		t.Helper()
		c, err := totp.GenerateCode(typed, at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if a := ada.submit(s.url("")+"/account/second-step", url.Values{"sealed": {sealed}, "code": {code(time.Now())}, "name": {"Phone"}, "old_password": {password}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if out, err := s.cli("", "rekey"); err == nil || !strings.Contains(out, "in use by process") {
		t.Errorf("beside a running server: %v %s", err, out)
	}
	log := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(log, []byte(s.must("audit", "export")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop()
	before, err := os.ReadFile(filepath.Join(s.dir, "data/secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	// Broken off before the new key was put in place, it is finished by the next.
	out := s.must("rekey")
	if !strings.Contains(out, "sealed ") {
		t.Error(out)
	}
	for name, same := range map[string]bool{"secret.key": false, "secret.key.old": true} {
		if b, err := os.ReadFile(filepath.Join(s.dir, "data", name)); err != nil || (string(b) == string(before)) != same {
			t.Errorf("%s: %v", name, err)
		}
	}
	after := filepath.Join(s.dir, "data/secret.key")
	if out, err := s.cli("", "rekey"); err == nil || !strings.Contains(out, "move it away") {
		t.Errorf("an older key was written over: %v %s", err, out)
	}
	if err := os.Rename(after, after+".next"); err != nil { // as after a crash
		t.Fatal(err)
	}
	if err := os.WriteFile(after, before, 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := os.ReadFile(after + ".next")
	if err != nil {
		t.Fatal(err)
	}
	// What fails on the way loses neither key.
	lock := filepath.Join(s.dir, "data/pizzeria.db")
	if err := os.Rename(lock, lock+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := s.cli("", "rekey"); err == nil {
		t.Errorf("without a database: %s", out)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(lock+".away", lock); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(after + ".next"); err != nil || string(b) != string(next) {
		t.Fatalf("the key in use is lost: %v", err)
	}
	s.must("rekey")
	s.run()
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Errorf("a session of before: %d at %s", a.status, a.url)
	}
	p := s.person()
	a := p.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}, "return": {"/"}})
	_, half, ok := strings.Cut(a.body, `name="second" value="`)
	half, _, _ = strings.Cut(half, `"`)
	if !ok {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := p.submit(s.url("")+"/sign-in/second", url.Values{"second": {half}, "code": {code(time.Now().Add(30 * time.Second))}, "return": {"/"}}); a.status != 200 || a.url.Path != "/" {
		t.Errorf("the second step: %d at %s", a.status, a.url)
	}
	s.must("instance", "restart", "acme")
	s.active("acme")
	if out := s.must("audit", "verify", "--against", log); !strings.Contains(out, "whole") {
		t.Error(out)
	}
}

// TestSecretKeyInEnvironment: the key needs no file, is replaced by another variable's, and a wrong or missing one ends the start with a clear error.
func TestSecretKeyInEnvironment(t *testing.T) {
	t.Parallel()
	s := startWith(t, "secret_key env PZ_KEY", "org_gateway", "PZ_KEY="+strings.Repeat("A", 43), "PZ_NEXT="+strings.Repeat("B", 42)+"A")
	ada := s.admin()
	s.org(ada, "acme")
	s.must("settings", "set", "acme", "APP_SECRET=a value to keep")
	if _, err := os.Stat(filepath.Join(s.dir, "data/secret.key")); err == nil {
		t.Error("a key file was made")
	}
	s.stop()
	for name, args := range map[string][]string{
		"no new key": {"--secret-key", "env:PZ_KEY"}, "a file as the new key": {"--secret-key", "env:PZ_KEY", "--new-secret-key", "x"}, "a new key of a file": {"--new-secret-key", "env:PZ_NEXT"},
		"an unset one": {"--secret-key", "env:PZ_KEY", "--new-secret-key", "env:PZ_NONE"},
	} {
		if out, err := s.cli("", append([]string{"rekey"}, args...)...); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	s.must("rekey", "--secret-key", "env:PZ_KEY", "--new-secret-key", "env:PZ_NEXT")
	for value, says := range map[string]string{strings.Repeat("A", 43): "give the secret key that this database was made with", "short": "32 bytes in base64", "": "is not set"} {
		cmd := exec.Command(binary, "run")
		cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "HOME="+filepath.Join(s.dir, "home"), "PZ_KEY="+value)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), says) {
			t.Errorf("with the key %q: %v %s", value, err, tail(string(out), 500))
		}
	}
	s.env = []string{"PZ_KEY=" + strings.Repeat("B", 42) + "A"}
	s.run()
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Errorf("a session of before: %d at %s", a.status, a.url)
	}
	s.must("instance", "restart", "acme")
	s.active("acme")
}
