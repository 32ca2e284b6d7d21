package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// keptOfDeleted are the tables that keep rows of a deleted org, and why.
var keptOfDeleted = map[string]string{
	"audit": "the log", "feed": "the log", "instances": "its last state",
	"slugs": "nobody else gets its name before the quarantine ends",
}

// TestDeletedOrgLeavesNothing: in no table but those.
func TestDeletedOrgLeavesNothing(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "test.db"), context.Background()
	s := open(t, path, time.Now)
	operator, system := registry.AsOperator(), registry.AsSystem("test")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	u, err := s.CreateUser(ctx, operator, registry.NewUser{
		Email: "a@example.com", Name: "A", PasswordHash: "hash",
	})
	ok(err)
	o, err := s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme", Owner: u.ID})
	ok(err)
	ok(s.RevokeSessions(ctx, operator, u.ID, ""))
	ok(s.RequireSecondStep(ctx, operator, o.ID, "", true))
	l, err := s.Acquire(ctx, system, o.ID, time.Hour)
	ok(err)
	ok(s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning}))
	ok(s.SaveHeartbeats(ctx, system, []registry.Heartbeat{{OrgID: o.ID, Generation: 1}}))

	db, err := sql.Open("sqlite", path)
	ok(err)
	defer func() { _ = db.Close() }()
	holding := func() map[string]bool {
		t.Helper()
		rows, err := db.Query(`SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c
			WHERE m.type = 'table' AND c.name = 'org_id'`)
		ok(err)
		defer func() { _ = rows.Close() }()
		var tables []string
		for rows.Next() {
			var name string
			ok(rows.Scan(&name))
			tables = append(tables, name)
		}
		ok(rows.Err())
		out := map[string]bool{}
		for _, name := range tables {
			var n int
			ok(db.QueryRow(`SELECT count(*) FROM `+name+` WHERE org_id = ?`, o.ID).Scan(&n))
			out[name] = n > 0
		}
		return out
	}
	if before := holding(); !before["heartbeats"] || !before["revocations"] || !before["memberships"] {
		t.Fatalf("%v", before)
	}
	ok(s.DeleteOrg(ctx, operator, o.ID, 0, registry.OrgDeletion{Confirm: "acme", Now: true}))
	ok(s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	for name, has := range holding() {
		if has && keptOfDeleted[name] == "" {
			t.Errorf("%s keeps rows of a deleted org", name)
		}
	}
}
