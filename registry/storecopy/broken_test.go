package storecopy_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/postgrestest"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/storecopy"
)

// fails expects a copy to fail, and to leave the target as it was.
func fails(t *testing.T, from, to storecopy.Location, k registry.SecretKey) error {
	t.Helper()
	_, err := storecopy.Copy(t.Context(), from, to, k)
	if err == nil {
		t.Fatal("it was copied")
	}
	stillEmpty(t, to)
	return err
}

func stillEmpty(t *testing.T, to storecopy.Location) {
	t.Helper()
	if f, is := to.(sqlite.File); is {
		left, err := filepath.Glob(string(f) + "*")
		if len(left) > 0 || err != nil {
			t.Errorf("it left %s: %v", left, err)
		}
		return
	}
	s, err := to.Target(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	err = s.Tx.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM meta) + (SELECT count(*) FROM users)
		+ (SELECT count(*) FROM audit) + (SELECT seq FROM feed_head)`).Scan(&n)
	if err := errors.Join(err, s.Close()); err != nil || n != 1 {
		t.Errorf("it left %d rows: %v", n, err)
	}
}

// targets are an empty database of each kind.
func targets(t *testing.T) []storecopy.Location {
	t.Helper()
	return []storecopy.Location{nowhere(t), at(t, postgrestest.Database(t))}
}

// TestBrokenOff: a row that the target refuses, when most are copied, undoes the copy.
func TestBrokenOff(t *testing.T) {
	for _, to := range targets(t) {
		from := installation(t)
		must(t, raw(t, from), `INSERT INTO support (id, org_id, user_id, role, reason, hours, state, created_at)
			VALUES ('x', 'none', 'none', 'admin', '', 1, 'waiting', 1)`)
		if err := fails(t, from, to, secret); !strings.Contains(strings.ToLower(err.Error()), "foreign key") {
			t.Errorf("%s: %v", to, err)
		}
		copied(t, installation(t), to)
	}
}

// interrupted is a location where a copy is interrupted as soon as it may commit. Its transaction may
// be over before it is to be committed, or not yet.
type interrupted struct {
	storecopy.Location
	cancel func()
	over   bool
}

func (i interrupted) Target(ctx context.Context) (*storecopy.Side, error) {
	s, err := i.Location.Target(ctx)
	if err != nil {
		return nil, err
	}
	commit := s.Commit
	s.Commit = func() error {
		i.cancel()
		for i.over {
			if _, err := s.Tx.ExecContext(context.WithoutCancel(ctx), `SELECT 1`); errors.Is(err, sql.ErrTxDone) {
				break
			}
		}
		return commit()
	}
	return s, nil
}

// TestInterrupted: the last moment is not too late.
func TestInterrupted(t *testing.T) {
	for _, over := range []bool{false, true} {
		for _, to := range targets(t) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := storecopy.Copy(ctx, installation(t), interrupted{to, cancel, over}, secret)
			if !errors.Is(err, context.Canceled) || errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%s: %v", to, err)
			}
			stillEmpty(t, to)
		}
	}
}

// TestLeftovers: what a copy that was killed left is no database, and is replaced.
func TestLeftovers(t *testing.T) {
	to := nowhere(t)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.WriteFile(string(to)+".partial"+suffix, []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copied(t, installation(t), to)
	i, err := os.Stat(string(to))
	if err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", i, err)
	}
}

// TestDifferences: a target that keeps something other than it was given is found out.
func TestDifferences(t *testing.T) {
	for _, c := range []struct{ table, trigger, want string }{
		{"orgs", `NEW.name = 'other'; RETURN NEW;`, `row 1: column "name" differs`},
		{"orgs", `NEW.version = NEW.version + 1; RETURN NEW;`, `row 1: column "version" differs`},
		{"slugs", `NEW.rests_until = 0; RETURN NEW;`, `row 1: column "rests_until" differs`},
		{"sessions", `NEW.token_hash = ''; RETURN NEW;`, `row 1: column "token_hash" differs`},
		{"feed", `IF NEW.seq = 3 THEN RETURN NULL; END IF; RETURN NEW;`, `row 3: column "seq" differs`},
		{"factors", `IF NEW.id <> '' THEN RETURN NULL; END IF; RETURN NEW;`, `the copy has not as many rows`},
	} {
		url := postgrestest.Database(t)
		db := plain(t, url)
		must(t, db, `CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+c.trigger+` END $$;
			CREATE TRIGGER other BEFORE INSERT ON `+c.table+` FOR EACH ROW EXECUTE FUNCTION other()`)
		_, err := storecopy.Copy(t.Context(), installation(t), at(t, url), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "table "+c.table+": "+c.want) {
			t.Errorf("%s: %s: %v", c.table, c.trigger, err)
		}
		if n := count(t, db, "users"); n != 0 {
			t.Errorf("%s: %d users", c.table, n)
		}
	}
}

