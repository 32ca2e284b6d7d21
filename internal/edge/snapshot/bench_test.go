package snapshot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/edge/snapshot"
	"github.com/pizzaface/pizzeria/registry"
)

const benchRoutes = 100_000

func benchRoute(i int) *registry.Route {
	return &registry.Route{
		OrgID: registry.OrgID(fmt.Sprintf("01890000-0004-7000-8000-%012x", i)), Slug: fmt.Sprintf("org-%06d", i),
		Name: fmt.Sprintf("Org number %d", i), Plan: "standard", Status: registry.RouteServing,
		Generation: 1, Address: fmt.Sprintf("unix//var/lib/pizzeria/orgs/%d/1.sock", i),
	}
}

func benchFile(b *testing.B) *snapshot.File {
	b.Helper()
	s := snapshot.Open(filepath.Join(b.TempDir(), "snapshot.db"))
	b.Cleanup(func() { _ = s.Close() })
	create(b, s)
	return s
}

func create(b *testing.B, s *snapshot.File) {
	b.Helper()
	if err := s.Create(b.Context(), registry.Snapshot{Seq: 1, Contact: noon}, func(yield func(*registry.Route) error) error {
		for i := range benchRoutes {
			if err := yield(benchRoute(i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCreate writes a file of 100,000 routes.
func BenchmarkCreate(b *testing.B) {
	path := filepath.Join(b.TempDir(), "snapshot.db")
	s := snapshot.Open(path)
	b.Cleanup(func() { _ = s.Close() })
	for b.Loop() {
		create(b, s)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/benchRoutes, "disk-B/route")
}

// BenchmarkRoute looks one up, among 100,000.
func BenchmarkRoute(b *testing.B) {
	s := benchFile(b)
	i := 0
	for b.Loop() {
		i = (i + 7919) % benchRoutes
		if _, err := s.Route(b.Context(), fmt.Sprintf("org-%06d", i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate writes one changed route, to the disk.
func BenchmarkUpdate(b *testing.B) {
	s := benchFile(b)
	i := 0
	for b.Loop() {
		i++
		r := benchRoute(i * 7919 % benchRoutes)
		if err := s.Update(b.Context(), registry.Snapshot{Seq: int64(i), Contact: noon},
			map[string]*registry.Route{r.Slug: r}, noon.Add(-time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a file of 100,000 routes, and reads what is beside them.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "snapshot.db")
	s := snapshot.Open(path)
	create(b, s)
	_ = s.Close()
	for b.Loop() {
		s := snapshot.Open(path)
		if _, err := s.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
		_ = s.Close()
	}
}
