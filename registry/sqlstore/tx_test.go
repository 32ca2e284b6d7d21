package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// TestKindsOfTransactions: those that record lock the feed first, and no others do. SQLite needs no
// such lock; here a table notes each.
func TestKindsOfTransactions(t *testing.T) {
	ctx, path := t.Context(), sqlitetest.File(t)
	db, err := database(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`CREATE TABLE locks (seq INTEGER)`); err != nil {
		t.Fatal(err)
	}
	pool, err := database(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(pool, pool, sqlstore.Dialect{
		Fold: "%s COLLATE NOCASE", Greatest: "max(%s)", Least: "min(%s)", True: "1",
		LockFeed: `INSERT INTO locks SELECT seq FROM feed_head`, Claimed: "true",
	}, new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := sqlstore.KeyAudit(ctx, s, db); err != nil {
		t.Fatal(err)
	}
	operator, system := registry.AsOperator(), registry.AsSystem("test")
	locks, before := 0, int64(0)
	after := func(what string, err error, more int) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		locks += more
		var n int
		var seq int64
		if err := db.QueryRow(`SELECT count(*), max(seq) FROM locks`).Scan(&n, &seq); err != nil {
			t.Fatal(err)
		}
		if n != locks || more > 0 && seq != before {
			t.Errorf("%s: %d locks, want %d, the last one at %d, want %d", what, n, locks, seq, before)
		}
		if before, err = s.Head(ctx, system); err != nil {
			t.Fatal(err)
		}
	}
	after("the first key of the audit log", nil, 1)
	o, err := s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	after("recording", err, 1)
	l, err := s.Acquire(ctx, system, o.ID, time.Minute)
	after("a lease", err, 0)
	after("its end", s.Release(ctx, system, l), 0)
	_, err = s.BeginIdempotent(ctx, operator, "key", registry.Hash{1})
	after("an idempotency key", err, 0)
	after("counters", s.TouchSessions(ctx, system, map[registry.SessionID]time.Time{"s": time.Now()}), 0)
	_, err = s.VerifyAudit(ctx, operator, nil)
	after("reading", err, 0)
	_, err = s.Orgs(ctx, operator, registry.OrgList{})
	after("a list", err, 0)
}

// TestInterrupted: a transaction whose request has ended says so, not that it is over.
func TestInterrupted(t *testing.T) {
	s, err := sqlite.Open(t.Context(), sqlitetest.File(t), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, ignored := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Transact(ctx, registry.AsSystem("test"), func(tx *sql.Tx) error {
			cancel()
			for {
				_, err := tx.ExecContext(context.WithoutCancel(ctx), `SELECT 1`)
				switch over := errors.Is(err, sql.ErrTxDone); {
				case over && ignored:
					return nil
				case over:
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) || errors.Is(err, sql.ErrTxDone) {
			t.Error(err)
		}
	}
}
