package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// tx is one write transaction on behalf of one actor.
type tx struct {
	translator
	sql      *sql.Tx
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
		translator: translator{t, s.dialect}, sql: t, ctx: ctx, actor: a, now: s.now().Truncate(time.Microsecond), keys: s.keys, // as it is kept
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
	run := func() (sql.Result, error) { return t.execContext(t.ctx, query, args...) }
	if st := t.prepared[query]; st != nil {
		//nolint:sqlclosecheck // closed with the transaction
		run = func() (sql.Result, error) { return t.sql.StmtContext(t.ctx, st).ExecContext(t.ctx, args...) }
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
