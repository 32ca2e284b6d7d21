package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/shared"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// redisCost prints what Redis buys several nodes, with PostgreSQL and Redis a round trip away.
func redisCost() error {
	f := flag.NewFlagSet("redis", flag.ExitOnError)
	away := f.Duration("round-trip", time.Millisecond, "time from a node to PostgreSQL and to Redis, and back")
	calls := f.Int("calls", 300, "calls of each operation")
	signIns := f.Int("sign-ins", 500, "sign-ins with a Redis that hangs, and as many without one; 0: none, and no server is built")
	built := f.String("program", "", "a server that is built already")
	_ = f.Parse(os.Args[2:]) // it exits
	r, err := startRedis()
	if err != nil {
		return err
	}
	defer r.stop()
	fmt.Println("| in ms | p50 | p99 | longest |\n| --- | ---: | ---: | ---: |")
	if err := betweenNodes(r, *away, *calls); err != nil {
		return err
	}
	if *signIns == 0 {
		return nil
	}
	binary, remove, err := program(*built)
	if err != nil {
		return err
	}
	defer remove()
	return besideHung(r, binary, *signIns)
}

func printRow(what string, d []time.Duration) {
	slices.Sort(d)
	fmt.Printf("| %s | %s | %s | %s |\n", what, short(d[len(d)/2]), short(d[len(d)*99/100]), short(d[len(d)-1]))
}

// nodesBench is two nodes over one database, in this process.
type nodesBench struct {
	a, b  openStore
	told  *shared.Redis // a's
	user  registry.UserID
	seen  chan registry.Change // that b applied
	mu    sync.Mutex
	redis bool // whether a tells
}

// Apply implements registry.FeedHandler.
func (n *nodesBench) Apply(c registry.Change) {
	if c.Kind == registry.ChangeSessionRevoked {
		n.seen <- c
	}
}

// Reset implements registry.FeedHandler.
func (n *nodesBench) Reset() {}

func betweenNodes(r *redisServer, away time.Duration, calls int) (err error) {
	p, err := startPostgres()
	if err != nil {
		return err
	}
	defer p.stop()
	toStore, err := startDelay(fmt.Sprintf("127.0.0.1:%d", p.port), away/2)
	if err != nil {
		return err
	}
	defer toStore.stop()
	toRedis, err := startDelay(fmt.Sprintf("127.0.0.1:%d", r.port), away/2)
	if err != nil {
		return err
	}
	defer toRedis.stop()
	at, err := postgres.Parse(p.url(toStore.port()))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	n, key := &nodesBench{seen: make(chan registry.Change, 1000)}, new(identity.MasterKey)
	for name, into := range map[string]*openStore{"a": &n.a, "b": &n.b} {
		s, err := postgres.Open(ctx, at.Node(name), key, time.Now)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		*into = s
	}
	quiet := slog.New(slog.DiscardHandler)
	config := &shared.Config{URL: r.url(toRedis.port())}
	follower := registry.NewFollower(registry.FeedFor(n.b, registry.AsSystem("bench")), quiet, time.Now, n)
	n.told = shared.New(func() *shared.Config { return config }, key, shared.NewMetrics(), quiet)
	hears := shared.New(func() *shared.Config { return config }, key, shared.NewMetrics(), quiet)
	hears.Heard = func(seq int64) {
		if seq > follower.Seq() {
			n.b.Wake(registry.WakeRedis)
		}
	}
	for _, run := range []func(context.Context){n.told.Run, hears.Run, follower.Run, n.tell} {
		running.Go(func() { run(ctx) })
	}
	user, err := n.a.CreateUser(ctx, registry.AsOperator(), registry.NewUser{Email: email, Name: "Bench"})
	if err != nil {
		return err
	}
	n.user = user.ID
	for _, way := range []struct {
		what          string
		notify, redis bool
		calls         int
	}{
		{"revocation at the other node, by NOTIFY", true, false, calls},
		{"by NOTIFY and Redis", true, true, calls},
		{"by Redis alone", false, true, calls},
		{"by the poll alone", false, false, min(calls, 20)},
	} {
		body := "NULL;"
		if way.notify {
			body = "pg_notify('pizzeria_feed', '');"
		}
		if err := p.run("psql", "-h", p.dir, "-p", fmt.Sprint(p.port), "-U", "postgres", "-q", "-c",
			"CREATE OR REPLACE FUNCTION feed_notify() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM "+quoted(body)+" RETURN NULL; END'",
			"pizzeria"); err != nil {
			return err
		}
		n.mu.Lock()
		n.redis = way.redis
		n.mu.Unlock()
		pause := 10 // in ms
		if !way.notify && !way.redis {
			pause = 1000 // at any time between two polls
		}
		d, err := n.revoke(ctx, way.calls, pause)
		if err != nil {
			return err
		}
		printRow(way.what, d)
	}
	c := r.client(toRedis.port())
	defer func() { _ = c.Close() }()
	if err := n.lookUp(ctx, c, key, calls); err != nil {
		return err
	}
	if err := n.report(ctx, calls); err != nil {
		return err
	}
	return n.limits(ctx, r, calls)
}

