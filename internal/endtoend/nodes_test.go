package endtoend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/postgrestest"
)

// cluster is several nodes of one installation on this machine, behind a balancer that knows nothing
// of sessions: each connection goes to the next node that is ready and takes one.
type cluster struct {
	*server // as clients see it
	nodes   []*server
	unready []atomic.Bool // as the balancer last saw it
}

// startNodes runs nodes that are called n0, n1 and so on. They end with the test.
func startNodes(t *testing.T, n int, global string) *cluster {
	t.Helper()
	at := postgrestest.Start(t, postgrestest.Options{}).Create(t, "pizzeria")
	return startNodesAt(t, slices.Repeat([]string{at}, n), global)
}

// startNodesAt runs a node for each way to the database, with variables added to their environment.
func startNodesAt(t *testing.T, ways []string, global string, env ...string) *cluster {
	t.Helper()
	c := newNodes(t, ways, global, env...)
	for _, s := range c.nodes {
		s.run()
	}
	c.balance()
	return c
}

// newNodes makes nodes that do not run yet.
func newNodes(t *testing.T, ways []string, global string, env ...string) *cluster {
	t.Helper()
	n := len(ways)
	c := &cluster{unready: make([]atomic.Bool, n)}
	for i, at := range ways {
		s := newServer(t, "", "org_gateway", append([]string{"DATABASE_URL=" + at}, env...)...)
		first := s
		if i > 0 {
			first = c.nodes[0]
			s.port = first.port
		}
		ip := fmt.Sprintf("127.0.7.%d", i+1)
		s.reach = dialTo(net.JoinHostPort(ip, fmt.Sprint(s.port)))
		s.write(strings.Replace(s.caddyfile(fmt.Sprintf(`store postgres {env.DATABASE_URL}
			node n%d
			data_dir %s
			%s`, i, filepath.Join(first.dir, "data"), global), 0), "{\n", "{\n\tshutdown_delay 5s\n\tdefault_bind "+ip+"\n", 1))
		c.nodes = append(c.nodes, s)
		t.Cleanup(func() {
			if s.cmd == nil {
				_ = os.RemoveAll(s.dir)
				return
			}
			if races := s.end(); races != "" {
				t.Error(races)
			}
			if t.Failed() {
				t.Logf("node %d:\n%s", i, tail(s.out.String(), 8000))
			}
		})
	}
	return c
}

// balance begins to balance, once the first node runs.
func (c *cluster) balance() {
	for i := range c.nodes {
		go c.watch(i)
	}
	front := *c.nodes[0]
	front.reach = c.dial()
	c.server = &front
}

func dialTo(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// dial is the balancer.
func (c *cluster) dial() func(context.Context) (net.Conn, error) {
	var next atomic.Int64
	return func(ctx context.Context) (net.Conn, error) {
		var errs []error
		first := int(next.Add(1))
		for _, unready := range []bool{false, true} { // where none is ready, any will do
			for i := range c.nodes {
				node := (first + i) % len(c.nodes)
				if c.unready[node].Load() != unready {
					continue
				}
				made, err := c.nodes[node].reach(ctx)
				if err == nil {
					return made, nil
				}
				errs = append(errs, err)
			}
		}
		return nil, errors.Join(errs...)
	}
}

// watch is how the balancer sees whether a node is ready, until the test ends.
func (c *cluster) watch(node int) {
	client := c.nodes[node].anonymous()
	client.Timeout = time.Second
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.nodes[node].t.Context().Done():
			return
		case <-tick.C:
		}
		res, err := client.Get(c.nodes[node].url("") + "/readyz")
		if err == nil {
			_ = res.Body.Close()
		}
		c.unready[node].Store(err != nil || res.StatusCode != http.StatusOK)
	}
}

// at is a person at one node.
func (c *cluster) at(node int, p *person) *person {
	return &person{c.nodes[node], &http.Client{Transport: c.nodes[node].transport(), Jar: p.c.Jar, Timeout: patience}}
}

