package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

func open(t *testing.T, path string, now func() time.Time) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, new(identity.MasterKey), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	_ = open(t, path, time.Now).Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if _, err = sqlite.Open(context.Background(), path, new(identity.MasterKey), time.Now); err == nil || !strings.Contains(err.Error(), "schema 999") {
		t.Fatalf("got %v", err)
	}
}

// TestBackup: a copy made while others write is whole, and nobody but a platform admin makes one.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "test.db"), time.Now)
	ctx := context.Background()
	u, err := s.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: "a@example.com", Name: "A", PasswordHash: "hash"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(ctx, registry.AsUser(u, "", ""), filepath.Join(dir, "no.db")); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Errorf("somebody else makes a backup: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil && i < 50; i++ {
			_, err = s.CreateOrg(ctx, registry.AsOperator(), registry.NewOrg{Slug: fmt.Sprintf("org-%d", i)})
		}
		done <- err
	}()
	for i := range 5 {
		path := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		saved, err := s.Backup(ctx, registry.AsOperator(), path)
		if err != nil {
			t.Fatal(err)
		}
		c := open(t, path, time.Now)
		head, err := c.Head(ctx, registry.AsSystem("test"))
		if err != nil {
			t.Fatal(err)
		}
		if all, err := c.Changes(ctx, registry.AsSystem("test"), 0, 1000); err != nil || int64(len(all)) != head {
			t.Errorf("copy %d has %d of %d changes, %v", i, len(all), head, err)
		}
		if r, err := c.VerifyAudit(ctx, registry.AsOperator(), nil); err != nil || r.Head != saved {
			t.Errorf("%+v, want %+v: %v", r, saved, err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestInstallationID: it outlives the process, and is in every backup; one from before there was an
// ID gets the same as the database that it is a copy of.
func TestInstallationID(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	id := func(path string) registry.InstallationID {
		t.Helper()
		s := open(t, path, time.Now)
		defer func() { _ = s.Close() }()
		id, err := s.Installation(ctx, registry.AsSystem("test"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Backup(ctx, registry.AsOperator(), path+".copy"); err != nil {
			t.Fatal(err)
		}
		return id
	}
	path := filepath.Join(dir, "new.db")
	first := id(path)
	_ = os.Remove(path + ".copy")
	if again, copied := id(path), id(path+".copy"); again != first || copied != first {
		t.Errorf("%s, then %s, and %s in the backup", first, again, copied)
	}
	if other := id(filepath.Join(dir, "other.db")); other == first {
		t.Errorf("two installations are %s", first)
	}

	older := func(name string, orgs ...string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
		if err == nil {
			_, err = p.UpTo(ctx, 33)
		}
		for _, org := range orgs {
			if err == nil {
				_, err = db.Exec(`INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at)
					VALUES ($1, $1, $1, 'standard', 'active', 1, 1)`, org)
			}
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, more := id(older("before.db", "a")), id(older("after.db", "a", "b"))
	if one != more || one != "a" {
		t.Errorf("copies of one database have %s and %s", one, more)
	}
}

func TestAuditCannotBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := open(t, path, time.Now)
	for _, slug := range []string{"one", "two"} {
		if _, err := s.CreateOrg(context.Background(), registry.AsOperator(), registry.NewOrg{Slug: slug}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE audit SET actor = 'eve'`); err == nil {
		t.Fatal("an entry was changed")
	}
	if _, err := db.Exec(`DELETE FROM audit`); err == nil {
		t.Fatal("an entry was deleted")
	}
	if _, err := db.Exec(`DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'eve' WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyAudit(context.Background(), registry.AsOperator(), nil); registry.ErrorCode(err) != registry.CodeConflict {
		t.Fatalf("the change was not found: %v", err)
	}
}

// TestKill: a process that is killed while it writes loses nothing that it acknowledged.
func TestKill(t *testing.T) {
	if dir := os.Getenv("PIZZERIA_KILL_DIR"); dir != "" {
		writeUntilKilled(t, dir)
	}
	rounds := 8
	if os.Getenv("PIZZERIA_TEST_SCALE") == "full" {
		rounds = 1000
	}
	t.Logf("size: %d kills (whole: 1000)", rounds)
	path := filepath.Join(t.TempDir(), "test.db")
	acknowledged := map[string]bool{}
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "PIZZERIA_KILL_DIR="+path, fmt.Sprintf("PIZZERIA_KILL_ROUND=%d", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1)
		line := ""
		for n := 0; n < 1+round*3%29; {
			if _, err := out.Read(buf); err != nil {
				t.Fatal(err)
			}
			if buf[0] != '\n' {
				line += string(buf)
				continue
			}
			if slug, ok := strings.CutPrefix(line, "ack "); ok {
				acknowledged[slug] = true
				n++
			}
			line = ""
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s := open(t, path, time.Now)
	for slug := range acknowledged {
		if _, err := s.OrgBySlug(context.Background(), registry.AsOperator(), slug); err != nil {
			t.Errorf("%s was acknowledged and lost: %v", slug, err)
		}
	}
	if _, err := s.VerifyAudit(context.Background(), registry.AsOperator(), nil); err != nil {
		t.Error(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var integrity string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&integrity); err != nil || integrity != "ok" {
		t.Errorf("integrity: %q %v", integrity, err)
	}
	changes, err := s.Changes(context.Background(), registry.AsSystem("test"), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range changes {
		if c.Seq != int64(i+1) {
			t.Fatalf("the feed has a gap at %d", i)
		}
	}
	t.Logf("%d kills, %d acknowledged writes", rounds, len(acknowledged))
	if rounds == 1000 && !t.Failed() {
		text := fmt.Sprintf("{\n  \"test\": \"sqlite.TestKill\",\n  \"date\": %q,\n  \"kills\": %d,\n  \"acknowledged_writes\": %d,\n  \"lost\": 0,\n  \"integrity_check\": %q\n}\n",
			time.Now().UTC().Format(time.DateOnly), rounds, len(acknowledged), integrity)
		if err := os.WriteFile("../../bench/results/sqlite.TestKill.json", []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

func writeUntilKilled(t *testing.T, path string) {
	s := open(t, path, time.Now)
	for i := 0; ; i++ {
		slug := fmt.Sprintf("r%s-%d", os.Getenv("PIZZERIA_KILL_ROUND"), i)
		if len(slug) < 3 {
			slug += "x"
		}
		if _, err := s.CreateOrg(context.Background(), registry.AsOperator(), registry.NewOrg{Slug: slug}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ack " + slug)
	}
}

// TestCloseLeavesNothing: a bubble does not end before every goroutine in it has.
func TestCloseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), new(identity.MasterKey), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
