package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

func openNode(t *testing.T, url, name string, now func() time.Time) *postgres.Store {
	t.Helper()
	return openAt(t, at(t, url).Node(name), now)
}

// refused tries to open a database that is in use, and returns why that failed.
func refused(t *testing.T, l postgres.Location) error {
	t.Helper()
	s, err := postgres.Open(t.Context(), l, new(identity.MasterKey), time.Now)
	if err == nil {
		t.Errorf("it opens: %v", s.Close())
	} else if !errors.Is(err, registry.ErrInUse) {
		t.Error(err)
	}
	return err
}

func create(t *testing.T, s *postgres.Store, slug string) registry.Org {
	t.Helper()
	o, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: slug})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestNodes: nodes that start at once on an empty database all use it, and see what the others change.
func TestNodes(t *testing.T) {
	t.Parallel()
	url := postgrestest.Blank(t)
	nodes := make([]*postgres.Store, 3)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			l := at(t, url).Node(fmt.Sprint("n", i))
			s, err := postgres.Open(t.Context(), l, new(identity.MasterKey), time.Now)
			if err != nil {
				t.Error(err)
			}
			nodes[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for i, s := range nodes {
		t.Cleanup(func() { _ = s.Close() })
		o := create(t, s, fmt.Sprint("org-", i))
		for _, other := range nodes {
			if got, err := other.WorkOn(t.Context(), system, o.ID); err != nil || got.Slug != o.Slug {
				t.Errorf("%+v %v", got, err)
			}
		}
	}
}

// TestNodesAndOthers: a control plane that is alone keeps nodes out, and they keep it out. Two nodes
// of one name do not run at once.
func TestNodesAndOthers(t *testing.T) {
	t.Parallel()
	alone, shared := postgrestest.Database(t), postgrestest.Database(t)
	open(t, alone, time.Now)
	a, b := openNode(t, shared, "a", time.Now), openNode(t, shared, "b", time.Now)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = refused(t, at(t, alone).Node("a")) })
	wg.Go(func() { _ = refused(t, at(t, shared)) })
	wg.Go(func() {
		if err := refused(t, at(t, shared).Node("a")); !strings.Contains(err.Error(), "a node a already: pizzeria, process") {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if _, err := at(t, shared).Source(t.Context()); !errors.Is(err, registry.ErrInUse) {
			t.Errorf("it is copied: %v", err)
		}
	})
	wg.Wait()
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	openNode(t, shared, "a", time.Now)
}

// TestNodeThatWasReplaced: a node whose locks were lost changes nothing while a control plane that is
// alone has the database, nor afterwards in the name of before.
func TestNodeThatWasReplaced(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	a, b, admin := openNode(t, url, "a", time.Now), openNode(t, url, "b", time.Now), plain(t, url)
	create(t, a, "acme")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	stuck, err := admin.Begin() // as a node that stood still in the middle of a change
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stuck.Rollback() }()
	var epoch string
	if err := stuck.QueryRow(`SELECT claim FROM feed_head`).Scan(&epoch); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	alone := open(t, url, time.Now)
	create(t, alone, "globex")
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	next := openNode(t, url, "a", time.Now)
	create(t, next, "initech")
	if _, err := stuck.Exec(`SELECT set_config('pizzeria.claim', $1, false)`, epoch); err != nil {
		t.Fatal(err)
	}
	r, err := stuck.Exec(postgres.Translate(postgres.LockFeed))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); n != 0 || err != nil {
		t.Errorf("it may record: %d %v", n, err)
	}
	_ = stuck.Rollback()
	if _, err := admin.Exec(`UPDATE feed_head SET claim = 'another'`); err != nil {
		t.Fatal(err)
	}
	_, err = next.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "umbrella"})
	if err == nil || !strings.Contains(err.Error(), "another control plane has taken over") {
		t.Errorf("it recorded: %v", err)
	}
}

// TestNodesReturn: nodes that all lose their sessions, as when the server restarts, all return.
func TestNodesReturn(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	a, b, admin := openNode(t, url, "a", time.Now), openNode(t, url, "b", time.Now), plain(t, url)
	for i := range 3 {
		endClaim(t, admin)
		for name, s := range map[string]*postgres.Store{"a": a, "b": b} {
			eventually(t, name+" is back", func() bool {
				_, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: fmt.Sprint(name, "-", i)})
				return err == nil
			})
		}
	}
}

// TestClocks: nodes whose machines' clocks differ by minutes agree on the time, so that a lease holds
// for all of them.
func TestClocks(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	skewed := func(by time.Duration) func() time.Time {
		return func() time.Time { return time.Now().Add(by) }
	}
	right := openNode(t, url, "right", time.Now)
	o := create(t, right, "acme")
	for name, by := range map[string]time.Duration{"early": 5 * time.Minute, "late": -5 * time.Minute} {
		s := openNode(t, url, name, skewed(by))
		if off := time.Since(s.Now()).Abs(); off > 30*time.Second {
			t.Errorf("%s is off by %s", name, off)
		}
		l, err := right.Acquire(t.Context(), system, o.ID, 2*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Acquire(t.Context(), system, o.ID, time.Minute); registry.ErrorCode(err) != registry.CodeConflict {
			t.Errorf("%s has the lease as well: %v", name, err)
		}
		if err := right.Release(t.Context(), system, l); err != nil {
			t.Fatal(err)
		}
		if l, err = s.Acquire(t.Context(), system, o.ID, 2*time.Minute); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := right.Acquire(t.Context(), system, o.ID, time.Minute); registry.ErrorCode(err) != registry.CodeConflict {
			t.Errorf("another has the lease of %s as well: %v", name, err)
		}
		if err := s.Release(t.Context(), system, l); err != nil {
			t.Fatal(err)
		}
	}
	if ahead := right.Ahead(); ahead.Abs() > 30*time.Second {
		t.Errorf("the right one is corrected by %s", ahead)
	}
}
