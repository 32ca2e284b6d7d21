package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

// many is a gateway before a number of orgs, beside one before ten.
type many struct {
	Orgs   int              `json:"orgs"`
	Rounds map[string]round `json:"rounds"` // "few", "many", "few again"
	// Memory is what both hold in heap and stacks: after as many different orgs were asked for, or all ten.
	Memory map[string]int64 `json:"memory_bytes"`
}

// calm is how long after every org was asked for the rounds begin: what is kept of each for a while is gone by then.
const calm = 75 * time.Second

// hot is how many of the orgs are in use at once.
const hot = 200

// compareMany lets the two take turns. Requests are signed in, and spread over the orgs in use.
func compareMany(o options, binary string) (many, error) {
	out := many{Orgs: o.many, Rounds: map[string]round{}, Memory: map[string]int64{}}
	senders := map[string]*pool{}
	sides := map[string]*servers{}
	for name, orgs := range map[string]int{"few": 10, "many": o.many} {
		s, err := startOurs(binary, "")
		if err != nil {
			return out, err
		}
		defer s.stop()
		p, err := s.alone(orgs)
		if err != nil {
			return out, err
		}
		if err := p.open(o.connections); err != nil {
			return out, err
		}
		defer p.close()
		if err := s.visitAll(orgs); err != nil {
			return out, err
		}
		if _, err := run(p, o.connections, o.round/2, 0); err != nil {
			return out, err
		}
		senders[name], sides[name] = p, s
	}
	time.Sleep(calm) // what the connections cost shows once they are quiet
	senders["few again"] = senders["few"]
	all := map[string][]round{}
	names := []string{"few", "many", "few again"}
	for i := range o.rounds {
		for j := range names {
			name := names[(i+j)%len(names)]
			r, err := run(senders[name], o.connections, o.round, 0)
			if err != nil {
				return out, fmt.Errorf("%s: %w", name, err)
			}
			all[name] = append(all[name], r)
		}
	}
	for name, rounds := range all {
		out.Rounds[name] = medians(rounds)
	}
	for name, s := range sides {
		var err error
		if out.Memory[name], err = s.memory("ours/data/admin.sock"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// alone makes orgs that acme's instance serves, signs in to those that will be in use, and starts the gateway again
// without its store: the figures are the gateway's, and no reconciler looks for instances that are not there.
func (s *servers) alone(orgs int) (*pool, error) {
	socket, err := s.socket()
	if err != nil {
		return nil, err
	}
	used := min(orgs, hot)
	data := filepath.Join(s.dir, "ours/data")
	// Leased to nobody for a day, they are left alone meanwhile.
	if err := fill(filepath.Join(data, "pizzeria.db"), used, map[string]string{
		"{id}": id, "{now}": fmt.Sprint(time.Now().UnixMicro()), "{address}": "unix/" + socket,
	}, `INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at) SELECT {id}, printf('many-%d', i), printf('Org number %d', i), 'standard', 'active', {now}, {now} FROM n`,
		`INSERT INTO slugs (slug, org_id) SELECT printf('many-%d', i), {id} FROM n`,
		`INSERT INTO instances (org_id, generation, desired, state, address, changed_at, lease_token, lease_until) SELECT {id}, 1, 'running', 'running', '{address}', {now}, 1, {now} + 86400000000 FROM n`,
		`INSERT INTO memberships (org_id, user_id, role, created_at) SELECT {id}, (SELECT id FROM users WHERE email = '`+email+`'), 'owner', {now} FROM n`,
	); err != nil {
		return nil, err
	}
	p := &pool{size: 1 << 10, status: []int{http.StatusOK}, dial: dialPlainly(s.http)}
	for i := range used {
		slug := fmt.Sprintf("many-%d", i)
		if err := s.enter(slug); err != nil {
			return nil, err
		}
		s.client.CloseIdleConnections() // one to each org
		p.requests = append(p.requests, target{host: slug + "." + domain, port: s.http, cookie: s.cookieFor(slug)}.get("/"))
	}
	if err := s.ours.Process.Signal(syscall.SIGTERM); err != nil {
		return nil, err
	}
	_ = s.ours.Wait()
	if err := addRoutes(filepath.Join(data, "snapshot.db"), orgs, "unix/"+socket); err != nil {
		return nil, err
	}
	if err := os.Rename(filepath.Join(data, "pizzeria.db"), filepath.Join(data, "away.db")); err != nil {
		return nil, err
	}
	config, err := os.ReadFile(filepath.Join(s.dir, "ours/Caddyfile"))
	if err != nil {
		return nil, err
	}
	if s.ours, err = s.start("ours", string(config)); err != nil {
		return nil, err
	}
	return p, s.ready()
}

// addRoutes adds routes to a snapshot.
func addRoutes(file string, n int, address string) error {
	f := snapshot.Open(file)
	defer func() { _ = f.Close() }()
	s, err := f.Load(context.Background())
	if err != nil {
		return err
	}
	routes := map[string]*registry.Route{}
	for i := range n {
		slug := fmt.Sprintf("many-%d", i)
		routes[slug] = &registry.Route{
			OrgID: registry.OrgID(fmt.Sprintf("01890000-0004-7000-8000-%012x", i)), Slug: slug,
			Name: fmt.Sprintf("Org number %d", i), Plan: "standard", Status: registry.RouteServing,
			Generation: 1, Address: address,
		}
	}
	return f.Update(context.Background(), s, routes, time.Time{})
}

// id is an org's, of its number i.
const id = `printf('01890000-0004-7000-8000-%012x', i)`

// fill runs statements for i from 0 to n-1.
func fill(file string, n int, with map[string]string, queries ...string) error {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(30000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, query := range queries {
		for name, value := range with {
			query = strings.ReplaceAll(query, name, value)
		}
		if _, err := db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) `, n) + query); err != nil {
			return fmt.Errorf("%w: %s", err, query)
		}
	}
	return nil
}

// dialPlainly connects without TLS.
func dialPlainly(port int) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) }
}

// visitAll asks for each org once, as nobody: more than the gateway remembers.
func (s *servers) visitAll(orgs int) error {
	p := &pool{status: []int{http.StatusUnauthorized}, dial: dialPlainly(s.http)}
	if err := p.open(1); err != nil {
		return err
	}
	defer p.close()
	for i := range orgs {
		p.requests = [][]byte{target{host: fmt.Sprintf("many-%d.%s", i, domain), port: s.http}.get("/")}
		if err := p.once(0); err != nil {
			return err
		}
	}
	return nil
}
