package flows

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/internal/orgredis"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/runtime"
	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestInstanceRedis: an org's user at the Redis of instances comes and goes with its instance.
func TestInstanceRedis(t *testing.T) {
	t.Parallel()
	redisServer := redistest.Start(t)
	admin := redisServer.Secured(t)
	s := servertest.Start(t, func(c *runtime.Tunables) { c.InstanceRedis = &orgredis.Config{URL: admin} })
	ada := s.Admin()
	acme, globex := registry.OrgID(s.Org(ada, "acme")), registry.OrgID(s.Org(ada, "globex"))
	client := func(url string) *redis.Client {
		o, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	mine := func(org registry.OrgID) (url string, c *redis.Client, prefix string) {
		url = s.Instances.Env(org, "PIZZERIA_REDIS_URL")
		return url, client(url), s.Instances.Env(org, "PIZZERIA_REDIS_PREFIX")
	}
	first, a, prefix := mine(acme)
	_, g, other := mine(globex)
	if prefix == other || !strings.Contains(prefix, string(acme)) {
		t.Errorf("prefixes %s and %s", prefix, other)
	}
	if err := a.Set(t.Context(), prefix+"k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := g.Get(t.Context(), prefix+"k").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("another org reads it: %v", err)
	}

	api := s.URL("") + "/api/v1/orgs/"
	ada.Call(t, "POST", api+"acme/suspend", `{"reason":"x"}`, 200, nil)
	s.Eventually("the user of a suspended org is off", func() bool {
		return client(first).Ping(t.Context()).Err() != nil
	})
	ada.Call(t, "POST", api+"acme/resume", `{}`, 200, nil)
	s.Eventually("the org's next instance finds its keys", func() bool {
		if s.Instances.Env(acme, "PIZZERIA_REDIS_URL") == "" { // between two instances
			return false
		}
		_, c, _ := mine(acme)
		return c.Get(t.Context(), prefix+"k").Val() == "v"
	})
	if second, _, _ := mine(acme); second == first {
		t.Error("the password of a generation counts for the next one")
	}

	ada.Call(t, "DELETE", api+"acme?now=true&confirm=acme", "", 202, nil)
	everything := client(admin)
	s.Eventually("nothing of a deleted org is left", func() bool {
		users := everything.Do(t.Context(), "ACL", "LIST").String()
		keys, err := everything.Keys(t.Context(), "*"+string(acme)+"*").Result()
		return err == nil && len(keys) == 0 && !strings.Contains(users, string(acme)) && strings.Contains(users, string(globex))
	})
}
