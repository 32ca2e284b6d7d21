// Package sqlite is the registry in one SQLite file: pure Go, WAL,
// `synchronous=FULL`, so that what was acknowledged survives a crash.
//
// All writes go through one connection in immediate transactions; reads have a
// small pool of their own that cannot write. Every change appends to the feed
// and to the audit log in its own transaction (see tx.record).
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // driver

	"github.com/pizzaface/pizzeria/registry"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is a registry in a SQLite file. It is safe for concurrent use by one
// process; the runtime keeps a second process out.
type Store struct {
	path        string
	write, read *sql.DB
	connected   atomic.Bool
	now         func() time.Time
	key         Key
	keys        auditKeys
	prepared    atomic.Pointer[map[string]*sql.Stmt]

	refused refusals

	lifetimes atomic.Pointer[registry.Lifetimes] // of sessions
	uses      *uses

	mu      sync.Mutex
	changed chan struct{}
}

// ErrSchema says that a database is of a newer version of the program.
var ErrSchema = errors.New("use the version of the program that last used this database, or a newer one")

// errAway is what every method returns before Connect has succeeded.
var errAway = errors.New("the database is not open")

// Open is New and Connect.
func Open(ctx context.Context, path string, key Key, now func() time.Time) (*Store, error) {
	s, err := New(path, key, now)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New makes a Store that is away until Connect: every method returns an error. It touches nothing.
// key is the installation's secret key.
func New(path string, key Key, now func() time.Time) (*Store, error) {
	s := &Store{path: path, now: now, key: key, keys: newAuditKeys(key), changed: make(chan struct{})}
	s.SetLifetimes(registry.DefaultLifetimes())
	var err error
	if s.uses, err = newUses(); err != nil {
		return nil, err
	}
	if s.write, err = open(path, 1, &s.connected, url.Values{"_txlock": {"immediate"}}); err != nil {
		return nil, err
	}
	if s.read, err = open(path, 4, &s.connected, url.Values{"_pragma": {"query_only(1)"}}); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	return s, nil
}

// Connect opens or creates the database, with mode 0600, and migrates it. It may
// be called again after an error. ErrSchema: the database is of a newer version of the program.
// registry.ErrSealed: it was made with another secret key.
func (s *Store) Connect(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := migrated(ctx, s.path, s.keyAudit); err != nil {
		return err
	}
	s.connected.Store(true)
	if err := s.prepare(ctx); err != nil {
		s.connected.Store(false)
		return err
	}
	return nil
}

// Migrate opens or creates a database, with mode 0600, and migrates it, without any secret key.
func Migrate(ctx context.Context, path string) error {
	return migrated(ctx, path, func(context.Context, *sql.DB) error { return nil })
}

// migrated runs f with a database that is migrated.
func migrated(ctx context.Context, path string, f func(context.Context, *sql.DB) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	_ = file.Close()
	db, err := open(path, 1, nil, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return err
	}
	if err = migrate(ctx, db); err == nil {
		err = f(ctx, db)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("store %s: %w", path, err)
	}
	return nil
}

var driverName = "sqlite" // a test puts one that listens in its place

// open returns a pool of connections; none is made before gate is true, when there is one.
func open(path string, conns int, gate *atomic.Bool, extra url.Values) (*sql.DB, error) {
	// secure_delete: what is deleted is not left in the file's free space.
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"secure_delete(1)",
	}}
	for k, v := range extra {
		q[k] = append(q[k], v...)
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if gate != nil {
		driver := db.Driver()
		if err := db.Close(); err != nil { // it has a goroutine, though no connection
			return nil, fmt.Errorf("store: %w", err)
		}
		db = sql.OpenDB(gated{driver, dsn, gate})
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// gated makes connections once its gate is open.
type gated struct {
	driver driver.Driver
	dsn    string
	gate   *atomic.Bool
}

// Connect implements driver.Connector.
func (g gated) Connect(context.Context) (driver.Conn, error) {
	if !g.gate.Load() {
		return nil, errAway
	}
	return g.driver.Open(g.dsn)
}

// Driver implements driver.Connector.
func (g gated) Driver() driver.Driver { return g.driver }

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("not a readable database: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; current > newest {
		return fmt.Errorf("the database has schema %d, but this program knows only up to %d: %w", current, newest, ErrSchema)
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the database. Open transactions fail.
func (s *Store) Close() error {
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	return s.read.QueryRowContext(ctx, `SELECT 1`).Err()
}

// Changed returns a channel that is closed at the next commit of this process.
// It only makes followers faster; they poll as well.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// tx is one write transaction on behalf of one actor.
type tx struct {
	*sql.Tx
	ctx      context.Context //nolint:containedctx // lives exactly as long as the transaction
	actor    registry.Actor
	now      time.Time
	keys     auditKeys
	prepared map[string]*sql.Stmt
	recorded bool

	lifetimes registry.Lifetimes // of sessions
	uses      *uses
}

// update runs f in a write transaction: all of it or nothing.
func (s *Store) update(ctx context.Context, a registry.Actor, f func(*tx) error) error {
	if a.MustReview() {
		return registry.ErrReview()
	}
	return s.transact(ctx, a, f)
}

// transact is update for an actor who may have to review their account first.
func (s *Store) transact(ctx context.Context, a registry.Actor, f func(*tx) error) error {
	if !a.Valid() {
		return errNobody()
	}
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = t.Rollback() }()
	x := &tx{
		Tx: t, ctx: ctx, actor: a, now: s.now().Truncate(time.Microsecond), keys: s.keys, // as it is kept
		lifetimes: *s.lifetimes.Load(), uses: s.uses,
	}
	if p := s.prepared.Load(); p != nil {
		x.prepared = *p
	}
	if err := x.stillSignedIn(); err != nil {
		return err
	}
	if err := f(x); err != nil {
		_ = t.Rollback()
		return s.noteRefusal(ctx, a, err)
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if x.recorded {
		s.wake()
	}
	return nil
}

// stillSignedIn refuses a request that was under way when the sessions of its person ended: it would
// leave behind what a recovery just removed.
func (t *tx) stillSignedIn() error {
	epoch, ok := t.actor.Epoch()
	if !ok {
		return nil
	}
	var same bool
	err := t.QueryRowContext(t.ctx,
		`SELECT EXISTS (SELECT 1 FROM users WHERE id = $1 AND device_epoch = $2)`, t.actor.User, epoch,
	).Scan(&same)
	if err == nil && !same {
		err = registry.Errorf(registry.Unauthenticated, "",
			"your sessions have ended meanwhile: sign in again")
	}
	return err
}

func (t *tx) exec(query string, args ...any) (int64, error) {
	run := func() (sql.Result, error) { return t.ExecContext(t.ctx, query, args...) }
	if st := t.prepared[query]; st != nil {
		//nolint:sqlclosecheck // closed with the transaction
		run = func() (sql.Result, error) { return t.StmtContext(t.ctx, st).ExecContext(t.ctx, args...) }
	}
	r, err := run()
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	return n, nil
}

// must is exec for a statement that has to touch exactly one row.
func (t *tx) must(query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err == nil && n != 1 {
		err = fmt.Errorf("store: %d rows changed instead of one", n)
	}
	return err
}

// querier is a *sql.DB or a *tx's *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return out, nil
}

// one runs a query for at most one row; missing is the error when there is none.
func one[T any](ctx context.Context, q querier, scan func(scanner) (T, error), missing error, query string, args ...any) (T, error) {
	v, err := scan(q.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, missing
	}
	if err != nil {
		return v, fmt.Errorf("store: %w", err)
	}
	return v, nil
}

// micros scans and stores a time as Unix microseconds; the zero time is 0.
type micros time.Time

func timeOf(m micros) time.Time { return time.Time(m) }

func us(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Scan implements sql.Scanner.
func (m *micros) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*m = micros{}
	case int64:
		if v == 0 {
			*m = micros{}
		} else {
			*m = micros(time.UnixMicro(v).UTC())
		}
	default:
		return fmt.Errorf("time stored as %T", v)
	}
	return nil
}

func errNobody() error {
	return registry.Errorf(registry.Unauthenticated, "", "sign in first")
}

// only refuses actors that are not of the product itself: for reads and writes that no request may ask for directly.
func only(a registry.Actor) error {
	if !a.Valid() {
		return errNobody()
	}
	if !a.IsSystem() {
		return registry.Errorf(registry.Forbidden, "", "only the system may do this")
	}
	return nil
}
