package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/registry"
)

// A claim is the session that makes this process the only control plane of a database: it holds an
// advisory lock, which the server frees when the session ends. The feed's notifications come by it.
type claim struct{ *pgx.Conn }

const (
	claimTry  = 250 * time.Millisecond // how often a lock that another has is tried
	claimWait = 15 * time.Second       // longer than the server takes to free that of a lost machine

	// Together less than the server takes to free the lock of a machine that is gone.
	claimAlive  = 2 * time.Second // how often the session is asked whether it is there
	claimAnswer = 8 * time.Second // how long the answer may take

	// The parameter of a session that says under which claim it changes something.
	claimParameter = "pizzeria.claim"
)

// makeClaim returns the claim. It waits a little for a control plane that is about to end. Error:
// registry.ErrInUse.
func makeClaim(ctx context.Context, c *pgx.ConnConfig) (*claim, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	made := &claim{conn}
	if err = made.supported(); err == nil {
		if err = made.lock(ctx); err == nil {
			_, err = conn.Exec(ctx, `LISTEN pizzeria_feed`)
		}
	}
	if err != nil {
		return nil, errors.Join(err, made.end())
	}
	return made, nil
}

// supported refuses servers that the statements are not for.
func (c *claim) supported() error {
	var version int
	if _, err := fmt.Sscanf(c.PgConn().ParameterStatus("server_version"), "%d", &version); err != nil {
		return fmt.Errorf("version of the PostgreSQL server: %w", err)
	}
	if version < oldest {
		return fmt.Errorf("this is PostgreSQL %d: use %d or later", version, oldest)
	}
	if e := c.PgConn().ParameterStatus("server_encoding"); e != "UTF8" {
		return fmt.Errorf("the database has the encoding %s: create it with UTF8", e)
	}
	return nil
}

// oldest is the oldest major version of PostgreSQL that its project still maintains.
const oldest = 15

func (c *claim) lock(ctx context.Context) error {
	late := time.NewTimer(claimWait)
	defer late.Stop()
	try := time.NewTicker(claimTry)
	defer try.Stop()
	for {
		var held bool
		err := c.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockControlPlane)).Scan(&held)
		if err != nil || held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("%w: %s", registry.ErrInUse, c.holder(ctx))
		case <-try.C:
		}
	}
}

// holder names who has the lock.
func (c *claim) holder(ctx context.Context) (who string) {
	err := c.QueryRow(ctx, `SELECT a.application_name || COALESCE(' (' || host(a.client_addr) || ')', '')
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND (l.classid::bigint << 32) | l.objid::bigint = $1`, int64(lockControlPlane)).Scan(&who)
	if err != nil || who == "" {
		return "a control plane that the server does not name"
	}
	return who
}

// leads returns an error unless the session leads to the database of an installation.
func (c *claim) leads(ctx context.Context, to registry.InstallationID) error {
	var there registry.InstallationID
	err := c.QueryRow(ctx, `SELECT uuid FROM installation WHERE id = 1`).Scan(&there)
	switch {
	case is(err, undefinedTable), errors.Is(err, pgx.ErrNoRows), err == nil && there != to:
		return errOther
	}
	return err
}

var errOther = errors.New("this is not the database that the server has used so far: " +
	"find out which database the connection leads to")

// raise ends what earlier claims may still record, and returns the name of this one. It runs in the
// session that has the lock: when that was lost, so is the right to do it.
func (c *claim) raise(ctx context.Context) (name string, err error) {
	err = c.QueryRow(ctx, `UPDATE feed_head SET claim = $1 WHERE id = 1 RETURNING claim`,
		registry.NewID()).Scan(&name)
	return name, err
}

// setClaim names a session's claim. It is no startup parameter: poolers may drop those.
const setClaim = `SELECT set_config('` + claimParameter + `', $1, false)`

// watch calls changed at each notification, until the session ends.
func (c *claim) watch(ctx context.Context, changed func()) error {
	for {
		wait, cancel := context.WithTimeout(ctx, claimAlive)
		_, err := c.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil && !c.IsClosed()
		cancel()
		if err == nil {
			changed()
			continue
		}
		if quiet {
			ask, cancel := context.WithTimeout(ctx, claimAnswer)
			err = c.Ping(ask)
			cancel()
		}
		if err != nil {
			return err
		}
	}
}

// end frees the lock.
func (c *claim) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.Close(ctx)
}