// TestSecretKey: the audit log of a copy is verified under the secret key.
func TestSecretKey(t *testing.T) {
	raw32 := [32]byte{1}
	other, err := identity.ParseMasterKey(base64.StdEncoding.EncodeToString(raw32[:]))
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range targets(t) {
		if err := fails(t, installation(t), to, other); !errors.Is(err, registry.ErrSealed) {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, to := range targets(t) {
		from := installation(t)
		must(t, raw(t, from), `DROP TRIGGER audit_no_update; UPDATE audit SET actor = 'eve' WHERE seq = 1`)
		if err := fails(t, from, to, secret); registry.ErrorCode(err) != registry.CodeConflict {
			t.Errorf("%s: %v", to, err)
		}
	}
	r, err := storecopy.Copy(t.Context(), installation(t), nowhere(t), nil)
	if err != nil || r.Audit != nil {
		t.Errorf("without a key: %+v %v", r, err)
	}
}

// TestTexts: a text that PostgreSQL has no characters for is changed where it may be, and reported.
// Where it may not, nothing is copied. SQLite takes it as it is.
func TestTexts(t *testing.T) {
	const strange = "a\x00b\xff"
	from, url, same := installation(t), postgrestest.Database(t), nowhere(t)
	must(t, raw(t, from), `UPDATE sessions SET user_agent = CAST($1 AS TEXT)`, []byte(strange))
	r := copied(t, from, at(t, url))
	if len(r.Replaced) != 1 || r.Replaced[0] != (storecopy.Count{Name: "sessions.user_agent", N: 1}) {
		t.Errorf("%+v", r.Replaced)
	}
	var got string
	if err := plain(t, url).QueryRow(`SELECT user_agent FROM sessions`).Scan(&got); err != nil || got != "a\uFFFDb\uFFFD" {
		t.Errorf("%q %v", got, err)
	}
	if r := copied(t, from, same); len(r.Replaced) > 0 {
		t.Errorf("%+v", r.Replaced)
	}
	if err := raw(t, same).QueryRow(`SELECT user_agent FROM sessions`).Scan(&got); err != nil || got != strange {
		t.Errorf("%q %v", got, err)
	}
	for _, change := range []string{
		`UPDATE slugs SET slug = CAST($1 AS TEXT) WHERE slug = 'org-0'`,
		`INSERT INTO audit SELECT seq + 1000, at, actor_kind, CAST($1 AS TEXT), actor_id, address, action, org_id,
			target, detail, hash, format, subject_id, salts, erased, epoch, mac FROM audit WHERE seq = 1`,
	} {
		from := installation(t)
		must(t, raw(t, from), change, []byte(strange))
		if err := fails(t, from, at(t, postgrestest.Database(t)), nil); !strings.Contains(err.Error(), "must not change") {
			t.Errorf("%s: %v", change, err)
		}
	}
}

// TestYesOrNo: a number that is neither is not made into one.
func TestYesOrNo(t *testing.T) {
	from := installation(t)
	must(t, raw(t, from), `UPDATE orgs SET sso_required = 2 WHERE slug = 'org-5'`)
	if err := fails(t, from, at(t, postgrestest.Database(t)), secret); !strings.Contains(err.Error(), "neither yes nor no") {
		t.Error(err)
	}
}

// TestSequences: no column counts by itself, so none has to be set after a copy.
func TestSequences(t *testing.T) {
	var n int
	err := plain(t, postgrestest.Database(t)).QueryRow(
		`SELECT count(*) FROM pg_sequences WHERE sequencename NOT LIKE 'goose%'`).Scan(&n)
	if err != nil || n > 0 {
		t.Errorf("%d sequences: %v", n, err)
	}
}
