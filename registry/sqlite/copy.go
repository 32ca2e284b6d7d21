package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// beside are the files of a database, by what follows its name.
var beside = []string{"", "-wal", "-shm", "-journal"}

// Source implements storecopy.Location.
func (f File) Source(ctx context.Context) (*storecopy.Side, error) {
	there, err := f.Exists()
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, errors.New("there is no such file")
	}
	db, err := open(string(f), 1, nil, url.Values{"_pragma": {"query_only(1)"}})
	if err != nil {
		return nil, err
	}
	s, err := side(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("not a database of this program: %w", err)
	}
	return s, nil
}

// Target implements storecopy.Location. The file gets its name when it is whole, so that a server
// does not start with an empty database after a copy that failed.
func (f File) Target(ctx context.Context) (*storecopy.Side, error) {
	for _, suffix := range beside { // the log of another database would be played into this one
		_, err := os.Lstat(string(f) + suffix)
		if err == nil {
			return nil, fmt.Errorf("%s%s is there: %w", f, suffix, storecopy.ErrNotEmpty)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	partial := string(f) + ".partial"
	if err := remove(partial); err != nil {
		return nil, err
	}
	if err := Migrate(ctx, partial); err != nil {
		return nil, errors.Join(err, remove(partial))
	}
	db, err := open(partial, 1, nil, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, errors.Join(err, remove(partial))
	}
	s, err := side(ctx, db)
	if err != nil {
		return nil, errors.Join(err, remove(partial))
	}
	s.Commit = func() error {
		// What stays in the log when the database is closed is an error here, such as of a full disk.
		if err := s.Tx.Commit(); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
		return os.Rename(partial, string(f))
	}
	end := s.Close
	s.Close = func() error { return errors.Join(end(), remove(partial)) }
	return s, nil
}

// side begins a transaction, and describes the database to storecopy. It closes db if it fails.
func side(ctx context.Context, db *sql.DB) (*storecopy.Side, error) {
	s := &storecopy.Side{
		Columns: `SELECT m.name, c.name, c.type, c.pk FROM sqlite_schema m
			JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
			AND m.name NOT LIKE 'sqlite|_%' ESCAPE '|' AND m.name <> 'goose_db_version'
			ORDER BY m.name, c.cid`,
		References: `SELECT m.name, f."table" FROM sqlite_schema m
			JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`,
		Kinds: map[string]storecopy.Kind{
			"INTEGER": storecopy.Integer, "TEXT": storecopy.Text, "BLOB": storecopy.Bytes,
		},
		Close: db.Close,
	}
	all, err := migrations()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Newest = all[len(all)-1].Version
	if s.Tx, err = db.BeginTx(ctx, nil); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Close = func() error {
		_ = s.Tx.Rollback() // of what was not committed
		return db.Close()
	}
	err = s.Tx.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&s.Version)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// remove removes a database, if it is there.
func remove(path string) error {
	for _, suffix := range beside {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
