package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/registry"
)

// TestMigrationKnowsWhoMade: a database of before says of its accounts which org's invitation made
// them, and of its keys who created them.
func TestMigrationKnowsWhoMade(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 18); err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`
		INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at)
			VALUES ('o', 'acme', 'Acme', 'standard', 'active', 1, 1);
		INSERT INTO instances (org_id, generation, desired, state, changed_at)
			VALUES ('o', 1, 'running', 'running', 1);
		INSERT INTO users (id, email, name, password_hash, created_at) VALUES
			('invited', 'invited@example.com', 'I', 'h', 5), ('older', 'older@example.com', 'O', 'h', 4);
		INSERT INTO memberships (org_id, user_id, role, created_at)
			VALUES ('o', 'invited', 'admin', 5), ('o', 'older', 'admin', 5);
		INSERT INTO api_keys (id, hash, kind, name, org_id, role, scopes, created_by, created_at, expires_at)
			VALUES ('k', x'01', 'service', 'k', 'o', 'admin', 'org:read', 'older@example.com', 1,
				4102444800000000)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, time.Now)
	for id, want := range map[registry.UserID]registry.OrgID{"invited": "o", "older": ""} {
		u, err := s.User(ctx, registry.AsOperator(), id)
		if err != nil || u.MadeByOrg != want || !u.RecoveredAt.IsZero() {
			t.Errorf("%+v %v", u, err)
		}
		m, err := s.Member(ctx, registry.AsOperator(), "o", id)
		if err != nil || m.Role != registry.RoleAdmin || m.WantedRole != "" {
			t.Errorf("%+v %v", m, err) // roles that there are stay
		}
	}
	items, err := s.RecoveryItems(ctx, registry.AsUser(registry.User{ID: "older"}, "", ""))
	if err != nil || len(items) != 1 || items[0].ID != "k" {
		t.Errorf("%+v %v", items, err)
	}
}
