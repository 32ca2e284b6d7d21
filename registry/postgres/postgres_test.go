package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
	"github.com/pizzaface/pizzeria/registry/storetest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func at(t *testing.T, url string) postgres.Location {
	t.Helper()
	l, err := postgres.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func open(t *testing.T, url string, now func() time.Time) *postgres.Store {
	t.Helper()
	return openAt(t, at(t, url), now)
}

func openAt(t *testing.T, l postgres.Location, now func() time.Time) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), l, new(identity.MasterKey), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestConformance runs the conformance suite, and then judges each statement that ran.
func TestConformance(t *testing.T) {
	l := &listener{statements: map[string]bool{}}
	storetest.RunTests(t, func(t *testing.T, now func() time.Time) registry.Store {
		return openAt(t, at(t, postgrestest.Database(t)).Traced(l), now)
	})
	t.Run("EveryQueryHasItsIndex", func(t *testing.T) { everyQueryHasItsIndex(t, l.statements) })
}
