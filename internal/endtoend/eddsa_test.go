package endtoend

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEdDSA: the operator chooses another algorithm; keys and sessions of the old one go on beside it, at the gateway, at instances and with go-oidc.
func TestEdDSA(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	old := ada.cookie(s.url("acme"), orgCookie)
	s.write(s.caddyfile("signing_algorithm EdDSA", 0))
	s.must("reload", "--config", "Caddyfile", "--address", "unix/./data/admin.sock", "--force")
	s.must("signing-key", "rotate", "--ahead", "1s")
	header := func(p *person) string { return headerOf(t, p.cookie(s.url("acme"), orgCookie)) }
	n := 0
	s.eventually("sessions are signed with EdDSA", func() bool {
		n++
		p := s.invite(ada, "acme", fmt.Sprintf("eve%d@example.com", n), "member")
		a := p.open(s.url("acme") + "/") // its ID token was checked, and the instance checked the assertion
		return a.status == http.StatusOK && strings.Contains(header(p), `"alg":"EdDSA"`)
	})
	if !strings.Contains(headerOf(t, old), `"alg":"ES256"`) {
		t.Error(headerOf(t, old))
	}
	if a := s.person().do("GET", s.url("acme")+"/whoami", nil, map[string]string{"Cookie": orgCookie + "=" + old, "Sec-Fetch-Site": "same-origin", "Accept": "application/json"}); a.status != 200 {
		t.Errorf("a session of before: %d", a.status)
	}
	for _, at := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
		if a := s.person().open(s.url("") + at); !strings.Contains(a.body, "EdDSA") || !strings.Contains(a.body, "ES256") {
			t.Errorf("%s: %s", at, a.body)
		}
	}
	b, err := os.ReadFile(filepath.Join(s.dir, "data/keys/assertion-jwks.json"))
	if err != nil || !strings.Contains(string(b), "Ed25519") {
		t.Errorf("%s %v", b, err)
	}
	s.must("verify-isolation")
}

// headerOf is a token's header.
func headerOf(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