// asker asks a node for an org in one session, by one connection, and returns the status. sent is
// called once the request is on its way.
func (c *cluster) asker(node int, slug, cookie string) func(sent func()) int {
	client := &http.Client{Transport: c.nodes[node].transport(), Timeout: patience}
	return func(sent func()) int {
		ctx := httptrace.WithClientTrace(c.t.Context(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { sent() },
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(slug)+"/boot", nil)
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Cookie", orgCookie+"="+cookie)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := client.Do(req)
		if err != nil {
			c.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode
	}
}

// TestNodes: two nodes serve one installation. What happens at one holds at the other at once, and
// either may be stopped, started and killed under load: no request fails that a balancer can send on.
func TestNodes(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := startNodes(t, 2, fmt.Sprintf("provider process {\ncommand %s greedy\ngrace 1s\n}", self))
	ada := c.admin()
	id := c.org(ada, "acme")
	boot := ada.open(c.url("acme") + "/boot").body
	for i := range c.nodes {
		if a := c.at(i, ada).open(c.url("acme") + "/boot"); a.status != http.StatusOK || a.body != boot {
			t.Errorf("node %d: %d %s, not %s", i, a.status, a.body, boot)
		}
	}

	t.Run("a session ends everywhere", func(t *testing.T) {
		p := c.person()
		form := url.Values{"email": {"ada@example.com"}, "password": {password}}
		if a := p.submit(c.url("")+"/sign-in", form); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := p.open(c.url("acme") + "/boot"); a.body != boot {
			t.Fatalf("%d %s", a.status, a.body)
		}
		for i := range c.nodes {
			if got := c.at(i, p).fetched(c.url("acme") + "/boot"); got != http.StatusOK {
				t.Fatalf("node %d: %d", i, got)
			}
		}
		if a := c.at(0, p).submit(c.url("")+"/sign-out", nil); a.status != http.StatusOK {
			t.Fatalf("sign out: %d %s", a.status, a.body)
		}
		for i := range c.nodes {
			c.eventually(fmt.Sprintf("node %d refuses the session", i), func() bool {
				return c.at(i, p).fetched(c.url("acme")+"/boot") == http.StatusUnauthorized
			})
		}
	})

	t.Run("rolling restart", func(t *testing.T) {
		fresh, kept := c.startRequests(ada, true, "acme"), c.startRequests(ada, false, "acme")
		for i, s := range c.nodes {
			s.stop()
			if got := c.at(1-i, ada).open(c.url("acme") + "/boot"); got.body != boot {
				t.Errorf("while node %d is stopped: %d %s", i, got.status, got.body)
			}
			c.nodes[1-i].org(c.at(1-i, ada), fmt.Sprintf("without-%d", i))
			s.run()
		}
		fresh.stop()
		kept.stop()
	})

	t.Run("a node is killed", func(t *testing.T) {
		c.nodes[0].kill()
		other := c.at(1, ada)
		c.nodes[1].org(other, "after")
		if got := other.open(c.url("acme") + "/boot"); got.body != boot {
			t.Errorf("%d %s", got.status, got.body)
		}
		c.nodes[0].run()
		if got := c.at(0, ada).open(c.url("after") + "/boot"); got.status != http.StatusOK {
			t.Errorf("the node that returned: %d %s", got.status, got.body)
		}
	})

	t.Run("a node stands still", func(t *testing.T) {
		p := c.person()
		form := url.Values{"email": {"ada@example.com"}, "password": {password}}
		if a := p.submit(c.url("")+"/sign-in", form); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		p.open(c.url("acme") + "/boot")
		ask := c.asker(0, "acme", p.cookie(c.url("acme"), orgCookie))
		if got := ask(func() {}); got != http.StatusOK {
			t.Fatal(got)
		}
		stopped, since := c.nodes[0].cmd.Process, time.Now()
		if err := stopped.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if a := c.at(1, p).submit(c.url("")+"/sign-out", nil); a.status != http.StatusOK {
			t.Fatalf("sign out: %d %s", a.status, a.body)
		}
		other := c.at(1, ada)
		c.nodes[1].org(other, "meanwhile")
		was := other.instance("acme").Generation
		c.nodes[1].must("instance", "restart", "acme")
		c.nodes[1].eventually("the instance is restarted by the other", func() bool {
			i := other.instance("acme")
			return i.Generation > was && i.State == "running"
		})
		boot = other.open(c.url("acme") + "/boot").body
		c.nodes[1].eventually("it stood still for long enough", func() bool { return time.Since(since) > 4*time.Second })
		// The request is there when the node wakes.
		got := ask(func() {
			if err := stopped.Signal(syscall.SIGCONT); err != nil {
				t.Error(err)
			}
		})
		if got != http.StatusUnauthorized {
			t.Errorf("a session that ended while the node stood still: %d", got)
		}
		c.nodes[0].eventually("the node that woke serves the new instance", func() bool {
			return c.at(0, ada).open(c.url("acme")+"/boot").body == boot
		})
		if n := len(c.processes(filepath.Join(c.dir, "data/orgs", id))); n != 1 {
			t.Errorf("%d processes of the instance", n)
		}
	})
	t.Run("another machine", func(t *testing.T) {
		elsewhere := newServer(t, "store postgres {env.DATABASE_URL}\ndata_dir ./data\nnode n2", "org_gateway", c.env...)
		defer func() { _ = os.RemoveAll(elsewhere.dir) }()
		key, err := os.ReadFile(filepath.Join(c.dir, "data/secret.key"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere.dir, "data/secret.key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := elsewhere.cli("", "run")
		if err == nil || !strings.Contains(out, "provider process: the instances are in the data directory of another machine") {
			t.Errorf("a node that would start instances again: %v %s", err, out)
		}
	})
	c.must("audit", "verify")
}
