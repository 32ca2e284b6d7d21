package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pizzaface/pizzeria/registry"
)

// A claim is the session that makes this process the only control plane of a database, or one of its
// nodes: it holds advisory locks, which the server frees when the session ends. The feed's
// notifications come by it.
type claim struct {
	*pgx.Conn
	node  string // "": the only one
	alone bool   // it keeps others out, until it is settled
}

const (
	claimTry  = 250 * time.Millisecond // how often a lock that another has is tried
	claimWait = 15 * time.Second       // longer than the server takes to free that of a lost machine

	// Together less than the server takes to free the lock of a machine that is gone.
	claimAlive  = 2 * time.Second // how often the session is asked whether it is there
	claimAnswer = 8 * time.Second // how long the answer may take

	// The parameter of a session that says under which claim it changes something.
	claimParameter = "pizzeria.claim"
)

// makeClaim returns the claim of a node, or with "" that of the only control plane. It waits a little
// for one that is about to end. Settle it once the database is open. Error: registry.ErrInUse.
func makeClaim(ctx context.Context, c *pgx.ConnConfig, node string) (*claim, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	made := &claim{Conn: conn, node: node}
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

// The advisory locks of a claim. Who is alone holds the first for itself; nodes share it, and each
// has one of its name.
const (
	tryAlone  = `SELECT pg_try_advisory_lock($1)`
	tryShared = `SELECT pg_try_advisory_lock_shared($1)`
	tryName   = `SELECT pg_try_advisory_lock($1::integer, hashtext($2))`
)

func (c *claim) lock(ctx context.Context) error {
	late := time.NewTimer(claimWait)
	defer late.Stop()
	try := time.NewTicker(claimTry)
	defer try.Stop()
	for {
		held, err := c.tryLock(ctx)
		if err != nil || held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return c.inUse(ctx)
		case <-try.C:
		}
	}
}

func (c *claim) tryLock(ctx context.Context) (held bool, err error) {
	if c.alone, err = c.try(ctx, tryAlone, int64(lockControlPlane)); c.node == "" || err != nil {
		return c.alone, err
	}
	// A lock that a session has for itself does not keep the same session from sharing it.
	if held, err = c.try(ctx, tryShared, int64(lockControlPlane)); held && err == nil {
		held, err = c.try(ctx, tryName, int64(lockNode), c.node)
	}
	if !held && err == nil {
		err = c.unlock(ctx)
	}
	return held, err
}

func (c *claim) try(ctx context.Context, statement string, args ...any) (held bool, err error) {
	err = c.QueryRow(ctx, statement, args...).Scan(&held)
	return held, err
}

// unlock frees all locks.
func (c *claim) unlock(ctx context.Context) error {
	c.alone = false
	_, err := c.Exec(ctx, `SELECT pg_advisory_unlock_all()`)
	return err
}

// settle lets other nodes in.
func (c *claim) settle(ctx context.Context) error {
	if c.node == "" || !c.alone {
		return nil
	}
	c.alone = false
	_, err := c.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(lockControlPlane))
	return err
}

// inUse says who has the locks.
func (c *claim) inUse(ctx context.Context) error {
	const by = `SELECT a.application_name || COALESCE(' (' || host(a.client_addr) || ')', '')
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	var who string
	if c.node != "" {
		err := c.QueryRow(ctx, by+` AND l.objsubid = 2 AND l.classid::bigint = $1
			AND l.objid::bigint = hashtext($2)::bigint & 4294967295 LIMIT 1`,
			int64(lockNode), c.node).Scan(&who)
		if err == nil {
			return nodeInUse{c.node, who}
		}
	}
	err := c.QueryRow(ctx, by+` AND l.objsubid = 1
		AND (l.classid::bigint << 32) | l.objid::bigint = $1 LIMIT 1`,
		int64(lockControlPlane)).Scan(&who)
	if err != nil {
		who = "a control plane that the server does not name"
	}
	return fmt.Errorf("%w: %s", registry.ErrInUse, who)
}

// nodeInUse says who has the name of a node. It is registry.ErrInUse.
type nodeInUse struct{ node, who string }

func (e nodeInUse) Error() string {
	return fmt.Sprintf("there is a node %s already: %s: give each node a name of its own", e.node, e.who)
}

func (nodeInUse) Is(target error) bool { return target == registry.ErrInUse }

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

// raise ends what earlier claims may still record, and returns the name of this one, which nodes that
// run at the same time share. It runs in the session that has the lock: when that was lost, so is the
// right to do it.
func (c *claim) raise(ctx context.Context) (name string, err error) {
	if !c.alone {
		err = c.QueryRow(ctx, `SELECT claim FROM feed_head WHERE id = 1`).Scan(&name)
		return name, err
	}
	err = c.QueryRow(ctx, `UPDATE feed_head SET claim = $1 WHERE id = 1 RETURNING claim`,
		registry.NewID()).Scan(&name)
	return name, err
}

// setClaim names a session's claim. It is no startup parameter: poolers may drop those.
const setClaim = `SELECT set_config('` + claimParameter + `', $1, false)`

// watch calls changed at each notification, until the session ends, and alive now and then, which says
// whether it has.
func (c *claim) watch(
	ctx context.Context, changed func(), alive func(context.Context) error,
) error {
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
			err = alive(ask)
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
