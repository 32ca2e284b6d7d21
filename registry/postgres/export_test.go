package postgres

import (
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Traced is the database, with each statement shown to tracer.
func (l Location) Traced(tracer pgx.QueryTracer) Location {
	l.config = l.config.Copy()
	l.config.Tracer = tracer
	return l
}

// Pool returns one connection, as the store's own are.
func (l Location) Pool() *sql.DB { return open(l.config, 1, nil) }

// ReadPool returns one connection, as those that read.
func (l Location) ReadPool() *sql.DB { return open(readOnly(l.config), 1, nil) }

// LockControlPlane is lockControlPlane.
const LockControlPlane = int64(lockControlPlane)

// Password is the one that connections are made with.
func (l Location) Password() string { return l.config.Password }

// Translate returns a statement of sqlstore as this database spells it.
func Translate(statement string) string { return dialect.Translate(statement) }

// Times of the claim.
const (
	ClaimWait    = claimWait
	ClaimNoticed = claimAlive + claimAnswer
)

// LockFreed is how long the server takes to free the lock of a machine that is gone.
func LockFreed(t *testing.T) time.Duration {
	t.Helper()
	seconds := func(name string) time.Duration {
		n, err := strconv.Atoi(session[name])
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Second
	}
	return seconds("tcp_keepalives_idle") + seconds("tcp_keepalives_interval")*seconds("tcp_keepalives_count")/time.Second
}

// LockFeed is the dialect's.
var LockFeed = dialect.LockFeed

// Later marks a statement that may wait for the next one.
var Later = later
