// Package sqlstore is the registry over database/sql: every rule and every statement, for every
// database. A package per database opens the pools and migrates (see registry/sqlite).
//
// Every change appends to the feed and to the audit log in its own transaction (see tx.record).
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is a registry in a database. It is safe for concurrent use.
type Store struct {
	write, reader *sql.DB
	read          translator // reader
	dialect       *Dialect
	now           func() time.Time
	key           registry.SecretKey
	keys          auditKeys
	prepared      atomic.Pointer[map[string]*sql.Stmt]

	refused refusals

	lifetimes atomic.Pointer[registry.Lifetimes] // of sessions
	uses      *uses

	mu        sync.Mutex
	changed   chan struct{}
	wokenBy   registry.WakeSource
	committed int64
}

// New makes a Store over two pools, which it closes: write for transactions that change something,
// read for everything else. It runs no statement. key is the installation's secret key.
func New(
	write, read *sql.DB, dialect Dialect, key registry.SecretKey, now func() time.Time,
) (*Store, error) {
	s := &Store{
		write: write, reader: read, read: translator{read, &dialect}, dialect: &dialect,
		now: now, key: key, keys: newAuditKeys(key),
		changed: make(chan struct{}),
	}
	s.SetLifetimes(registry.DefaultLifetimes())
	var err error
	s.uses, err = newUses()
	return s, err
}

// Close closes both pools. Open transactions fail.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.write.Close())
}

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var n int // scanned, since that gives the connection back
	return s.read.QueryRowContext(ctx, `SELECT 1`).Scan(&n)
}

// Changed returns a channel that is closed at the next commit of this process, or by Wake. It only
// makes followers faster; they poll as well.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// WokenBy implements registry.Notifier.
func (s *Store) WokenBy() registry.WakeSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wokenBy
}

// Committed implements registry.FanOut.
func (s *Store) Committed() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.committed
}

// Wake implements registry.FanOut.
func (s *Store) Wake(by registry.WakeSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake(by)
}

// wake needs mu.
func (s *Store) wake(by registry.WakeSource) {
	s.wokenBy = by
	close(s.changed)
	s.changed = make(chan struct{})
}

// commits notes a commit of this process. seq is the number of its last change; 0: it has none.
func (s *Store) commits(seq int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq > 0 {
		s.committed = seq
	}
	s.wake(registry.WakeCommit)
}
