package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Snapshot is a file that a gateway goes on from when the store is away: an
// indexed copy of all routes, and the little else of registry.Snapshot. Whatever
// is in it can be made again from the store.
type Snapshot struct {
	path string
	mu   sync.RWMutex // of db, which Create replaces
	db   *sql.DB
}

// snapshotSchema is made anew when its version is another.
const (
	snapshotVersion = 2
	snapshotSchema  = `
CREATE TABLE state (seq INTEGER NOT NULL, contact INTEGER NOT NULL);
CREATE TABLE routes (slug TEXT PRIMARY KEY, route TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (id TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE revoked (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, change TEXT NOT NULL);
CREATE INDEX revoked_at ON revoked (at);
PRAGMA user_version = 2;`
)

// ErrNoSnapshot says that there is none, or none that can be used.
var ErrNoSnapshot = errors.New("there is no snapshot")

// OpenSnapshot opens the file at path, which need not be there.
func OpenSnapshot(path string) (*Snapshot, error) {
	db, err := openSnapshot(path)
	return &Snapshot{path: path, db: db}, err
}

func openSnapshot(path string) (*sql.DB, error) {
	// A rollback journal, not a WAL: reading then needs no other file, on a full disk either.
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(DELETE)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}, "mode": {"rw"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// Close closes the file.
func (s *Snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

// Load returns what is in the file beside the routes. ErrNoSnapshot: nothing that can be used.
func (s *Snapshot) Load(ctx context.Context) (out registry.Snapshot, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var version int
	if err := s.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version != snapshotVersion {
		return out, errors.Join(ErrNoSnapshot, err)
	}
	var contact int64
	if err = s.db.QueryRowContext(ctx, `SELECT seq, contact FROM state`).Scan(&out.Seq, &contact); err == nil {
		out.Contact = time.UnixMicro(contact).UTC()
		out.Keys, err = fromJSON[registry.Key](ctx, s.db, `SELECT key FROM keys ORDER BY id`)
	}
	if err == nil {
		out.Revoked, err = fromJSON[registry.Change](ctx, s.db, `SELECT change FROM revoked ORDER BY seq`)
	}
	if err != nil {
		return out, errors.Join(ErrNoSnapshot, err)
	}
	return out, nil
}

// Route implements registry.RouteSource. What is not in the file is an error, and not NotFound: nobody knows.
func (s *Snapshot) Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error) {
	if !a.IsSystem() {
		return nil, registry.Errorf(registry.Forbidden, "", "only the system may do this")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, err := fromJSON[*registry.Route](ctx, s.db, `SELECT route FROM routes WHERE slug = $1`, slug)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w of the route", ErrNoSnapshot)
	}
	return found[0], nil
}

// Create makes the file anew, with the routes that each yields; all of it or, on an error, the file as it was.
func (s *Snapshot) Create(ctx context.Context, c registry.Snapshot, each func(yield func(*registry.Route) error) error) error {
	next := s.path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("snapshot: %w", err)
	}
	f, err := os.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	_ = f.Close()
	db, err := openSnapshot(next)
	if err != nil {
		return err
	}
	err = inTx(ctx, db, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, snapshotSchema); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO state (seq, contact) VALUES ($1, $2)`, c.Seq, c.Contact.UnixMicro()); err != nil {
			return err
		}
		if err := each(func(r *registry.Route) error { return putRoute(ctx, t, r.Slug, r) }); err != nil {
			return err
		}
		return putRest(ctx, t, c)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return s.replace(next)
}

// replace puts the file next in the place of this one. A journal of the old file must not meet the new one.
func (s *Snapshot) replace(next string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := os.Remove(s.path + "-journal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := os.Rename(next, s.path); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	db, err := openSnapshot(s.path)
	if err != nil {
		return err
	}
	s.db = db
	return syncDir(filepath.Dir(s.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Update adds what changed: routes by slug (nil: there is none any more), the
// keys when there are any, and revocations; those of before old are dropped.
func (s *Snapshot) Update(ctx context.Context, c registry.Snapshot, routes map[string]*registry.Route, old time.Time) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return inTx(ctx, s.db, func(t *sql.Tx) error {
		r, err := t.ExecContext(ctx, `UPDATE state SET seq = $1, contact = $2`, c.Seq, c.Contact.UnixMicro())
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrNoSnapshot, err)
		}
		for slug, route := range routes {
			if err := putRoute(ctx, t, slug, route); err != nil {
				return err
			}
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM revoked WHERE at < $1`, old.UnixMicro()); err != nil {
			return err
		}
		return putRest(ctx, t, c)
	})
}

func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	defer func() { _ = t.Rollback() }()
	if err := f(t); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func putRoute(ctx context.Context, t *sql.Tx, slug string, r *registry.Route) error {
	if r == nil {
		_, err := t.ExecContext(ctx, `DELETE FROM routes WHERE slug = $1`, slug)
		return err
	}
	b, err := json.Marshal(r)
	if err == nil {
		_, err = t.ExecContext(ctx, `INSERT INTO routes (slug, route) VALUES ($1, $2) ON CONFLICT (slug) DO UPDATE SET route = excluded.route`, slug, string(b))
	}
	return err
}

func putRest(ctx context.Context, t *sql.Tx, c registry.Snapshot) error {
	if len(c.Keys) > 0 {
		if _, err := t.ExecContext(ctx, `DELETE FROM keys`); err != nil {
			return err
		}
	}
	for _, k := range c.Keys {
		b, err := json.Marshal(k)
		if err == nil {
			_, err = t.ExecContext(ctx, `INSERT INTO keys (id, key) VALUES ($1, $2)`, k.ID, string(b))
		}
		if err != nil {
			return err
		}
	}
	for _, change := range c.Revoked {
		b, err := json.Marshal(change)
		if err == nil {
			_, err = t.ExecContext(ctx, `INSERT INTO revoked (seq, at, change) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, change.Seq, change.At.UnixMicro(), string(b))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fromJSON returns what a query selects, which is JSON.
func fromJSON[T any](ctx context.Context, db *sql.DB, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		var text string
		var v T
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return out, nil
}
