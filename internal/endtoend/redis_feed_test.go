package endtoend

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/internal/redistest"
)

// heardBy is how many changes a node's gateway heard of by a source.
func (s *server) heardBy(source string) float64 {
	name := fmt.Sprintf("pizzeria_feed_lag_seconds_count{source=%q} ", source)
	for lines := bufio.NewScanner(strings.NewReader(s.adminGet("/metrics"))); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return n
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// TestRedisFeed: where the database tells nothing, a node hears of a revocation by Redis. While Redis
// is away its poll finds it, so that none is lost.
func TestRedisFeed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	db := postgrestest.Start(t, postgrestest.Options{})
	at := db.Create(t, "pizzeria")
	c := startNodesAt(t, []string{at, at}, fmt.Sprintf("redis {\nurl %s\n}", r.URL()))
	c.org(c.admin(), "acme")
	db.Exec(t, "pizzeria", `CREATE OR REPLACE FUNCTION feed_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`)
	notified := c.nodes[1].heardBy("notify")
	up := func(want string) {
		t.Helper()
		for i, s := range c.nodes {
			s.eventually(fmt.Sprintf("node %d says that Redis is %s", i, want), func() bool {
				return strings.Contains(s.adminGet("/metrics"), "\npizzeria_redis_up "+want+"\n")
			})
		}
	}
	// revoked reports whether a node heard by a source of what ended a session at the other one.
	revoked := func(source string) bool {
		t.Helper()
		p := c.person()
		form := url.Values{"email": {"ada@example.com"}, "password": {password}}
		if a := c.at(0, p).submit(c.url("")+"/sign-in", form); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		there := c.at(1, p)
		if a := there.open(c.url("acme") + "/"); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		before := c.nodes[1].heardBy(source)
		if a := c.at(0, p).submit(c.url("")+"/sign-out", nil); a.status != http.StatusOK {
			t.Fatalf("sign out: %d %s", a.status, a.body)
		}
		c.eventually("the other node refuses the session", func() bool {
			return there.fetched(c.url("acme")+"/") == http.StatusUnauthorized
		})
		return c.nodes[1].heardBy(source) > before
	}
	byRedis := func() {
		t.Helper()
		up("1")
		c.eventually("a revocation arrives by Redis", func() bool { return revoked("redis") })
	}
	byPoll := func() {
		t.Helper()
		up("0")
		before := c.nodes[1].heardBy("redis")
		if !revoked("poll") || c.nodes[1].heardBy("redis") != before {
			t.Error("without Redis and the database's word, it was not the poll")
		}
	}
	byRedis()
	if err := r.Stall(); err != nil {
		t.Fatal(err)
	}
	byPoll()
	if err := r.Wake(); err != nil {
		t.Fatal(err)
	}
	byRedis()
	if err := r.Do(t.Context(), "FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	byRedis()
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	byPoll()
	if err := r.Boot(); err != nil {
		t.Fatal(err)
	}
	byRedis()
	if n := c.nodes[1].heardBy("notify"); n != notified {
		t.Errorf("the database told of %v changes", n-notified)
	}
}
