package sqlstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlstore"
)

// oldAuditSchema is the last one whose audit log has no keys.
const oldAuditSchema = 20

// oldAudit makes a database of that schema with n entries, as that version of the program wrote
// them, the first of which was pruned.
func oldAudit(t *testing.T, n int) (path string, heads []registry.AuditHead) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "old.db")
	db, err := database(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("../sqlite/migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), oldAuditSchema); err != nil {
		t.Fatal(err)
	}
	// The fields that entries had, in their order.
	type entry struct {
		Seq       int64     `json:"seq"`
		At        time.Time `json:"at"`
		ActorKind string    `json:"actor_kind"`
		Actor     string    `json:"actor"`
		ActorID   string    `json:"actor_id,omitempty"`
		Address   string    `json:"address,omitempty"`
		Action    string    `json:"action"`
		OrgID     string    `json:"org_id,omitempty"`
		Target    string    `json:"target,omitempty"`
		Detail    string    `json:"detail,omitempty"`
		Hash      string    `json:"hash"`
	}
	prev := ""
	for i := range n {
		e := entry{
			Seq: int64(
				i + 1,
			), At: time.Date(2030, 1, 1, 0, 0, i, 1000, time.UTC), ActorKind: "user",
			Actor: "ada@example.com", ActorID: "ada", Address: "192.0.2.7", Action: "member.added",
			OrgID: "acme", Target: fmt.Sprintf("<%d>@example.com", i), Detail: "owner", Hash: prev,
		}
		if i == 1 {
			e.Action, e.Target, e.Detail = "audit.pruned", "audit log", sqlstore.PrunedDetail(2, prev)
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		prev = hex.EncodeToString(sum[:])
		heads = append(heads, registry.AuditHead{Seq: e.Seq, Hash: prev})
		if _, err := db.Exec(`INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action,
			org_id, target, detail, hash) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`, e.Seq,
			e.At.UnixMicro(), e.ActorKind, e.Actor, e.ActorID, e.Address, e.Action, e.OrgID, e.Target,
			e.Detail, prev); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{
		`UPDATE audit_start SET seq = 2, hash = '` + heads[0].Hash + `'`, `DELETE FROM audit WHERE seq = 1`,
		`INSERT INTO users (id, email, name, password_hash, created_at) VALUES ('ada', 'ada@example.com', 'Ada', '', 0)`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	return path, heads
}

// TestAuditOfAnEarlierVersion: its entries keep their hashes, get MACs once, can be erased, and nobody
// changes them any more.
func TestAuditOfAnEarlierVersion(t *testing.T) {
	path, heads := oldAudit(t, 2500) // more than a batch
	w := &auditWorld{T: t, path: path, key: new(identity.MasterKey), now: time.Now()}
	w.open()
	w.write(1)
	r, err := w.verify(heads...)
	if err != nil || r.First != 2 || r.Head.Seq != 2502 || r.Compared != len(heads) {
		t.Fatalf("%+v %v", r, err)
	}
	if e := w.entry(2501); e.Action != registry.ChangeAuditKeyed ||
		e.Detail != "2499 entries of an earlier version" {
		t.Errorf("%+v", e)
	}
	w.reopen() // does not do it again
	if again, err := w.verify(heads...); err != nil || again.Head != r.Head {
		t.Fatalf("%+v %v", again, err)
	}
	if _, err := w.s.EraseAudit(t.Context(), registry.AsSystem("test"), "ada"); err != nil {
		t.Fatal(err)
	}
	if e := w.entry(7); e.Actor != "" || e.Address != "" || e.Target != "<6>@example.com" ||
		e.Erased["actor"] == "" || e.Hash != heads[6].Hash {
		t.Errorf("%+v", e)
	}
	if r, err := w.verify(heads...); err != nil || r.Erased != 2499 {
		t.Fatalf("%+v %v", r, err)
	}
	// Nobody can compute the hash of an old entry that was erased. The MAC shows the change.
	w.sql(`UPDATE audit SET action = 'org.deleted' WHERE seq = 7`)
	if _, err := w.verify(); err == nil ||
		!strings.Contains(err.Error(), "entry 7 has a wrong MAC") {
		t.Error(err)
	}
}

// TestAuditOfAnEarlierVersionChanged: MACs do not cover up what was changed before there were any.
func TestAuditOfAnEarlierVersionChanged(t *testing.T) {
	path, _ := oldAudit(t, 20)
	w := &auditWorld{T: t, path: path, key: new(identity.MasterKey), now: time.Now()}
	db, err := database(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`DROP TRIGGER audit_no_update`, `UPDATE audit SET actor = 'eve' WHERE seq = 7`} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// The trigger is there again for the migration, as in a real database of that version.
	w.mend(
		`CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, ''); END`,
	)
	w.open()
	if _, err := w.verify(); err == nil || !strings.Contains(err.Error(), "at or before entry 7") {
		t.Error(err)
	}
}

func (w *auditWorld) mend(q string) {
	w.Helper()
	db, err := database(w.path)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(q); err != nil {
		w.Fatal(err)
	}
}

// TestAuditIsKeyedByTheRightKey: another secret key than the database's makes no MACs, so that the
// right one still can.
func TestAuditIsKeyedByTheRightKey(t *testing.T) {
	path, _ := oldAudit(t, 5)
	w := &auditWorld{T: t, path: path, key: new(identity.MasterKey), now: time.Now()}
	sealed := w.key.Sealer("webhooks").Seal(nil, nil, []byte("secret"), []byte("w"))
	w.mend(
		fmt.Sprintf(
			`INSERT INTO webhooks (id, org_id, url, events, sealed, active, created_by, created_at)
		VALUES ('w', '', 'https://example.com', '[]', x'%x', 1, '', 0)`,
			sealed,
		),
	)
	if _, err := sqlite.Open(t.Context(), path, otherKey(t), time.Now); !errors.Is(
		err,
		registry.ErrSealed,
	) {
		t.Fatal(err)
	}
	w.open()
	if r, err := w.verify(); err != nil || r.Head.Epoch != 1 {
		t.Errorf("%+v %v", r, err)
	}
}
