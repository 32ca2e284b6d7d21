package endtoend

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/redistest"
)

// TestRedis: nodes count tries to sign in together in Redis, and each by itself while Redis is away,
// hangs or is empty. People sign in all the while.
func TestRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := startNodes(t, 2, fmt.Sprintf("redis {\nurl %s\n}", r.URL()))
	ada := c.admin()
	c.org(ada, "acme")
	up := func(want string) {
		t.Helper()
		ready := map[string]string{"1": "ready\n", "0": "ready; Redis is away\n"}[want]
		for i, s := range c.nodes {
			s.eventually(fmt.Sprintf("node %d says that Redis is %s", i, want), func() bool {
				return strings.Contains(s.adminGet("/metrics"), "\npizzeria_redis_up "+want+"\n")
			})
			if a := c.at(i, c.person()).open(c.url("") + "/readyz"); a.status != http.StatusOK || a.body != ready {
				t.Errorf("node %d: %d %q, want %q", i, a.status, a.body, ready)
			}
		}
	}
	// judged returns how many of 24 wrong passwords for somebody were judged: one after the other, at
	// either node.
	judged := func(email string) (n int) {
		t.Helper()
		for i := range 24 {
			form := url.Values{"email": {email}, "password": {"a wrong password"}}
			switch a := c.at(i%2, c.person()).submit(c.url("")+"/sign-in", form); a.status {
			case http.StatusForbidden:
				n++
			case http.StatusTooManyRequests:
			default:
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		return n
	}
	signsIn := func() {
		t.Helper()
		for i := range c.nodes {
			form := url.Values{"email": {"ada@example.com"}, "password": {password}}
			p := c.at(i, c.person())
			if a := p.submit(c.url("")+"/sign-in", form); a.status != http.StatusOK {
				t.Errorf("node %d: %d %s", i, a.status, a.body)
			}
		}
	}
	const together, apart = 10, 20
	up("1")
	if n := judged("a@example.com"); n != together {
		t.Errorf("%d wrong passwords were judged, want %d", n, together)
	}
	signsIn()
	if err := r.Stall(); err != nil {
		t.Fatal(err)
	}
	signsIn()
	up("0")
	if n := judged("b@example.com"); n != apart {
		t.Errorf("while Redis hangs, %d wrong passwords were judged, want %d", n, apart)
	}
	if err := r.Wake(); err != nil {
		t.Fatal(err)
	}
	up("1")
	if n := judged("b@example.com"); n != together {
		t.Errorf("after it, %d wrong passwords were judged, want %d", n, together)
	}
	if err := r.Do(t.Context(), "FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	if n := judged("a@example.com"); n != together {
		t.Errorf("after FLUSHALL, %d wrong passwords were judged, want %d", n, together)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	up("0")
	signsIn()
	c.nodes[0].stop() // a node also starts without it
	c.nodes[0].run()
	signsIn()
	if err := r.Boot(); err != nil {
		t.Fatal(err)
	}
	up("1")
	if n := judged("a@example.com"); n != together {
		t.Errorf("after a restart of Redis, %d wrong passwords were judged, want %d", n, together)
	}
}
