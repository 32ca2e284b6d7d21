package sqlstore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestVersionsOfOldDatabases: what an older database remembers as doubtful stays so: tokens of
// before have no version, and compare as lower. A provider's odd times are moved.
func TestVersionsOfOldDatabases(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("../sqlite/migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 21); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO users (id, email, name, password_hash, platform_admin, created_at) VALUES ('u', 'u@example.com', 'U', '', 0, 1)`,
		`INSERT INTO feed (seq, at, kind, org_id, user_id) VALUES (1, 1, 'member.removed', 'o', 'u'), (2, 2, 'member.changed', 'o', 'v'), (3, 3, 'member.removed', 'o', 'v'),
			(4, 4, 'org.sign_in', 'o', ''), (5, 5, 'member.added', 'o', 'w')`,
		`INSERT INTO sessions (id, token_hash, user_id, auth_time, created_at, last_seen_at, expires_at, address, user_agent)
			VALUES ('early', x'01', 'u', -9000000000000000000, 1000, 1, 2, '', ''), ('late', x'02', 'u', 9000000000000000000, 1000, 1, 2, '', ''), ('good', x'03', 'u', 999, 1000, 1, 2, '', '')`,
		`UPDATE feed_head SET seq = 5`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(ctx, path, new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	changes, err := s.Changes(ctx, registry.AsSystem("test"), 0, 10)
	if err != nil || len(changes) != 5 {
		t.Fatalf("%+v %v", changes, err)
	}
	for _, c := range changes {
		if (c.Version == 1) != c.Matters() {
			t.Errorf("%+v", c)
		}
	}
	// The next change of the same is later.
	err = s.Record(ctx, registry.AsOperator(), 1, registry.Change{Kind: registry.ChangeMemberChanged, OrgID: "o", UserID: "v"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if changes, err = s.Changes(ctx, registry.AsSystem("test"), 5, 10); err != nil || changes[0].Version != 2 {
		t.Errorf("%+v %v", changes, err)
	}
	for id, want := range map[string]int64{"early": 1000 - 604800000000, "late": 1000 - 604800000000, "good": 999} {
		var at int64
		if err := s.Reader().QueryRow(`SELECT auth_time FROM sessions WHERE id = $1`, id).Scan(&at); err != nil || at != want {
			t.Errorf("%s: %d %v", id, at, err)
		}
	}
}
