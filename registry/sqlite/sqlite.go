// Package sqlite is the registry in one SQLite file: pure Go, WAL,
// `synchronous=FULL`, so that what was acknowledged survives a crash.
//
// All writes go through one connection in immediate transactions; reads have a
// small pool of their own that cannot write. The rules are in sqlstore.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // driver

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// Store is a registry in a SQLite file. It is safe for concurrent use by one
// process; the runtime keeps a second process out.
type Store struct {
	*sqlstore.Store
	path      string
	connected atomic.Bool
}

// errAway is what every method returns before Connect has succeeded.
var errAway = errors.New("the database is not open")

// Open is New and Connect.
func Open(
	ctx context.Context, path string, key registry.SecretKey, now func() time.Time,
) (*Store, error) {
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
func New(path string, key registry.SecretKey, now func() time.Time) (*Store, error) {
	s := &Store{path: path}
	write, err := open(path, 1, &s.connected, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	read, err := open(path, 4, &s.connected, url.Values{"_pragma": {"query_only(1)"}})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if s.Store, err = sqlstore.New(write, read, dialect, key, now); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}

// Connect implements registry.Database. A new file has mode 0600.
func (s *Store) Connect(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	keyAudit := func(ctx context.Context, db *sql.DB) error {
		return sqlstore.KeyAudit(ctx, s.Store, db)
	}
	if err := migrated(ctx, s.path, keyAudit); err != nil {
		return err
	}
	s.connected.Store(true)
	if err := sqlstore.Prepare(ctx, s.Store); err != nil {
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
