package endtoend

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// previous returns the program that a rolling upgrade starts from. `.ci/run` builds it.
func previous(t *testing.T) string {
	t.Helper()
	program := os.Getenv("PIZZERIA_TEST_PREVIOUS")
	if program == "" {
		lacking(t, "previous", "PIZZERIA_TEST_PREVIOUS does not name the program to upgrade from")
	}
	return program
}

// greedyNodes are nodes that do not run yet, with instances of this program.
func greedyNodes(t *testing.T, n int) (*cluster, *postgrestest.Server) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	db := postgrestest.Start(t, postgrestest.Options{})
	ways := slices.Repeat([]string{db.Create(t, "pizzeria")}, n)
	return newNodes(t, ways, fmt.Sprintf("provider process {\ncommand %s greedy\ngrace 1s\n}", self)), db
}

// managed creates an org at each node, and signs somebody in at each, whose session the next one ends.
func (c *cluster) managed(ada *person, when string) {
	c.t.Helper()
	people := make([]*person, len(c.nodes))
	for i, s := range c.nodes {
		s.org(c.at(i, ada), fmt.Sprintf("%s-%d", when, i))
		people[i] = c.person()
		form := url.Values{"email": {"ada@example.com"}, "password": {password}}
		if a := c.at(i, people[i]).submit(c.url("")+"/sign-in", form); a.status != http.StatusOK {
			c.t.Fatalf("sign in at node %d %s: %d %s", i, when, a.status, a.body)
		}
	}
	for i, p := range people {
		other := (i + 1) % len(c.nodes)
		slug := fmt.Sprintf("%s-%d", when, other)
		for n := range c.nodes {
			if a := c.at(n, p).open(c.url(slug) + "/boot"); a.status != http.StatusOK {
				c.t.Errorf("node %d serves %s: %d %s", n, slug, a.status, a.body)
			}
		}
		if a := c.at(other, p).submit(c.url("")+"/sign-out", nil); a.status != http.StatusOK {
			c.t.Fatalf("sign out at node %d %s: %d %s", other, when, a.status, a.body)
		}
		for n := range c.nodes {
			c.eventually(fmt.Sprintf("node %d refuses the session", n), func() bool {
				return c.at(n, p).fetched(c.url(slug)+"/boot") == http.StatusUnauthorized
			})
		}
	}
}

// TestRollingUpgrade: a node of this program starts beside one of the newest release, and migrates.
// Both manage, until the old one is replaced. Under load no request fails.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	from := previous(t)
	c, _ := greedyNodes(t, 2)
	c.nodes[0].program = from
	c.nodes[0].run()
	c.balance()
	ada := c.admin()
	c.org(ada, "acme")
	boot := ada.open(c.url("acme") + "/boot").body
	fresh, kept := c.startRequests(ada, true, "acme"), c.startRequests(ada, false, "acme")

	c.nodes[1].run()
	c.managed(ada, "both")
	c.nodes[0].stop()
	c.nodes[0].program = binary
	c.nodes[0].run()
	c.managed(ada, "new")
	c.eventually("there was some load", func() bool {
		return t.Failed() || fresh.requests.Load() >= 100 && kept.requests.Load() >= 100
	})
	t.Log(fresh.stop(), kept.stop())
	for i := range c.nodes {
		if a := c.at(i, ada).open(c.url("acme") + "/boot"); a.body != boot {
			t.Errorf("node %d: the instance did not run on: %d %s, not %s", i, a.status, a.body, boot)
		}
	}
	c.must("audit", "verify")
}

// TestSchemaOfNext: a node keeps serving under load while the next version migrates, also when the database
// ends its sessions. A node that starts then says why it does not.
func TestSchemaOfNext(t *testing.T) {
	t.Parallel()
	c, db := greedyNodes(t, 2)
	c.nodes[0].run()
	c.balance()
	ada := c.admin()
	c.org(ada, "acme")
	ada.open(c.url("acme") + "/boot")
	fresh, kept := c.startRequests(ada, true, "acme"), c.startRequests(ada, false, "acme")
	db.Exec(t, "pizzeria", `CREATE TABLE next (id text PRIMARY KEY)`,
		`ALTER TABLE orgs ADD COLUMN next text`, `ALTER TABLE sessions ADD COLUMN next text`,
		`INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version`)
	c.nodes[0].org(ada, "meanwhile")
	out, err := c.nodes[1].cli("", "run")
	if err == nil || !strings.Contains(out, "this program knows only up to") {
		t.Errorf("a node that starts: %v %s", err, out)
	}
	db.Exec(t, "pizzeria", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	c.eventually("the node manages again", func() bool {
		a := ada.fetch("POST", c.url("")+"/api/v1/orgs", `{"slug":"after","name":"After"}`)
		return a.status == http.StatusCreated
	})
	c.active("after")
	c.eventually("there was some load", func() bool {
		return t.Failed() || fresh.requests.Load() >= 100 && kept.requests.Load() >= 100
	})
	t.Log(fresh.stop(), kept.stop())
}
