package sqlstore_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// TestEverySealedColumnIsResealed: a BLOB of the schema is a hash, or is sealed and in the list, or goes.
func TestEverySealedColumnIsResealed(t *testing.T) {
	s, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "t.db"), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	rows, err := s.Reader().Query(`SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BLOB'`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	plain := []string{ // hashes, and what Reseal deletes
		"sessions.token_hash", "codes.hash", "links.hash", "api_keys.hash", "runners.hash", "runner_claims.hash", "idempotency.request", "idempotency.answer", "drafts.sealed",
		"clients.secret", "refresh_tokens.hash", "device_codes.hash", "recovery_codes.hash",
	}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		if sqlstore.IsSealed(table, column) == slices.Contains(plain, table+"."+column) {
			t.Errorf("%s.%s: say whether it is sealed", table, column)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestReseal changes all, or nothing.
func TestReseal(t *testing.T) {
	ctx, operator := context.Background(), registry.AsOperator()
	path := filepath.Join(t.TempDir(), "t.db")
	old, next := new(identity.MasterKey), otherKey(t)
	s, err := sqlite.Open(ctx, path, old, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	system := registry.AsSystem("test")
	for _, m := range []registry.Mail{
		{ID: "1", Sealed: old.Sealer("mail").Seal(nil, nil, []byte("first"), []byte("1"))},
		{ID: "2", Sealed: []byte("sealed under no key")},
	} {
		m.To = "a@example.com"
		if err := s.QueueMail(ctx, system, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Reseal(ctx, operator, next); !errors.Is(err, registry.ErrSealed) {
		t.Errorf("it continued after an error: %v", err)
	}
	if _, err := s.VerifyAudit(ctx, operator, nil); err != nil {
		t.Errorf("after nothing was changed: %v", err)
	}
	second := old.Sealer("mail").Seal(nil, nil, []byte("second"), []byte("2"))
	if _, err := s.Writer().Exec(`UPDATE mails SET sealed = $1 WHERE id = '2'`, second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reseal(ctx, system, next); registry.ErrorCode(err) != registry.CodeForbidden {
		t.Error(err)
	}
	n, err := s.Reseal(ctx, operator, next)
	if err != nil || n != 4 { // two mails, and two keys of the audit log
		t.Fatal(n, err)
	}
	var broken int
	err = s.Writer().QueryRow(`SELECT count(*) FROM audit WHERE action = 'audit.broken'`).Scan(&broken)
	if err != nil || broken != 0 {
		t.Errorf("it found a broken audit log: %d %v", broken, err)
	}
	list, err := s.ClaimMails(ctx, system, 10)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for i, want := range []string{"first", "second"} {
		b, err := next.Sealer("mail").Open(nil, nil, list[i].Sealed, []byte(list[i].ID))
		if err != nil || string(b) != want {
			t.Errorf("%q, want %q: %v", b, want, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(ctx, path, old, time.Now); !errors.Is(err, registry.ErrSealed) {
		t.Errorf("the old key opens it: %v", err)
	}
}

// otherKey is not the zero key of the other tests.
func otherKey(t *testing.T) registry.SecretKey {
	t.Helper()
	k, err := identity.ParseMasterKey(strings.Repeat("B", 42) + "A")
	if err != nil {
		t.Fatal(err)
	}
	return k
}
