//go:build linux && !portable

package process

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/provision"
)

// TestRedis: an instance reaches the Redis of instances at a port of its own, isolated or not, also
// after Redis was restarted, and its log does not tell the password.
func TestRedis(t *testing.T) {
	for _, isolation := range []Isolation{IsolationOn, IsolationOff} {
		t.Run(string(isolation), func(t *testing.T) {
			if isolation == IsolationOn {
				requireIsolation(t)
			}
			s := redistest.Start(t, "--unixsocketperm", "777")
			socket := strings.TrimPrefix(s.URL(), "unix://")
			if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil { //nolint:gosec // instances enter it
				t.Fatal(err)
			}
			f := newFixture(t)
			f.p.c.Isolation = isolation
			f.p.c.Command = []string{"/bin/sh", "-c", `echo "$PIZZERIA_REDIS_URL"; while sleep 0.05; do
				redis-cli -u "$PIZZERIA_REDIS_URL" INCR org:n >"$PIZZERIA_DATA_DIR/got" 2>&1; done`}
			const password = "correct-horse"
			at := url.URL{Scheme: "unix", User: url.UserPassword("org", password), Path: socket}
			spec := provision.Spec{
				Ref: f.ref(1), Env: map[string]string{provision.RedisVariable: at.String()}, Redis: socket,
				Secrets: []string{provision.RedisVariable},
			}
			give := func() {
				t.Helper()
				if err := s.Do(t.Context(), "ACL", "SETUSER", "org", "on", ">"+password, "~org:*", "+@all"); err != nil {
					t.Fatal(err)
				}
			}
			counts := func() bool {
				n, err := s.Ask(t.Context(), "GET", "org:n")
				return err == nil && n != "0"
			}
			give()
			if _, err := f.p.Ensure(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			f.eventually("it counts", counts)
			if err := errors.Join(s.Kill(), s.Boot()); err != nil {
				t.Fatal(err)
			}
			give()
			f.eventually("it counts after a restart of Redis", counts)
			f.eventually("it has printed the URL", func() bool {
				b, err := os.ReadFile(f.p.LogFile(f.org))
				return err == nil && strings.Contains(string(b), "[redacted]")
			})
			if b, err := os.ReadFile(f.p.LogFile(f.org)); err != nil || strings.Contains(string(b), password) {
				t.Errorf("%s %v", b, err)
			}
		})
	}
}

// TestRedisAway: an isolated instance is not started with a Redis that it would not reach.
func TestRedisAway(t *testing.T) {
	requireIsolation(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	_, err := f.p.Ensure(t.Context(), provision.Spec{
		Ref: f.ref(1), Env: map[string]string{provision.RedisVariable: "redis://org:password@127.0.0.1:1/0"},
	})
	if !errors.Is(err, provision.ErrRedisAway) {
		t.Errorf("%v", err)
	}
}