// limits measures what a sign-in asks of the limits that nodes share, at the end: Redis hangs then.
func (n *nodesBench) limits(ctx context.Context, r *redisServer, calls int) error {
	limit := &identity.Limit{Name: "bench", Every: time.Microsecond, Burst: 1_000_000}
	var first, then []identity.Bucket
	for _, key := range []string{"/32", "/24", "/16", ""} {
		first = append(first, identity.Bucket{Limit: limit, Key: "network" + key})
		then = append(then, identity.Bucket{Limit: limit, Key: "account" + key})
	}
	take := func() error {
		_, err := n.told.Limiter().Take(ctx, first, then)
		return err
	}
	if err := timed("limits of a sign-in, in Redis", calls, take); err != nil {
		return err
	}
	if err := r.hang(); err != nil {
		return err
	}
	defer func() { _ = r.wake() }()
	return timed("while Redis hangs, until the node counts by itself", calls, func() error {
		_ = take() // it is away, and each node goes by what it knows itself
		return nil
	})
}

// quoted is a text within a text of SQL.
func quoted(s string) string {
	var out []byte
	for _, b := range []byte(s) {
		if b == '\'' {
			out = append(out, b)
		}
		out = append(out, b)
	}
	return string(out)
}

// tell tells the other node what this one commits, as control.Control does.
func (n *nodesBench) tell(ctx context.Context) {
	for told := int64(0); ; {
		changed := n.a.Changed()
		n.mu.Lock()
		on := n.redis
		n.mu.Unlock()
		if seq := n.a.Committed(); seq != told {
			if on {
				_ = n.told.Tell(ctx, seq)
			}
			told = seq
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

func (n *nodesBench) session(ctx context.Context) (registry.Session, registry.Hash, error) {
	made := registry.NewSession{User: registry.User{ID: n.user}, Address: "192.0.2.1", Methods: registry.MethodPassword}
	_, _ = rand.Read(made.Token[:])
	v, err := n.a.CreateSession(ctx, registry.AsSystem("bench"), made)
	return v, made.Token, err
}

// revoke ends sessions at one node, and returns how long after the commit the other acts on it.
func (n *nodesBench) revoke(ctx context.Context, calls, pause int) (d []time.Duration, err error) {
	for i := range calls {
		v, _, err := n.session(ctx)
		if err != nil {
			return nil, err
		}
		time.Sleep(time.Duration(20+i*53%pause) * time.Millisecond) // the session's own change has arrived
		if err := n.a.RevokeSession(ctx, registry.AsOperator(), v.ID); err != nil {
			return nil, err
		}
		committed := time.Now()
		for c := range n.seen {
			if c.SessionID == v.ID {
				break
			}
		}
		d = append(d, max(0, time.Since(committed)))
	}
	return d, nil
}

// lookUp compares how long a session takes from the store and, sealed, from Redis.
func (n *nodesBench) lookUp(ctx context.Context, c *redis.Client, key *identity.MasterKey, calls int) error {
	v, token, err := n.session(ctx)
	if err != nil {
		return err
	}
	_, u, err := n.a.SessionByToken(ctx, registry.AsSystem("bench"), token)
	if err != nil {
		return err
	}
	plain, err := json.Marshal([]any{v, u})
	if err != nil {
		return err
	}
	seal, of := key.Sealer("bench session"), []byte(v.ID)
	nonce := make([]byte, seal.NonceSize())
	if err := c.Set(ctx, "bench:session", seal.Seal(nonce, nonce, plain, of), 0).Err(); err != nil {
		return err
	}
	if _, err := n.a.CreateOrg(ctx, registry.AsOperator(), registry.NewOrg{Slug: "acme"}); err != nil {
		return err
	}
	for _, way := range []struct {
		what string
		call func() error
	}{
		{"route from the store", func() error {
			_, err := n.a.Route(ctx, registry.AsSystem("bench"), "acme")
			return err
		}},
		{"session from the store", func() error {
			_, _, err := n.a.SessionByToken(ctx, registry.AsSystem("bench"), token)
			return err
		}},
		{"session from Redis, opened", func() error {
			b, err := c.Get(ctx, "bench:session").Bytes()
			if err != nil {
				return err
			}
			b, err = seal.Open(nil, b[:len(nonce)], b[len(nonce):], of)
			return errors.Join(err, json.Unmarshal(b, &[]any{&v, &u}))
		}},
	} {
		if err := timed(way.what, calls, way.call); err != nil {
			return err
		}
	}
	return nil
}

// report measures what nodes tell each other of usage, 1,000 orgs each 5 s.
func (n *nodesBench) report(ctx context.Context, calls int) error {
	counts := map[registry.OrgID]registry.Usage{}
	for i := range 1000 {
		counts[registry.OrgID(fmt.Sprintf("01890000-0001-7000-8000-%012x", i))] = registry.Usage{Requests: 10}
	}
	b, err := json.Marshal(counts)
	if err != nil {
		return err
	}
	err = timed("usage of 1,000 orgs told, each 5 s", min(calls, 50), func() error {
		return n.a.ReportNode(ctx, registry.AsSystem("bench"), registry.NodeReport{Node: "a", Counts: b, State: []byte("{}")})
	})
	if err != nil {
		return err
	}
	var last time.Time
	return timed("usage heard, each 5 s", min(calls, 50), func() error {
		list, err := n.b.NodeReports(ctx, registry.AsSystem("bench"), "b", last)
		if len(list) > 1 {
			last = list[len(list)-2].At
		}
		return err
	})
}

func timed(what string, calls int, call func() error) error {
	if err := call(); err != nil { // the first one is not like the others
		return fmt.Errorf("%s: %w", what, err)
	}
	d := make([]time.Duration, calls)
	for i := range d {
		began := time.Now()
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		d[i] = time.Since(began)
	}
	printRow(what, d)
	return nil
}
