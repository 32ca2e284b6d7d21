package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Transactions come in three kinds, so that each database takes the locks that a kind needs, and
// no other. SQLite has one writer at a time: recording and atomic transactions begin as immediate.
//
//   - recording: appends to the feed or to the audit log, or checks something over rows that others
//     may change (the last owner, the other platform admin, the chain of the audit log, a sum that
//     is read and written back). Takes the feed's lock first, so all of them run one after another,
//     and feed numbers are in the order of commits.
//   - atomic: statements that are each right by themselves, whatever else runs: codes, refresh
//     tokens, counters, leases, idempotency keys, messages. Takes no lock, and cannot record: that
//     is a method of tx alone.
//   - reading: reads several statements of one moment. A read of one statement needs no transaction.

// writeTx is one write transaction on behalf of one actor.
type writeTx struct {
	translator
	sql      *sql.Tx
	ctx      context.Context //nolint:containedctx // lives exactly as long as the transaction
	actor    registry.Actor
	now      time.Time
	keys     auditKeys
	prepared map[string]*sql.Stmt
	wakes    bool  // followers, at the commit
	seq      int64 // of its last change; 0: it has none

	lifetimes registry.Lifetimes // of sessions
	uses      *uses
}

// tx is a writeTx that holds the feed's lock. Nobody else moves the ends of the feed and of the audit
// log meanwhile.
type tx struct {
	*writeTx
	known bool       // where they end
	feed  int64      // the newest number of the feed
	log   auditState // the audit log's
}

// recording runs f in a transaction that may append to the feed and to the audit log, or that relies
// on rows which it does not change: all of it or nothing. It holds the feed's lock.
func (s *Store) recording(ctx context.Context, a registry.Actor, f func(*tx) error) error {
	if a.MustReview() {
		return registry.ErrReview()
	}
	return s.recordingInReview(ctx, a, f)
}

// recordingInReview is recording for an actor who may have to review their account first.
func (s *Store) recordingInReview(
	ctx context.Context, a registry.Actor, f func(*tx) error,
) error {
	return s.transact(ctx, a, func(w *writeTx) error {
		t, err := w.lockFeed()
		if err != nil {
			return err
		}
		t.now = s.instant() // others may have had the lock for a while
		if err := t.stillSignedIn(); err != nil {
			return err
		}
		return f(t)
	})
}

// atomic runs f in a transaction whose statements each check and change what they need by
// themselves: all of it or nothing. It takes no lock.
func (s *Store) atomic(ctx context.Context, a registry.Actor, f func(*writeTx) error) error {
	if a.MustReview() {
		return registry.ErrReview()
	}
	return s.transact(ctx, a, func(t *writeTx) error {
		if err := t.stillSignedIn(); err != nil {
			return err
		}
		return f(t)
	})
}

// reading runs f with the database as it is at one moment.
func (s *Store) reading(ctx context.Context, f func(querier) error) error {
	t, err := s.reader.BeginTx(ctx, &sql.TxOptions{
		ReadOnly: true, Isolation: sql.LevelRepeatableRead,
	})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = t.Rollback() }()
	return f(translator{t, s.dialect})
}

// transactTries is how often a write transaction is tried that others make fail.
const transactTries = 5

// transact runs f in a write transaction, and again where the database says that it had no effect.
// So f must not rely on what an earlier run of it left outside of the transaction.
func (s *Store) transact(ctx context.Context, a registry.Actor, f func(*writeTx) error) error {
	if !a.Valid() {
		return errNobody()
	}
	err := s.transactOnce(ctx, a, f)
	if again := s.dialect.Again; again != nil {
		for range transactTries - 1 {
			if err == nil || ctx.Err() != nil || !again(err) {
				break
			}
			err = s.transactOnce(ctx, a, f)
		}
	}
	return s.noteRefusal(ctx, a, err)
}

func (s *Store) transactOnce(ctx context.Context, a registry.Actor, f func(*writeTx) error) error {
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = t.Rollback() }()
	w := s.writeTx(ctx, t, a)
	if p := s.prepared.Load(); p != nil {
		w.prepared = *p
	}
	if err := f(w); err != nil {
		return Interrupted(ctx, err)
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("store: %w", Interrupted(ctx, err))
	}
	if w.wakes {
		s.commits(w.seq)
	}
	return nil
}

// Interrupted returns the cause of an error that the end of ctx brought about. A transaction is rolled
// back at that moment, and then only says that it is over.
func Interrupted(ctx context.Context, err error) error {
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *Store) writeTx(ctx context.Context, t *sql.Tx, a registry.Actor) *writeTx {
	return &writeTx{
		translator: translator{t, s.dialect}, sql: t, ctx: ctx, actor: a,
		now: s.instant(), keys: s.keys, lifetimes: *s.lifetimes.Load(), uses: s.uses,
	}
}

// instant is now, as it is kept.
func (s *Store) instant() time.Time { return s.now().Truncate(time.Microsecond) }

// errFenced: another process changes the database now.
var errFenced = errors.New("store: another control plane has taken over the database")

// lockFeed makes t one that may record.
func (t *writeTx) lockFeed() (*tx, error) {
	locked := &tx{writeTx: t}
	if t.dialect.LockFeed == "" {
		return locked, nil
	}
	if _, err := t.execIn(t.put(), t.dialect.LockFeed); err != nil {
		return nil, err
	}
	err := locked.find(lockedStateQuery)
	if errors.Is(err, sql.ErrNoRows) {
		err = errFenced
	}
	return locked, err
}

// stillSignedIn refuses a request that was under way when the sessions of its person ended: it would
// leave behind what a recovery just removed.
func (t *writeTx) stillSignedIn() error {
	epoch, ok := t.actor.Epoch()
	if !ok {
		return nil
	}
	var same bool
	err := t.QueryRowContext(t.ctx,
		`SELECT EXISTS (SELECT 1 FROM users WHERE id = $1 AND device_epoch = $2)`, t.actor.User, epoch,
	).Scan(&same)
	if err == nil && !same {
		err = registry.Errorf(registry.CodeUnauthenticated, "",
			"your sessions have ended meanwhile: sign in again")
	}
	return err
}

// inOrder returns the keys of what a transaction changes row by row: two that change rows in the same
// order do not wait for each other.
func inOrder[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func (t *writeTx) exec(query string, args ...any) (int64, error) {
	return t.execIn(t.ctx, query, args...)
}

func (t *writeTx) execIn(ctx context.Context, query string, args ...any) (int64, error) {
	run := func() (sql.Result, error) { return t.execContext(ctx, query, args...) }
	if st := t.prepared[query]; st != nil {
		//nolint:sqlclosecheck // closed with the transaction
		run = func() (sql.Result, error) { return t.sql.StmtContext(ctx, st).ExecContext(ctx, args...) }
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
func (t *writeTx) must(query string, args ...any) error {
	return oneRow(t.exec(query, args...))
}

// later is must for a statement that touches one row whatever is in the database, as this transaction
// knows. It may run with the next one, or with the commit.
func (t *writeTx) later(query string, args ...any) error {
	return oneRow(t.execIn(t.put(), query, args...))
}

// put is the context of a statement that may wait.
func (t *writeTx) put() context.Context {
	if t.dialect.Later == nil {
		return t.ctx
	}
	return t.dialect.Later(t.ctx)
}

func oneRow(n int64, err error) error {
	if err == nil && n != 1 {
		err = fmt.Errorf("store: %d rows changed instead of one", n)
	}
	return err
}
