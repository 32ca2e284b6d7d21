package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// copying is a session that has the claim, and reads or writes in one transaction. If the session
// is lost, so is the transaction: no other control plane can use the database before a commit.
type copying struct {
	db   *sql.DB
	conn *sql.Conn
	tx   *sql.Tx
}

// Source implements storecopy.Location.
func (l Location) Source(ctx context.Context) (*storecopy.Side, error) {
	c, err := l.copying(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.side(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if is(err, undefinedTable) {
		err = errors.New("there is no installation in this database")
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return s, nil
}

// Target implements storecopy.Location.
func (l Location) Target(ctx context.Context) (*storecopy.Side, error) {
	c, err := l.copying(ctx)
	if err != nil {
		return nil, err
	}
	there, err := l.Exists() // before an older database is migrated
	if err == nil && there {
		err = storecopy.ErrNotEmpty
	}
	if err == nil {
		err = Migrate(ctx, l)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	s, err := c.side(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	s.Commit = c.tx.Commit
	return s, nil
}

func (l Location) copying(ctx context.Context) (*copying, error) {
	config := l.config.Copy()
	// One side waits for the other, which may be a slow disk. A machine that is gone is still noticed.
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	c := &copying{db: open(config, 1, nil)}
	var err error
	if c.conn, err = c.db.Conn(ctx); err == nil {
		err = c.conn.Raw(func(made any) error {
			held := claim{Conn: made.(*conn).Conn.Conn()}
			return errors.Join(held.supported(), held.lock(ctx))
		})
	}
	if err != nil {
		return nil, errors.Join(hint(err), c.close())
	}
	return c, nil
}

// side begins the transaction, and describes the database to storecopy.
func (c *copying) side(ctx context.Context, o *sql.TxOptions) (s *storecopy.Side, err error) {
	if c.tx, err = c.conn.BeginTx(ctx, o); err != nil {
		return nil, err
	}
	s = &storecopy.Side{
		Tx:         c.tx,
		Columns:    columnsQuery,
		References: referencesQuery,
		Kinds: map[string]storecopy.Kind{
			"bigint": storecopy.Integer, "boolean": storecopy.Boolean, "text": storecopy.Text,
			"bytea": storecopy.Bytes,
		},
		Storable: registry.Storable,
		Close:    c.close,
	}
	err = c.tx.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&s.Version)
	if err != nil {
		return nil, err
	}
	s.Newest, err = newest()
	return s, err
}

// What is in the schema of the connection, as tables that are named without one. The claim belongs to
// the database and is not copied.
const (
	columnsQuery = `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
		COALESCE(array_position(k.conkey, a.attnum), 0)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace
		AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		AND c.relname <> 'goose_db_version'
		AND NOT (c.relname = 'feed_head' AND a.attname = 'claim') ORDER BY c.relname, a.attnum`
	referencesQuery = `SELECT c.relname, r.relname FROM pg_constraint k
		JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
		WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace`
)

// close ends the session, and with it the claim and a transaction that was not committed.
func (c *copying) close() error {
	var errs []error
	if c.tx != nil {
		_ = c.tx.Rollback() // the end of the session does the same
	}
	if c.conn != nil {
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(append(errs, c.db.Close())...)
}
