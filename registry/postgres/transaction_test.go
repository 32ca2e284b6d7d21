package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// TestFiftyWriters: readers see, while 50 write, every number of the feed, in order; and the
// audit log is whole. The writers share one control plane, or are spread over two nodes.
func TestFiftyWriters(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		fiftyWriters(t, open(t, postgrestest.Database(t), time.Now))
	})
	t.Run("nodes", func(t *testing.T) {
		url := postgrestest.Database(t)
		fiftyWriters(t, openNode(t, url, "a", time.Now), openNode(t, url, "b", time.Now))
	})
}

// fiftyWriters follows the feed at the last node.
func fiftyWriters(t *testing.T, nodes ...*postgres.Store) {
	t.Helper()
	const writers, each = 50, 6
	s := nodes[len(nodes)-1]
	done := make(chan struct{})
	var reader, wg sync.WaitGroup
	var seen int64
	reader.Go(func() {
		for ended := false; ; {
			list, err := s.Changes(context.Background(), system, seen, 7)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range list {
				if c.Seq != seen+1 {
					t.Errorf("change %d comes after %d", c.Seq, seen)
				}
				seen = c.Seq
			}
			if len(list) > 0 {
				continue
			}
			if ended {
				return
			}
			select {
			case <-done:
				ended = true // what was committed before is read once more
			case <-s.Changed():
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			s := nodes[w%len(nodes)]
			for i := range each {
				_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: fmt.Sprintf("org-%d-%d", w, i)})
				if err != nil {
					t.Error(err)
				}
				if i%2 == 1 { // refused: no number is lost
					// Another node made it.
					s := nodes[(w+1)%len(nodes)]
					_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: fmt.Sprintf("org-%d-%d", w, i-1)})
					if registry.ErrorCode(err) != registry.CodeConflict {
						t.Errorf("a name that is taken: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	close(done)
	reader.Wait()
	head, err := s.Head(t.Context(), system)
	if err != nil || seen != head || head < writers*each {
		t.Errorf("%d changes seen of %d: %v", seen, head, err)
	}
	if r, err := s.VerifyAudit(t.Context(), operator, nil); err != nil || r.Head.Seq < writers*each {
		t.Errorf("%+v %v", r, err)
	}
}

// TestStalledTransaction: a process that stands still with the feed's lock does not stop others.
func TestStalledTransaction(t *testing.T) {
	url := postgrestest.Database(t)
	s, stalled := open(t, url, time.Now), at(t, url).Pool()
	defer func() { _ = stalled.Close() }()
	tx, err := stalled.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`SELECT seq FROM feed_head WHERE id = 1 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme"}); err != nil {
		t.Errorf("while another stands still: %v", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("it committed what it had begun")
	}
}

// TestDeadlock: a transaction that the database ends for the sake of another runs again.
func TestDeadlock(t *testing.T) {
	url := postgrestest.Database(t)
	db := plain(t, url)
	// The store looks for a deadlock once it is there, and the other does not.
	_, err := db.Exec(`DO $$ BEGIN
		EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 2000', current_database());
		END $$`)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, url, time.Now)
	seen := map[registry.RunnerID]registry.RunnerSeen{"a": {At: time.Now()}, "b": {At: time.Now()}}
	for id := range seen {
		_, err := db.Exec(`INSERT INTO runners (id, hash, org_id, name, created_at, expires_at)
			VALUES ($1, $2, 'o', 'r', 1, 1)`, string(id), []byte(id))
		if err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	change := func(statement string) {
		t.Helper()
		if _, err := tx.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	change(`SET deadlock_timeout = 3600000`)
	change(`UPDATE runners SET name = 'changed' WHERE id = 'b'`)
	touched := make(chan error, 1)
	go func() { touched <- s.TouchRunners(context.Background(), system, seen) }()
	eventually(t, "the store waits", func() (waits bool) {
		err := db.QueryRow(`SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)`).Scan(&waits)
		return err == nil && waits
	})
	change(`UPDATE runners SET name = 'changed' WHERE id = 'a'`) // once the store's transaction is ended
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-touched; err != nil {
		t.Error(err)
	}
}

// TestReadersCannotWrite: what reads has connections that cannot write.
func TestReadersCannotWrite(t *testing.T) {
	read := at(t, postgrestest.Database(t)).ReadPool()
	defer func() { _ = read.Close() }()
	_, err := read.Exec(`UPDATE feed_head SET seq = 1`)
	if e := new(pgconn.PgError); !errors.As(err, &e) || e.Code != "25006" {
		t.Errorf("it writes: %v", err)
	}
}

// TestTargetSession: the documented rule for a failover accepts the connections that read, too.
func TestTargetSession(t *testing.T) {
	for _, rule := range []string{"read-write", "primary"} {
		url := postgrestest.Database(t) + "&target_session_attrs=" + rule
		s := open(t, url, time.Now)
		if _, err := s.Head(t.Context(), system); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// TestAuditCannotBeChanged: the database refuses it, and the log shows what was changed all the same.
func TestAuditCannotBeChanged(t *testing.T) {
	url := postgrestest.Database(t)
	s, db := open(t, url, time.Now), plain(t, url)
	for _, slug := range []string{"one", "two"} {
		if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: slug}); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{
		`UPDATE audit SET actor = 'eve'`, `DELETE FROM audit`, `TRUNCATE audit`,
		`UPDATE audit_start SET seq = 0`,
		`INSERT INTO audit SELECT seq + 9, at, actor_kind, actor, actor_id, address, action, org_id,
			target, detail, hash FROM audit`,
	} {
		if _, err := db.Exec(q); err == nil {
			t.Errorf("%s: done", q)
		}
	}
	if _, err := s.VerifyAudit(t.Context(), operator, nil); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec(`DROP TRIGGER audit_no_update ON audit; UPDATE audit SET actor = 'eve' WHERE seq = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyAudit(t.Context(), operator, nil); registry.ErrorCode(err) != registry.CodeConflict {
		t.Errorf("the change was not found: %v", err)
	}
}

// TestTexts: what is no text to PostgreSQL is kept all the same.
func TestTexts(t *testing.T) {
	s := open(t, postgrestest.Database(t), time.Now)
	u, err := s.CreateUser(t.Context(), operator, registry.NewUser{Email: "a@example.com", Name: "A", PasswordHash: "h"})
	if err != nil {
		t.Fatal(err)
	}
	token := registry.Hash{1}
	_, err = s.CreateSession(t.Context(), system, registry.NewSession{Token: token, User: u, UserAgent: "a\x00b\xff"})
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := s.SessionByToken(t.Context(), system, token)
	if err != nil || session.UserAgent != "a\uFFFDb\uFFFD" {
		t.Errorf("%q %v", session.UserAgent, err)
	}
}

// TestHiddenValues: what hides itself from logs is sent as it is, as to every other database.
func TestHiddenValues(t *testing.T) {
	db := at(t, postgrestest.Blank(t)).Pool()
	defer func() { _ = db.Close() }()
	const hash = registry.PasswordHash("$argon2id$secret")
	var got string
	if err := db.QueryRow(`SELECT $1::text`, hash).Scan(&got); err != nil || got != string(hash) {
		t.Errorf("%q %v", got, err)
	}
}
