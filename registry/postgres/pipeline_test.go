package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// trips counts how often something is sent to the server.
type trips struct {
	between
	n atomic.Int64
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *trips) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData,
) context.Context {
	t.n.Add(1)
	return ctx
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *trips) TraceBatchStart(
	ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData,
) context.Context {
	t.n.Add(1)
	return ctx
}

// TestTrips: others wait for few round trips of a change.
func TestTrips(t *testing.T) {
	sent := new(trips)
	s := openAt(t, at(t, postgrestest.Database(t)).Traced(sent), time.Now)
	u, err := s.CreateUser(t.Context(), operator, registry.NewUser{
		Email: "ada@example.com", Name: "Ada", PasswordHash: "x",
	})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(n byte) {
		_, err := s.CreateSession(t.Context(), system, registry.NewSession{User: u, Token: registry.Hash{n}})
		if err != nil {
			t.Fatal(err)
		}
	}
	signIn(1) // the connection learns the statements
	before := sent.n.Load()
	signIn(2)
	if n := sent.n.Load() - before; n != 3 { // the lock, the person, and all else
		t.Errorf("a sign-in takes %d round trips", n)
	}
}

// TestLater: what waits runs in its order, once, and its errors are those of the next statement.
func TestLater(t *testing.T) {
	pool := at(t, postgrestest.Database(t)).Pool() // one connection
	defer func() { _ = pool.Close() }()
	ctx := t.Context()
	begin := func() *sql.Tx {
		t.Helper()
		tx, err := pool.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	exec := func(tx *sql.Tx, ctx context.Context, query string, args ...any) {
		t.Helper()
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	count := func(want int64) {
		t.Helper()
		var n int64
		if err := pool.QueryRow(`SELECT count(*) FROM things`).Scan(&n); err != nil || n != want {
			t.Errorf("%d things, want %d: %v", n, want, err)
		}
	}
	const insert = `INSERT INTO things VALUES ($1, $2)`
	tx := begin()
	exec(tx, ctx, `CREATE TABLE things (id bigint PRIMARY KEY, at numeric); CREATE TABLE more (id bigint)`)
	exec(tx, postgres.Later(ctx), insert, 1, 1)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	count(1)

	tx = begin()
	exec(tx, postgres.Later(ctx), insert, 2, 2)
	var id int32
	var yes bool
	var sum string
	var raw []byte
	err := tx.QueryRow(`SELECT count(*)::int4, true, sum(at), '\x00ff'::bytea FROM things WHERE id < $1`, 9).
		Scan(&id, &yes, &sum, &raw)
	if err != nil || id != 2 || !yes || sum != "3" || string(raw) != "\x00\xff" {
		t.Errorf("%d %t %s %q %v", id, yes, sum, raw, err)
	}
	exec(tx, postgres.Later(ctx), insert, 3, 3)
	exec(tx, ctx, `UPDATE things SET at = at + 1 WHERE id = $1`, 3)
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	count(3)

	for name, next := range map[string]func(tx *sql.Tx) error{
		"a commit": func(tx *sql.Tx) error { return tx.Commit() },
		"a change": func(tx *sql.Tx) error { _, err := tx.Exec(insert, 5, 5); return err },
		"a read":   func(tx *sql.Tx) error { return tx.QueryRow(`SELECT id FROM things WHERE id = $1`, 1).Scan(&id) },
		"several":  func(tx *sql.Tx) error { _, err := tx.Exec(`SELECT 1; SELECT 2`); return err },
	} {
		tx = begin()
		exec(tx, postgres.Later(ctx), insert, 4, 4)
		exec(tx, postgres.Later(ctx), insert, 1, 1) // there is one
		exec(tx, postgres.Later(ctx), insert, 5, 5)
		if err := next(tx); err == nil {
			t.Errorf("%s after an error of what waited: no error", name)
		}
		_ = tx.Rollback()
		count(3)
	}

	tx = begin()
	exec(tx, postgres.Later(ctx), insert, 6, 6)
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	count(3)
	tx = begin()
	if _, err := tx.Exec(`SELECT 1 / $1::bigint`, 0); err == nil {
		t.Error("no error")
	}
	if err := tx.Commit(); !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("a commit of what failed: %v", err)
	}
	if err := begin().Commit(); err != nil {
		t.Errorf("nothing: %v", err)
	}
	count(3)
}

// TestLaterInterrupted: a request that ends before its commit leaves nothing behind, and no lock, also when
// it ends in the last moment.
func TestLaterInterrupted(t *testing.T) {
	url := postgrestest.Database(t)
	pool, other := at(t, url).Pool(), at(t, url).Pool() // of one connection each
	defer func() { _, _ = pool.Close(), other.Close() }()
	if _, err := pool.Exec(`CREATE TABLE things (id bigint PRIMARY KEY); INSERT INTO things VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	left := func(from *sql.DB) {
		t.Helper()
		var n int
		err := from.QueryRow(`SELECT count(*) FROM (SELECT FROM things FOR UPDATE NOWAIT) t`).Scan(&n)
		if err != nil || n != 1 {
			t.Errorf("%d %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(postgres.Later(ctx), `INSERT INTO things VALUES ($1)`, 2); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := tx.Commit(); err == nil {
		t.Error("it is committed")
	}
	left(pool)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	c, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	err = c.Raw(func(made any) error { // database/sql would see by itself that ctx ended
		tx, err := made.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			return err
		}
		id := []driver.NamedValue{{Ordinal: 1, Value: int64(1)}}
		if _, err := made.(driver.ExecerContext).ExecContext(ctx, `UPDATE things SET id = 3 WHERE id = $1`, id); err != nil {
			return err
		}
		cancel()
		if err := tx.Commit(); err == nil {
			t.Error("it is committed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	left(other)
}
