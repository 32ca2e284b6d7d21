package endtoend

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// postgresGuide returns the commands or statements of the guide to PostgreSQL, for a test's server.
// There must be as many as the test knows of.
func postgresGuide(t *testing.T, db *postgrestest.Server, kind string, count int) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/guide/postgres.md")
	must(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```"+kind+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.ReplaceAll(m[1], "db.example.com", db.Host()))
	}
	if len(blocks) != count {
		t.Fatalf("the guide has %d blocks of %s, want %d", len(blocks), kind, count)
	}
	return blocks
}

// createPostgres creates role and database as the guide says, and returns the connection string.
func createPostgres(t *testing.T, db *postgrestest.Server) string {
	t.Helper()
	postgrestest.Restore(t, db.URL("postgres"), []byte(postgresGuide(t, db, "sql", 1)[0]))
	return strings.Replace(db.URL("pizzeria"), "postgres@", "pizzeria@", 1)
}

// postgresRestore loses the database, the secret key and the files of orgs, and puts them back by the
// guide's commands.
func postgresRestore(t *testing.T, s *server, ada *person, db *postgrestest.Server) {
	t.Helper()
	s.run()
	var key struct{ Secret string }
	ada.call(t, "POST", s.url("")+"/api/v1/me/keys", `{"name":"k","scopes":["platform"]}`, http.StatusCreated, &key)
	dump := postgrestest.Dump(t, db.URL("pizzeria"))
	for _, secret := range []string{password, key.Secret} {
		if secret == "" || bytes.Contains(dump, []byte(secret)) {
			t.Errorf("the dump has %q in it", secret)
		}
	}
	if !bytes.Contains(dump, []byte("ada@example.com")) {
		t.Error("the dump is of another database")
	}
	var acme struct{ ID string }
	must(t, s.operator("/orgs/acme", &acme))
	file := filepath.Join(s.dir, "data/orgs", acme.ID, "of-acme")
	must(t, os.WriteFile(file, []byte("flour"), 0o600))

	commands := postgresGuide(t, db, "sh postgres", 2)
	environment, _, _ := strings.Cut(commands[0], "\n")
	tools := "PATH=" + postgrestest.Programs(t) + ":$PATH\n"
	s.shell(tools + commands[0])
	s.org(ada, "later")
	s.stop()
	s.forget()
	s.shell(tools + environment + "\n" + commands[1])
	s.run()

	s.eventually("an org of before is served, to a session of before", func() bool {
		return ada.status(s.url("acme")+"/") == http.StatusOK
	})
	s.eventually("an org of after is not there", func() bool {
		return ada.status(s.url("later")+"/") == http.StatusNotFound
	})
	if b, err := os.ReadFile(file); string(b) != "flour" {
		t.Errorf("a file of an org: %q %v", b, err)
	}
	again := s.person()
	again.submit(s.url("")+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {password}})
	if a := again.open(s.url("acme") + "/"); a.status != http.StatusOK {
		t.Errorf("who signs in after a restore: %d %s", a.status, a.body)
	}
	s.org(ada, "again")
	s.must("audit", "verify")
	must(t, db.Await(`SELECT NOT has_database_privilege('public', 'pizzeria', 'CONNECT')`))
}
