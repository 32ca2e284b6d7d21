package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/internal/redistest"
)

// TestInstanceRedis: the real binary makes users at the Redis that its config names, and again after that
// was restarted without them. The set-up of what instances see is tested with their providers.
func TestInstanceRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t, "--unixsocketperm", "777")
	if err := os.Chmod(filepath.Dir(strings.TrimPrefix(r.URL(), "unix://")), 0o755); err != nil { //nolint:gosec // instances enter it
		t.Fatal(err)
	}
	url := r.Secured(t)
	s := startWith(t, "instance_redis {\nurl "+url+"\nmemory 64MiB\n}", "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	there := func() bool {
		users := c.Do(t.Context(), "ACL", "LIST").String()
		return strings.Contains(users, "user pz-") && strings.Contains(users, " ~pz:")
	}
	if !there() {
		t.Error("the org has no user")
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	s.eventually("it says that Redis is away", func() bool {
		return strings.Contains(s.adminGet("/metrics"), "\npizzeria_instance_redis_up 0\n")
	})
	if err := r.Boot(); err != nil {
		t.Fatal(err)
	}
	r.Secured(t)
	s.eventually("the org has its user again", there)
	s.eventually("it says what the org uses", func() bool {
		return strings.Contains(s.adminGet("/metrics"), "\npizzeria_instance_redis_bytes{org=")
	})
}
