package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// TestAuditRetention: old entries go by rule and nothing else does; what is left holds together, and says where it begins.
func TestAuditRetention(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := sqlite.Open(ctx, path, new(identity.MasterKey), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	system := registry.AsSystem("test")
	for i := range sqlstore.PruneBatch + 10 {
		if i == sqlstore.PruneBatch+5 {
			now = now.Add(24 * time.Hour)
		}
		if err := s.Record(ctx, registry.AsOperator(), 1, registry.Change{Kind: registry.ChangeOrgUpdated}, fmt.Sprint(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PruneAudit(ctx, registry.AsOperator(), now); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Fatal(err)
	}
	first := func() registry.AuditEntry {
		t.Helper()
		list, err := s.AuditAfter(ctx, registry.AsOperator(), "", registry.AuditList{}, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	prune := func(before time.Time, wantMore bool, want int64) {
		t.Helper()
		more, err := s.PruneAudit(ctx, system, before)
		if err != nil || more != wantMore {
			t.Fatal(more, err)
		}
		if got := first().Seq; got != want {
			t.Errorf("it begins with %d, want %d", got, want)
		}
		if _, err := s.VerifyAudit(ctx, registry.AsOperator(), nil); err != nil {
			t.Fatal(err)
		}
	}
	prune(now.Add(-48*time.Hour), false, 1)
	prune(now, true, sqlstore.PruneBatch+1)
	prune(now, false, sqlstore.PruneBatch+6)
	prune(now, false, sqlstore.PruneBatch+6)
	prune(now.Add(48*time.Hour), false, sqlstore.PruneBatch+6) // the newest stays

	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range []string{`DELETE FROM audit`, `UPDATE audit_start SET seq = 1`} {
		if _, err := db.Exec(q); err == nil {
			t.Errorf("%s was possible", q)
		}
	}
	// Who cuts more off has to say so in the chain, and cannot.
	if _, err := db.Exec(`UPDATE audit_start SET seq = seq + 2, hash = (SELECT hash FROM audit WHERE seq = audit_start.seq + 1); DELETE FROM audit WHERE seq < (SELECT seq FROM audit_start)`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyAudit(ctx, registry.AsOperator(), nil); registry.ErrorCode(err) != registry.CodeConflict {
		t.Errorf("the cut was not found: %v", err)
	}
}
