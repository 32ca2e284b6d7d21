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
	at   Location
	away atomic.Pointer[error] // what every method returns; nil while there is a claim

	mu   sync.Mutex // Connect and Close
	stop context.CancelFunc
	wg   sync.WaitGroup
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
	s := &Store{at: at}
	s.away.Store(&errAway)
	gate := func() error {
		if away := s.away.Load(); away != nil {
			return *away
		}
		return nil
	}
	write, read := open(at.config, conns, gate), open(readOnly(at.config), conns, gate)
	var err error
	if s.Store, err = sqlstore.New(write, read, dialect, key, now); err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}

// Connect implements registry.Database. Error: registry.ErrInUse when another control plane uses the
// database.
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
	held, err := makeClaim(ctx, s.at.config)
	if err != nil {
		return err
	}
	keyAudit := func(ctx context.Context, db *sql.DB) error {
		return sqlstore.KeyAudit(ctx, s.Store, db)
	}
	if err := migrated(ctx, s.at.config, keyAudit); err != nil {
		return errors.Join(err, held.end())
	}
	s.away.Store(nil)
	if err := sqlstore.Prepare(ctx, s.Store); err != nil {
		s.away.Store(&errAway)
		return errors.Join(err, held.end())
	}
	run, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.wg.Go(func() { s.keep(run, held) })
	return nil
}

// keep holds the claim until ctx ends. Whenever it is lost, as with the server, it is made again; the
// store is away meanwhile.
func (s *Store) keep(ctx context.Context, held *claim) {
	for held != nil {
		err := held.watch(ctx, func() { sqlstore.Wake(s.Store) })
		s.setAway(err)
		_ = held.end()
		held = s.reclaim(ctx)
	}
}

// reclaim makes the claim again, nil when ctx ends before.
func (s *Store) reclaim(ctx context.Context) *claim {
	tick := time.NewTicker(claimTry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		try, cancel := context.WithTimeout(ctx, claimWait+connectTimeout)
		held, err := makeClaim(try, s.at.config)
		cancel()
		if err == nil {
			s.away.Store(nil)
			sqlstore.Wake(s.Store) // notifications were missed
			return held
		}
		s.setAway(err)
	}
}

func (s *Store) setAway(why error) {
	err := fmt.Errorf("%w: %w", errAway, why)
	s.away.Store(&err)
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
