package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const readyTime = time.Minute

// Server is a Redis server, which keeps nothing on disk.
type Server struct {
	dir   string
	port  int // 0: only the socket
	args  []string
	cmd   *exec.Cmd
	ended chan struct{}
}

// Listen is Start, and listens at a port of the loopback interface as well.
func Listen(t testing.TB, args ...string) *Server {
	t.Helper()
	port := FreePort(t)
	s := Start(t, append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port)}, args...)...)
	s.port = port
	return s
}

// FreePort returns a port that nobody listens at, and no connection gets by chance.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(10_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Start returns a server that ends with a test. It listens at a socket, and as args say.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	Require(t)
	return run(t, &Server{args: append([]string{"--port", "0", "--save", "", "--appendonly", "no"}, args...)})
}

func run(t testing.TB, s *Server) *Server {
	t.Helper()
	var err error
	if s.dir, err = os.MkdirTemp("", "pzr"); err != nil { // short, for sockets
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Kill(), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	if err := s.Boot(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Require skips a test where there is no Redis.
func Require(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("redis-server")
	switch required := strings.Split(os.Getenv("PIZZERIA_TEST_REQUIRE"), ","); {
	case err == nil:
	case slices.Contains(required, "redis"):
		t.Fatal("Redis is required: ", err)
	default:
		t.Skip(err)
	}
}

// Addr returns the host and port of a server of Listen.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Secured returns a URL with a user that may do everything, and lets nobody in without a password. That
// ends when the server is booted again.
func (s *Server) Secured(t testing.TB) string {
	t.Helper()
	admin := s.client()
	defer func() { _ = admin.Close() }()
	for _, command := range [][]any{
		{"ACL", "SETUSER", "admin", "reset", "on", ">" + adminPassword, "~*", "&*", "+@all"},
		{"ACL", "SETUSER", "default", "off"},
	} {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	return "unix://admin:" + adminPassword + "@" + s.socket()
}

const adminPassword = "correct-horse-battery"

func (s *Server) client() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket(), MaxRetries: -1})
}

// URL returns where the server's database 0 is.
func (s *Server) URL() string { return "unix://" + s.socket() }

func (s *Server) socket() string { return filepath.Join(s.dir, "s") }

// Boot starts the server, with nothing in it, and returns when it answers.
func (s *Server) Boot() error {
	cmd := exec.Command("redis-server", //nolint:gosec // a test's
		append(slices.Clone(s.args), "--unixsocket", s.socket(), "--dir", s.dir)...)
	cmd.SysProcAttr = diesWithUs()
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
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	for {
		err := s.Do(ctx, "PING")
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the Redis server has ended")
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Do runs a command.
func (s *Server) Do(ctx context.Context, command ...any) error {
	_, err := s.Ask(ctx, command...)
	return err
}

// Ask runs a command, and returns the answer.
func (s *Server) Ask(ctx context.Context, command ...any) (any, error) {
	c := s.client()
	defer func() { _ = c.Close() }()
	return c.Do(ctx, command...).Result()
}

// Kill ends the server at once.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	select {
	case <-s.ended:
		return nil
	default:
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(readyTime):
		return fmt.Errorf("the Redis server %d did not end", s.cmd.Process.Pid)
	}
}

// Sentinel returns a Sentinel of a configuration file, which it changes, at a port. It ends with a test.
func Sentinel(t testing.TB, file string) *Server {
	t.Helper()
	Require(t)
	port := FreePort(t)
	return run(t, &Server{port: port, args: []string{file, "--sentinel", "--bind", "127.0.0.1", "--port", strconv.Itoa(port)}})
}
