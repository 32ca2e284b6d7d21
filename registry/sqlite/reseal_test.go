package sqlite

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestEverySealedColumnIsResealed: a BLOB of the schema is a hash, or is sealed and in the list, or goes.
func TestEverySealedColumnIsResealed(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "t.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	rows, err := s.read.Query(`SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'BLOB'`)
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
		in := slices.ContainsFunc(sealedColumns, func(c struct{ table, column, purpose, name string }) bool {
			return c.table == table && c.column == column
		})
		if in == slices.Contains(plain, table+"."+column) {
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
	s, err := Open(ctx, filepath.Join(t.TempDir(), "t.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	system := registry.AsSystem("test")
	for _, id := range []string{"1", "2"} {
		if err := s.QueueMail(ctx, system, registry.Mail{ID: id, To: "a@example.com", Sealed: []byte("old " + id)}, ""); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	half := func(purpose, name string, sealed []byte) ([]byte, error) {
		if seen++; seen == 2 {
			return nil, context.Canceled
		}
		return []byte("new"), nil
	}
	if _, err := s.Reseal(ctx, operator, half); err == nil {
		t.Error("it went on after an error")
	}
	n, err := s.Reseal(ctx, operator, func(purpose, name string, sealed []byte) ([]byte, error) {
		if purpose != "mail" || string(sealed) != "old "+name {
			t.Errorf("%s %s %s", purpose, name, sealed)
		}
		return bytes.Replace(sealed, []byte("old"), []byte("new"), 1), nil
	})
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	list, err := s.DueMails(ctx, system, 10)
	if err != nil || len(list) != 2 || string(list[0].Sealed) != "new "+list[0].ID {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := s.Reseal(ctx, system, half); registry.ErrorCode(err) != registry.Forbidden {
		t.Error(err)
	}
}
