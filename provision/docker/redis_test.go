//go:build linux

package docker

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/dockertest"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/provision"
)

// TestRedis: a container without a network reaches the Redis of instances at a port of its own, also
// after Redis was restarted, and its log does not tell the password.
func TestRedis(t *testing.T) {
	t.Parallel()
	e := dockertest.Shared(t, false)
	s := redistest.Start(t, "--unixsocketperm", "777")
	socket := strings.TrimPrefix(s.URL(), "unix://")
	if err := os.Chmod(filepath.Dir(socket), 0o755); err != nil { //nolint:gosec // instances enter it
		t.Fatal(err)
	}
	f := newFixture(t, e, func(c *Config) { c.Command = []string{"/box", "redis", "org:n"} })
	const password = "correct-horse"
	at := url.URL{Scheme: "unix", User: url.UserPassword("org", password), Path: socket}
	spec := provision.Spec{
		Ref: f.ref(1), Slug: "acme", Env: map[string]string{provision.RedisVariable: at.String()},
		Secrets: []string{provision.RedisVariable},
	}
	if _, err := f.p.Ensure(t.Context(), spec); !errors.Is(err, provision.ErrRedisAway) {
		t.Errorf("at a host: %v", err)
	}
	spec.Redis = socket
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
	if log := f.logged("counting at"); strings.Contains(log, password) {
		t.Error(log)
	}
}
