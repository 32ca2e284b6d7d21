package endtoend

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// TestRekey: under another secret key everything goes on: sessions, keys, secrets of orgs, second steps.
func TestRekey(t *testing.T) {
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
	if a := ada.submit(s.url("")+"/account/second-step", url.Values{"sealed": {sealed}, "code": {code(time.Now())}, "name": {"Phone"}, "old_password": {password}}); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if out, err := s.cli("", "rekey"); err == nil || !strings.Contains(out, "in use by process") {
		t.Errorf("beside a running server: %v %s", err, out)
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
	s.must("audit", "verify")
}
