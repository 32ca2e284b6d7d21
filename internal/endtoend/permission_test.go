package endtoend

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestCertificatesOnDemand: orgs get one, names that nobody has get none however many are tried.
func TestCertificatesOnDemand(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", "tls {\n\t\ton_demand\n\t\tissuer internal\n\t}\n\torg_gateway")
	s.stop()
	b, err := os.ReadFile(filepath.Join(s.dir, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(string(b), "\tpizzeria {", "\ton_demand_tls {\n\t\tpermission org\n\t}\n\tpizzeria {", 1))
	s.run()
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "gone")
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/gone?confirm=gone&now=true", "", 202, nil)
	s.org(ada, "former")
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/former/rename", `{"slug":"present"}`, 200, nil)
	s.sql(`UPDATE slugs SET redirect_until = 1 WHERE slug = 'former'`) // it rests
	hello := func(name string) error {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &tls.Config{ServerName: name, RootCAs: s.root, MinVersion: tls.VersionTLS12})
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := hello("acme." + domain); err != nil {
		t.Fatalf("an org has no certificate: %v", err)
	}
	if err := hello("former." + domain); err != nil {
		t.Errorf("a former address, which runners use, has no certificate: %v", err)
	}
	names := []string{"gone." + domain, "a.b." + domain, "xn--acme." + domain, "acme." + domain + ".evil.example", "www." + domain}
	for i := range scale.Of(t, "names", 500, 10_000) {
		names = append(names, fmt.Sprintf("flood-%d.%s", i, domain))
	}
	for _, name := range names {
		if hello(name) == nil {
			t.Errorf("%s has a certificate", name)
		}
	}
	made, err := filepath.Glob(filepath.Join(s.dir, "data/caddy/certificates/*/*/*.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range made {
		if name := strings.TrimSuffix(filepath.Base(path), ".crt"); name != domain && name != "acme."+domain && name != "gone."+domain && name != "former."+domain {
			t.Errorf("a certificate was made for %s", name)
		}
	}
	if err := hello("acme." + domain); err != nil {
		t.Errorf("after the flood: %v", err)
	}
	scale.Keep(t, map[string]any{"names": len(names), "certificates": len(made), "orgs": 3})
}
