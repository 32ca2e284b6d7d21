package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a transaction begins with, and statements that nobody waits for, are kept until the next
// statement, and sent with it. Each round trip to the server counts: other changes wait for the feed's
// lock meanwhile.

type laterKey struct{}

// later marks a statement that may wait for the next one, or for the commit. It changes one row,
// whatever is in the database: it says so before it ran.
func later(ctx context.Context) context.Context {
	return context.WithValue(ctx, laterKey{}, true)
}

// statement is one that waits.
type statement struct {
	text string
	args []any
}

const rollbackTime = 5 * time.Second

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	begin := "begin"
	switch sql.IsolationLevel(o.Isolation) {
	case sql.LevelDefault:
	case sql.LevelRepeatableRead:
		begin += " isolation level repeatable read"
	default:
		return nil, fmt.Errorf("isolation level %s is not supported", sql.IsolationLevel(o.Isolation))
	}
	if o.ReadOnly {
		begin += " read only"
	}
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	c.waiting = []statement{{text: begin}}
	return transaction{c, ctx}, nil
}

// transaction is that of a conn.
type transaction struct {
	c   *conn
	ctx context.Context //nolint:containedctx // driver.Tx has none of its own
}

// Commit implements driver.Tx.
func (t transaction) Commit() error {
	c := t.c
	tag, err := c.run(t.ctx, "commit", nil)
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if c.inTransaction() {
		_ = t.Rollback() // it has an error already
	}
	return err
}

// Rollback implements driver.Tx.
func (t transaction) Rollback() error {
	c := t.c
	c.waiting = nil
	if !c.inTransaction() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
	defer cancel()
	_, err := c.Conn.Conn().Exec(ctx, "rollback")
	if err != nil {
		_ = c.Conn.Conn().Close(ctx) // its state is unknown
	}
	return err
}

func (c *conn) inTransaction() bool {
	return !c.Conn.Conn().IsClosed() && c.Conn.Conn().PgConn().TxStatus() != 'I'
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	begun := len(c.waiting) > 0 || c.inTransaction()
	switch {
	case begun && ctx.Value(laterKey{}) != nil:
		c.waiting = append(c.waiting, statement{query, values(args)})
		return driver.RowsAffected(1), nil
	case len(c.waiting) > 0 && len(args) == 0: // it may be several, which are sent by themselves
		next := c.waiting[len(c.waiting)-1]
		c.waiting = c.waiting[:len(c.waiting)-1]
		if _, err := c.run(ctx, next.text, next.args); err != nil {
			return nil, err
		}
	}
	if len(c.waiting) == 0 {
		return c.Conn.ExecContext(ctx, query, args)
	}
	tag, err := c.run(ctx, query, values(args))
	return driver.RowsAffected(tag.RowsAffected()), err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(c.waiting) == 0 {
		return c.Conn.QueryContext(ctx, query, args)
	}
	results, err := c.send(ctx, query, values(args))
	if err != nil {
		return nil, err
	}
	found, err := results.Query()
	if err != nil {
		_ = results.Close() // it says the same
		return nil, err
	}
	r := &rows{results: results, rows: found}
	if r.more = found.Next(); !r.more { // columns are known from here on
		if err := found.Err(); err != nil {
			_ = results.Close()
			return nil, err
		}
	}
	return r, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.Conn.PrepareContext(ctx, query)
	return prepared{s, c, query}, err
}

// prepared runs as a statement of its connection, which knows its text.
type prepared struct {
	driver.Stmt
	c    *conn
	text string
}

// ExecContext implements driver.StmtExecContext.
func (p prepared) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return p.c.ExecContext(ctx, p.text, args)
}

// QueryContext implements driver.StmtQueryContext.
func (p prepared) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return p.c.QueryContext(ctx, p.text, args)
}

// run sends a statement behind those that wait.
func (c *conn) run(ctx context.Context, query string, args []any) (pgconn.CommandTag, error) {
	results, err := c.send(ctx, query, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if closed := results.Close(); err == nil {
		err = closed
	}
	return tag, err
}

// send sends a statement behind those that wait, and returns its results, once theirs are there.
func (c *conn) send(ctx context.Context, query string, args []any) (pgx.BatchResults, error) {
	waiting := c.waiting
	c.waiting = nil
	if c.Conn.Conn().IsClosed() {
		return nil, errClosed{}
	}
	var b pgx.Batch
	for _, s := range waiting {
		b.Queue(s.text, s.args...)
	}
	b.Queue(query, args...)
	results := c.Conn.Conn().SendBatch(ctx, &b)
	for _, s := range waiting {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // it says the same
			return nil, fmt.Errorf("%.40s: %w", s.text, err)
		}
	}
	return results, nil
}

// errClosed says that a connection was gone before the statement was sent.
type errClosed struct{}

func (errClosed) Error() string { return "the connection to PostgreSQL is closed" }

// SafeToRetry tells pgconn.SafeToRetry.
func (errClosed) SafeToRetry() bool { return true }

func values(args []driver.NamedValue) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = a.Value
	}
	return out
}
