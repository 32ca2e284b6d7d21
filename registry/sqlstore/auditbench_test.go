package sqlstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// BenchmarkAuditAppend is one change with its entry, to the disk.
func BenchmarkAuditAppend(b *testing.B) {
	s, err := sqlite.Open(
		b.Context(),
		filepath.Join(b.TempDir(), "t.db"),
		new(identity.MasterKey),
		time.Now,
	)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for b.Loop() {
		if err := s.Record(b.Context(), registry.AsOperator(), 1,
			registry.Change{Kind: registry.ChangeOrgUpdated}, "acme", "a change"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuditAppends is the same, with 1000 changes in each transaction: without the disk.
func BenchmarkAuditAppends(b *testing.B) {
	s, err := sqlite.Open(
		b.Context(),
		filepath.Join(b.TempDir(), "t.db"),
		new(identity.MasterKey),
		time.Now,
	)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const each = 1000
	for n := 0; n < b.N; n += each {
		if err := s.Record(b.Context(), registry.AsOperator(), min(each, b.N-n),
			registry.Change{Kind: registry.ChangeOrgUpdated}, "acme", "a change"); err != nil {
			b.Fatal(err)
		}
	}
}
