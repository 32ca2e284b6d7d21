package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Place returns a server that has an address and no data. Follow starts it. It ends with the test.
func Place(t testing.TB, o Options) *Server {
	t.Helper()
	Require(t)
	s, err := place(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// standbyName is what a standby calls itself.
const standbyName = "standby"

// Follow copies a server's data and follows it, as a standby that answers reads.
func (s *Server) Follow(primary *Server) error {
	from := fmt.Sprintf("host=%s user=postgres application_name=%s", primary.dir, standbyName)
	if primary.o.Port != 0 {
		from += fmt.Sprintf(" port=%d", primary.o.Port)
	}
	copied := s.command("pg_basebackup", "-D", s.data(), "-d", from, "--write-recovery-conf",
		"--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if out, err := copied.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if err := s.Boot(); err != nil {
		return err
	}
	return primary.Await(`SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'`)
}

// Synchronous makes the server wait for its standby before it acknowledges a commit.
func (s *Server) Synchronous() error {
	if err := s.set("synchronous_standby_names", standbyName); err != nil {
		return err
	}
	return s.Await(`SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)
}

// Detach makes a standby receive nothing more. What its server commits from now on is not there.
func (s *Server) Detach() error {
	if err := s.set("primary_conninfo", ""); err != nil {
		return err
	}
	return s.Await(`SELECT count(*) = 0 FROM pg_stat_wal_receiver`)
}

// Promote makes a standby the server that takes changes. End the other one first.
func (s *Server) Promote() error { return s.run("SELECT pg_promote()") }

func (s *Server) set(name, value string) error {
	return errors.Join(s.run(fmt.Sprintf("ALTER SYSTEM SET %s = '%s'", name, value)),
		s.run("SELECT pg_reload_conf()"))
}

// Await waits until a query answers true.
func (s *Server) Await(query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	for {
		var is bool
		if err := c.QueryRow(ctx, query).Scan(&is); err != nil || is {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it never was that %s", query)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
