package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// Store is a registry in a PostgreSQL database. It is safe for concurrent use.
type Store struct {
	*sqlstore.Store
	at     Location
	access atomic.Pointer[access]
	clock  clock

	installation atomic.Pointer[registry.InstallationID] // that was used; nil: none is known

	mu   sync.Mutex // Connect and Close
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// access says whether the database may be used.
type access struct {
	away  error  // what every method returns; nil while there is a claim
	claim string // its name
}

// conns bounds the connections of each of the two pools.
const conns = 10

// errAway is what every method returns while the store has no claim.
var errAway = errors.New("the database is not open")

// Open is New and Connect.
func Open(
	ctx context.Context, at Location, key registry.SecretKey, now func() time.Time,
) (*Store, error) {
	s, err := New(at, key, now)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New makes a Store that is away until Connect: every method returns an error. It connects to
// nothing. key is the installation's secret key.
func New(at Location, key registry.SecretKey, now func() time.Time) (*Store, error) {
	s := &Store{at: at, clock: clock{machine: now}}
	s.access.Store(&access{away: errAway})
	gate := func() (string, error) {
		a := s.access.Load()
		return a.claim, a.away
	}
	write, read := open(at.config, conns, gate), open(readOnly(at.config), conns, gate)
	var err error
	if s.Store, err = sqlstore.New(write, read, dialect, key, s.Now); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}

// Connect implements registry.Database. Error: registry.ErrInUse when another control plane uses the
// database for itself, or another node has the same name.
func (s *Store) Connect(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return nil
	}
	if err := s.connect(ctx); err != nil {
		return fmt.Errorf("store %s: %w", s.at, hint(err))
	}
	return nil
}

func (s *Store) connect(ctx context.Context) error {
	held, err := s.claim(ctx, false)
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.wg.Go(func() { s.keep(run, held) })
	return nil
}

// claim makes the claim, and opens the store under it, if its database is still the one that was used.
// newer: it may have a newer schema than this program knows.
func (s *Store) claim(ctx context.Context, newer bool) (*claim, error) {
	held, err := makeClaim(ctx, s.at.config, s.at.node)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, held, newer); err != nil {
		return nil, errors.Join(err, held.end())
	}
	return held, nil
}

func (s *Store) open(ctx context.Context, held *claim, newer bool) error {
	if id := s.installation.Load(); id != nil {
		if err := held.leads(ctx, *id); err != nil {
			return err
		}
	}
	if err := s.alive(ctx, held); err != nil {
		return err
	}
	var name string
	err := migrated(ctx, s.at.config, newer, func(ctx context.Context, db *sql.DB) (err error) {
		if name, err = held.raise(ctx); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, setClaim, name); err != nil { // of the one session of db
			return err
		}
		return sqlstore.KeyAudit(ctx, s.Store, db)
	})
	if err != nil {
		return err
	}
	s.access.Store(&access{claim: name})
	if err = sqlstore.Prepare(ctx, s.Store); err == nil {
		err = held.settle(ctx)
	}
	if err != nil {
		s.access.Store(&access{away: errAway})
	}
	return err
}

// alive asks whether a claim's session is there. A node also asks for the time.
func (s *Store) alive(ctx context.Context, held *claim) error {
	if s.at.node == "" {
		return held.Ping(ctx)
	}
	return s.clock.ask(ctx, held)
}

// Now implements registry.Clock.
func (s *Store) Now() time.Time { return s.clock.Now() }

// Ahead implements registry.Clock.
func (s *Store) Ahead() time.Duration { return s.clock.Ahead() }

// BreakLeases implements registry.Maintainer. Those of other nodes run out.
func (s *Store) BreakLeases(ctx context.Context, a registry.Actor) error {
	if s.at.node != "" {
		return nil
	}
	return s.Store.BreakLeases(ctx, a)
}

// Installation implements registry.InstallationStore.
func (s *Store) Installation(
	ctx context.Context, a registry.Actor,
) (registry.InstallationID, error) {
	id, err := s.Store.Installation(ctx, a)
	if err == nil {
		s.installation.Store(&id)
	}
	return id, err
}

// keep holds the claim until ctx ends. Whenever it is lost, as with the server, it is made again; the
// store is away meanwhile.
func (s *Store) keep(ctx context.Context, held *claim) {
	for held != nil {
		err := held.watch(ctx, func() { s.Wake(registry.WakeNotify) }, func(ctx context.Context) error {
			return s.alive(ctx, held)
		})
		s.setAway(err)
		_ = held.end()
		held = s.reclaim(ctx)
	}
}

// reclaim makes the claim again, nil when ctx ends before.
func (s *Store) reclaim(ctx context.Context) *claim {
	pause := time.NewTimer(claimTry)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		try, cancel := context.WithTimeout(ctx, claimWait+2*connectTimeout)
		// A node that ran when the next version migrated runs until it is replaced.
		held, err := s.claim(try, s.at.node != "")
		cancel()
		switch {
		case err == nil:
			s.Wake(registry.WakeNotify) // notifications were missed
			return held
		case needsPerson(err):
			s.setAway(fmt.Errorf("the store stays away until somebody repairs this: %w", err))
			pause.Reset(claimWait)
		default:
			s.setAway(err)
			pause.Reset(claimTry)
		}
	}
}

// needsPerson reports whether waiting does not help.
func needsPerson(err error) bool {
	return errors.Is(err, errOther) || errors.Is(err, registry.ErrSchema) || errors.Is(err, registry.ErrSealed)
}

func (s *Store) setAway(why error) {
	err := fmt.Errorf("%w: %w", errAway, why)
	s.access.Store(&access{away: err})
}

// Close implements registry.Database.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Store.Close()
	if s.stop != nil {
		s.stop()
		s.wg.Wait()
	}
	return err
}

// Backup returns an error: the database has programs of its own for that.
func (s *Store) Backup(
	ctx context.Context, a registry.Actor, _ string,
) (head registry.AuditHead, err error) {
	if err := s.AuthorizePlatform(ctx, a, registry.ActionPlatformBackup); err != nil {
		return head, err
	}
	return head, registry.Errorf(registry.CodeConflict, "",
		"the store is PostgreSQL: make backups with pg_dump")
}

// hint says of frequent errors what to do.
func hint(err error) error {
	if is(err, undefinedDatabase) {
		return fmt.Errorf("create the database first, with the encoding UTF8: %w", err)
	}
	return err
}
