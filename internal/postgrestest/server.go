package postgrestest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a Server.
type Options struct {
	// Port is one of the loopback interface that the server listens on besides its socket; 0: none.
	Port int
	// Args are more arguments of the server.
	Args []string
}

// Server is a PostgreSQL server.
type Server struct {
	o     Options
	dir   string
	bin   string
	attr  *syscall.SysProcAttr
	cmd   *exec.Cmd
	ended chan struct{}
}

const readyTime = time.Minute

// Start returns a server that ends with a test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	Require(t)
	s, err := start(o)
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

// Require skips a test where there is no PostgreSQL.
func Require(t testing.TB) {
	t.Helper()
	_, err := programs()
	if err == nil {
		_, err = asServer()
	}
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("PIZZERIA_TEST_REQUIRE"), ","), "postgres"):
		t.Fatalf("PostgreSQL is required: %v", err)
	default:
		t.Skip(err)
	}
}

// programs returns the directory of the server's programs.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path) // some of Debian's have no others beside them
		return filepath.Dir(path), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("there is no PostgreSQL server: install the Debian package postgresql")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func start(o Options) (*Server, error) {
	s, err := place(o)
	if err != nil {
		return nil, err
	}
	init := s.command("initdb", "-D", s.data(), "-U", "postgres", "--auth=trust", "--no-sync",
		"--encoding=UTF8", "--locale=C")
	if out, err := init.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), s.end())
	}
	if err := s.Boot(); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// place makes what a server needs before it has data.
func place(o Options) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	attr, err := asServer()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/tmp", "pzp") // short, for the socket
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, dir: dir, bin: bin, attr: attr}
	if err := Own(dir); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...) //nolint:gosec // a test's
	cmd.Dir, cmd.SysProcAttr = s.dir, s.attr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// Boot starts the server, and returns when it answers.
func (s *Server) Boot() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := []string{
		"-D", s.data(), "-k", s.dir, "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200", "-c", "deadlock_timeout=100ms", "-c", "listen_addresses=",
	}
	if s.o.Port != 0 {
		args = append(args, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.o.Port))
	}
	cmd := s.command("postgres", append(args, s.o.Args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	ended, started := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the server is told of the end of this thread, too
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.ended = cmd, ended
	return s.ready()
}

func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-s.ended:
			b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the PostgreSQL server has ended: %s", b)
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL returns the connection string of a database.
func (s *Server) URL(database string) string {
	url := "postgres://postgres@/" + database + "?connect_timeout=60&host=" + s.dir // on busy machines, too
	if s.o.Port != 0 {
		url += "&port=" + strconv.Itoa(s.o.Port)
	}
	return url
}

func (s *Server) socket() string {
	return filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d", cmp.Or(s.o.Port, 5432)))
}

// Host is the directory of the server's socket: its address, also before it was started.
func (s *Server) Host() string { return s.dir }

// Kill ends all processes of the server at once, as a crash would.
func (s *Server) Kill() error { return s.endBy(kill) }

// Stall stops all processes of the server where they are, until Continue.
func (s *Server) Stall() error { return signalTree(s.cmd.Process.Pid, stall) }

// Continue lets a server go on after Stall.
func (s *Server) Continue() error { return signalTree(s.cmd.Process.Pid, proceed) }

func (s *Server) endBy(signal func(pid int) error) error {
	if err := signal(s.cmd.Process.Pid); err != nil {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(readyTime):
		return errors.New("the PostgreSQL server did not end")
	}
}

// end ends the server and removes what it made.
func (s *Server) end() (err error) {
	if s.ended != nil {
		select {
		case <-s.ended:
		default:
			err = s.endBy(finish)
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
