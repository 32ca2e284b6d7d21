package postgres_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/postgres"
)

// TestDumpAndRestore: what pg_dump makes of a database that is in use is a backup of all of it. Where
// it is restored, the installation is the same, sessions count, the audit log holds and cannot be
// changed, and the feed continues where it was.
func TestDumpAndRestore(t *testing.T) {
	url := postgrestest.Database(t)
	s := open(t, url, time.Now)
	token := registry.Hash{1}
	u, err := s.CreateUser(t.Context(), operator, registry.NewUser{Email: "a@example.com", Name: "A", PasswordHash: "h"})
	if err == nil {
		_, err = s.CreateSession(t.Context(), system, registry.NewSession{Token: token, User: u})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme", Owner: u.ID}); err != nil {
		t.Fatal(err)
	}
	id, err := s.Installation(t.Context(), system)
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(t.Context(), system)
	if err != nil {
		t.Fatal(err)
	}
	dump := postgrestest.Dump(t, url)
	if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "later"}); err != nil {
		t.Fatal(err)
	}

	other := postgrestest.Blank(t)
	postgrestest.Restore(t, other, dump)
	r := open(t, other, time.Now)
	if got, err := r.Installation(t.Context(), system); got != id || err != nil {
		t.Errorf("installation %s, want %s: %v", got, id, err)
	}
	if got, err := r.Head(t.Context(), system); got != head || err != nil {
		t.Errorf("feed at %d, want %d: %v", got, head, err)
	}
	if _, who, err := r.SessionByToken(t.Context(), system, token); err != nil || who.ID != u.ID {
		t.Errorf("session of %s: %v", who.ID, err)
	}
	if _, err := r.OrgBySlug(t.Context(), operator, "later"); registry.ErrorCode(err) != registry.CodeNotFound {
		t.Errorf("an org of after the dump: %v", err)
	}
	if _, err := r.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "again"}); err != nil {
		t.Error(err)
	}
	if _, err := r.VerifyAudit(t.Context(), operator, nil); err != nil {
		t.Error(err)
	}
	if _, err := plain(t, other).Exec(`DELETE FROM audit`); err == nil {
		t.Error("an entry was deleted")
	}
}

// TestReseal: under another secret key everything that is sealed opens, and under the old one nothing.
func TestReseal(t *testing.T) {
	url := postgrestest.Database(t)
	s := open(t, url, time.Now)
	if _, err := s.CreateOrg(t.Context(), operator, registry.NewOrg{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	next := masterKey(t, 1)
	if n, err := s.Reseal(t.Context(), operator, next); err != nil || n == 0 {
		t.Fatalf("%d values: %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, url, masterKey(t, 0)); !errors.Is(err, registry.ErrSealed) {
		t.Errorf("the old key: %v", err)
	}
	if err := connect(t, url, next); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func masterKey(t *testing.T, first byte) *identity.MasterKey {
	t.Helper()
	raw := [32]byte{first}
	key, err := identity.ParseMasterKey(base64.StdEncoding.EncodeToString(raw[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func connect(t *testing.T, url string, key *identity.MasterKey) error {
	t.Helper()
	s, err := postgres.Open(t.Context(), at(t, url), key, time.Now)
	if err != nil {
		return err
	}
	_, err = s.VerifyAudit(t.Context(), operator, nil)
	return errors.Join(err, s.Close())
}

// TestBackup: it names the tool, to those who may make one.
func TestBackup(t *testing.T) {
	s := open(t, postgrestest.Database(t), time.Now)
	u, err := s.CreateUser(t.Context(), operator, registry.NewUser{Email: "a@example.com", Name: "A", PasswordHash: "h"})
	if err != nil {
		t.Fatal(err)
	}
	for code, a := range map[registry.Code]registry.Actor{
		registry.CodeForbidden: registry.AsUser(u, "", ""), registry.CodeConflict: operator,
	} {
		if _, err := s.Backup(t.Context(), a, "none"); registry.ErrorCode(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
}
