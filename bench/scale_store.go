package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/heartbeat"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

const (
	heartbeatTime = 12 * time.Second // more than one of each instance
	storeTime     = 5 * time.Second
)

// openStore is a store in this process.
type openStore interface {
	registry.Store
	Close() error
}

// open opens the store in this process, once the server has ended.
func (b *scaleBench) open() (openStore, error) {
	if err := b.halt(); err != nil {
		return nil, err
	}
	data := filepath.Join(b.dir, "ours/data")
	key, err := identity.LoadMasterKey(filepath.Join(data, "secret.key"))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if b.postgres == nil {
		return sqlite.Open(ctx, filepath.Join(data, "pizzeria.db"), key, time.Now)
	}
	at, err := postgres.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, at, key, time.Now)
}

// heartbeats is how much of one core it takes to write heartbeats of n instances, one each 10 s.
func (b *scaleBench) heartbeats(n int) (share float64, err error) {
	if err := b.halt(); err != nil {
		return 0, err
	}
	db, err := b.db()
	if err != nil {
		return 0, err
	}
	_, err = db.Exec(`UPDATE instances SET desired = 'running', state = 'running'`) // others' do not count
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, err
	}
	store, err := b.open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	r := heartbeat.NewRecorder(store, slog.New(slog.DiscardHandler), time.Now)
	ctx, cancel := context.WithTimeout(context.Background(), heartbeatTime)
	defer cancel()
	used := func() time.Duration {
		sum := cpuTime(os.Getpid())
		if b.postgres != nil {
			sum += b.postgres.cpu()
		}
		return sum
	}
	began, before := time.Now(), used()
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; {
		for due := int(time.Since(began) * time.Duration(n) / registry.HeartbeatEvery); i < due; i++ {
			sessions := 3
			r.Add(registry.Heartbeat{
				OrgID: registry.OrgID(fmt.Sprintf("01890000-0001-7000-8000-%012x", i%n)), Generation: 1,
				At: time.Now(), StartedAt: began, Agent: "v1.2.3", Version: "4.5.6", Health: registry.HealthOK,
				Sessions: &sessions, Sockets: 2, CPU: 12.5, Memory: 123_456_789, Disk: 987_654_321,
			})
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	wg.Wait()
	return (used() - before).Seconds() / time.Since(began).Seconds(), nil
}

// storeCost prints what signing in and changing the org cost with PostgreSQL a round trip away.
func storeCost() error {
	f := flag.NewFlagSet("store", flag.ExitOnError)
	away := f.Duration("round-trip", time.Millisecond, "time from the server to PostgreSQL and back")
	calls := f.Int("calls", 100, "calls of each operation")
	orgs := f.Int("orgs", 1000, "orgs in the database")
	built := f.String("program", "", "a server that is built already")
	_ = f.Parse(os.Args[2:]) // it exits
	binary, remove, err := program(*built)
	if err != nil {
		return err
	}
	defer remove()
	b, err := startScale(binary, "postgres", *orgs, *away)
	if err != nil {
		return err
	}
	defer b.stop()
	b.calls = *calls
	began, before := time.Now(), cpuTime(os.Getpid())
	for range 20 {
		argon2.IDKey([]byte(password), make([]byte, 16), 2, 19<<10, 1, 32) // as the server's
	}
	hash := (cpuTime(os.Getpid()) - before) / 20
	hashTook := time.Since(began) / 20
	signIn, err := b.cost(b.signInOf)
	if err != nil {
		return err
	}
	change, err := b.cost(b.switchTo)
	if err != nil {
		return err
	}
	fmt.Println("| in ms | CPU | p50 | p99 | a second |\n| --- | ---: | ---: | ---: | ---: |")
	fmt.Printf("| sign-in | %s | %s | %s | |\n", short(signIn.cpu), short(signIn.p50), short(signIn.p99))
	fmt.Printf("| of it, the password's hash | %s | %s | | |\n", short(hash), short(hashTook))
	fmt.Printf("| sign-in without it | %s | %s | | |\n", short(signIn.cpu-hash), short(signIn.p50-hashTook))
	fmt.Printf("| change of the org | %s | %s | %s | |\n", short(change.cpu), short(change.p50), short(change.p99))
	for _, o := range []struct {
		what string
		n    int // at once
		call func(i int) error
	}{{"sign-ins, 8 at once", 8, func(i int) error { return b.signInOf(*calls + 1 + i) }}, {"changes of the org, 32 at once", 32, b.switchTo}} {
		rate, used, err := b.together(o.n, *calls, o.call)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | | | %.0f |\n", o.what, short(used), rate)
	}
	return b.storeAlone()
}

// together makes calls from n at once, and returns their rate and what one takes of the cores.
func (b *scaleBench) together(n, calls int, call func(i int) error) (float64, time.Duration, error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	began, before := time.Now(), b.used()
	for worker := range n {
		wg.Go(func() {
			for i := int(next.Add(1)); i < calls && errs[worker] == nil; i = int(next.Add(1)) {
				errs[worker] = call(i)
			}
		})
	}
	wg.Wait()
	used := (b.used() - before) / time.Duration(calls)
	return float64(calls) / time.Since(began).Seconds(), used, errors.Join(errs...)
}

// storeAlone prints how many sessions a second the store makes and finds, 64 at once, without a server.
func (b *scaleBench) storeAlone() (err error) {
	store, err := b.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx, system := context.Background(), registry.AsSystem("bench")
	user, err := store.UserByEmail(ctx, system, "user-0@example.com")
	if err != nil {
		return err
	}
	for _, o := range []struct {
		what string
		call func() error
	}{
		{"the store alone: sessions made, 64 at once", func() error {
			n := registry.NewSession{User: user, Address: "192.0.2.1", Methods: registry.MethodPassword}
			_, _ = rand.Read(n.Token[:])
			_, err := store.CreateSession(ctx, system, n)
			return err
		}},
		{"the store alone: people found, 64 at once", func() error {
			_, err := store.UserByEmail(ctx, system, "user-1@example.com")
			return err
		}},
	} {
		rate, err := rateOf(64, storeTime, o.call)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | | | | %.0f |\n", o.what, rate)
	}
	return b.roundTrip()
}

// rateOf is how many calls a second come to an end, of n at once.
func rateOf(n int, d time.Duration, call func() error) (float64, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, n)
	began := time.Now()
	for i := range n {
		wg.Go(func() {
			for time.Since(began) < d && errs[i] == nil {
				errs[i] = call()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// roundTrip prints how long the emptiest statement takes: what the delay really is.
func (b *scaleBench) roundTrip() error {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`SELECT 1`); err != nil {
		return err
	}
	began := time.Now()
	for range 100 {
		if _, err := db.Exec(`SELECT 1`); err != nil {
			return err
		}
	}
	fmt.Printf("| the emptiest statement | | %s | | |\n", short(time.Since(began)/100))
	return nil
}
