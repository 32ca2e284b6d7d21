package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

var system, operator = registry.AsSystem("test"), registry.AsOperator()

// plain returns a connection of an administrator.
func plain(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eventually waits until f holds, up to a minute.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within a minute", what)
		case <-tick.C:
		}
	}
}

// TestOneControlPlane: a second one is refused, and told which one uses the database, until that one
// ends.
func TestOneControlPlane(t *testing.T) {
	url := postgrestest.Database(t)
	first := open(t, url, time.Now)
	second, err := postgres.New(at(t, url), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	err = second.Connect(t.Context())
	if !errors.Is(err, registry.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
		t.Errorf("a second control plane: %v", err)
	}
	if _, err := second.Head(t.Context(), system); err == nil {
		t.Error("a second control plane reads")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Connect(t.Context()); err != nil {
		t.Errorf("after the first one ended: %v", err)
	}
}

// TestLostClaim: a control plane whose lock is lost uses the database no more, until it has it again.
func TestLostClaim(t *testing.T) {
	url := postgrestest.Database(t)
	s, admin := open(t, url, time.Now), plain(t, url)
	// Another takes the lock in the moment that it is free.
	other, err := admin.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan error, 1)
	go func() {
		_, err := other.ExecContext(context.Background(), `SELECT pg_advisory_lock($1)`, postgres.LockControlPlane)
		taken <- err
	}()
	eventually(t, "the other waits", func() (waits bool) {
		err := admin.QueryRow(`SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)`).Scan(&waits)
		return err == nil && waits
	})
	endClaim(t, admin)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the store is away", func() bool {
		_, err := s.Head(t.Context(), system)
		return err != nil
	})
	eventually(t, "it says why", func() bool {
		_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme"})
		return errors.Is(err, registry.ErrInUse)
	})
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Close(); err != nil { // ends the session that has the lock
		t.Fatal(err)
	}
	eventually(t, "the store is back", func() bool {
		_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme"})
		return err == nil
	})
}

// endClaim ends the session that has the lock.
func endClaim(t *testing.T, admin *sql.DB) {
	t.Helper()
	_, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		t.Fatal(err)
	}
}

// TestClaimAgain: a control plane that makes its claim again stays away from a database that is not
// the one it used, or that it must not use any more.
func TestClaimAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change, repair string
		want           string
	}{
		"newer schema": {
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`,
			`DELETE FROM goose_db_version WHERE version_id = 999`, "schema 999",
		},
		"another installation": {
			`UPDATE installation SET uuid = 'x' || uuid`, `UPDATE installation SET uuid = substr(uuid, 2)`,
			"not the database",
		},
		"another secret key": {
			`UPDATE audit_epochs SET sealed = sealed || 'x'`,
			`UPDATE audit_epochs SET sealed = substr(sealed, 1, length(sealed) - 1)`,
			registry.ErrSealed.Error(),
		},
		"an empty database": {
			`ALTER SCHEMA public RENAME TO old`, `ALTER SCHEMA old RENAME TO public`, "not the database",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := postgrestest.Database(t)
			s, admin := open(t, url, time.Now), plain(t, url)
			if _, err := s.Installation(t.Context(), system); err != nil {
				t.Fatal(err)
			}
			if _, err := admin.Exec(c.change); err != nil {
				t.Fatal(err)
			}
			endClaim(t, admin)
			var last error
			eventually(t, "the store says what is wrong", func() bool {
				_, last = s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "org-" + registry.NewID()[24:]})
				return last != nil && strings.Contains(last.Error(), c.want) &&
					strings.Contains(last.Error(), "until somebody repairs this")
			})
			if _, err := admin.Exec(c.repair); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the store is back", func() bool {
				_, last = s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme"})
				return last == nil
			})
		})
	}
}

// TestFence: what a control plane has begun to record does not happen once another has the claim:
// neither what begins later, nor what waits at that moment.
func TestFence(t *testing.T) {
	url := postgrestest.Database(t)
	s, admin := open(t, url, time.Now), plain(t, url)
	next, err := admin.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Rollback() }()
	if _, err := next.Exec(`UPDATE feed_head SET claim = 'of another'`); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.CreateOrg(context.Background(), operator, registry.NewOrg{Slug: "waits"})
		waiting <- err
	}()
	eventually(t, "the change waits", func() (waits bool) {
		err := admin.QueryRow(`SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)`).Scan(&waits)
		return err == nil && waits
	})
	if err := next.Commit(); err != nil {
		t.Fatal(err)
	}
	_, later := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "later"})
	for _, err := range []error{<-waiting, later} {
		if err == nil || !strings.Contains(err.Error(), "taken over") {
			t.Errorf("got %v", err)
		}
	}
}

// TestClaimTimes: a claim that is lost is noticed before the server frees its lock, and the next
// control plane waits for longer than that.
func TestClaimTimes(t *testing.T) {
	freed := postgres.LockFreed(t)
	if postgres.ClaimNoticed >= freed {
		t.Errorf("noticed after %s, freed after %s", postgres.ClaimNoticed, freed)
	}
	if postgres.ClaimWait <= freed {
		t.Errorf("waits for %s, freed after %s", postgres.ClaimWait, freed)
	}
}

// TestChangesOfOthersWake: a commit of another process wakes who follows the feed.
func TestChangesOfOthersWake(t *testing.T) {
	url := postgrestest.Database(t)
	s := open(t, url, time.Now)
	woken := s.Changed()
	if _, err := plain(t, url).Exec(`UPDATE feed_head SET seq = seq`); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
	case <-time.After(time.Minute):
		t.Error("nobody was woken")
	}
	if by := s.WokenBy(); by != registry.WakeNotify {
		t.Errorf("woken by %s", by)
	}
}

// TestMigrateTogether: of processes that start at once one migrates, and the others wait for it.
func TestMigrateTogether(t *testing.T) {
	url := postgrestest.Blank(t)
	location := at(t, url)
	if there, err := location.Exists(); there || err != nil {
		t.Errorf("an empty database is one: %v %v", there, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := postgres.Migrate(t.Context(), location); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if there, err := location.Exists(); there || err != nil {
		t.Errorf("one that holds nothing is one: %v %v", there, err)
	}
	open(t, url, time.Now)
	if there, err := location.Exists(); !there || err != nil {
		t.Errorf("it is there: %v %v", there, err)
	}
}

// TestNewerSchema: a database of a newer version is refused.
func TestNewerSchema(t *testing.T) {
	url := postgrestest.Database(t)
	if _, err := plain(t, url).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Open(t.Context(), at(t, url), new(identity.MasterKey), time.Now)
	if !errors.Is(err, registry.ErrSchema) || !strings.Contains(err.Error(), "schema 999") {
		t.Errorf("got %v", err)
	}
}
