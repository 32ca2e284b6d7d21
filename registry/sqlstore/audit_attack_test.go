package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// auditWorld is a store with an audit log, and somebody who can write to the database but has no
// secret key.
type auditWorld struct {
	*testing.T
	path string
	now  time.Time
	key  registry.SecretKey
	s    *sqlite.Store
	db   *sql.DB
}

func newAuditWorld(t *testing.T) *auditWorld {
	t.Helper()
	w := &auditWorld{
		T: t, path: filepath.Join(t.TempDir(), "t.db"), key: new(identity.MasterKey),
		now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	w.open()
	return w
}

func (w *auditWorld) open() {
	w.Helper()
	var err error
	w.s, err = sqlite.Open(w.Context(), w.path, w.key, func() time.Time { return w.now })
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.s.Close() })
	if w.db, err = database(w.path); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = w.db.Close() })
}

// database opens a file as anybody can who may write to it.
func database(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)&_pragma=secure_delete(1)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func (w *auditWorld) reopen() {
	w.Helper()
	if err := w.s.Close(); err != nil {
		w.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

// write appends n entries.
func (w *auditWorld) write(n int) {
	w.Helper()
	for range n {
		if err := w.s.Record(context.Background(), registry.AsOperator(), 1,
			registry.Change{Kind: registry.ChangeOrgUpdated}, "acme", "a change"); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *auditWorld) rekey(next registry.SecretKey) {
	w.Helper()
	if _, err := w.s.Reseal(w.Context(), registry.AsOperator(), next); err != nil {
		w.Fatal(err)
	}
	w.key = next
	w.reopen()
}

func (w *auditWorld) verify(heads ...registry.AuditHead) (registry.AuditReport, error) {
	saved := registry.AuditHeads{}
	for _, h := range heads {
		saved.Add(h)
	}
	return w.s.VerifyAudit(context.Background(), registry.AsOperator(), saved)
}

func (w *auditWorld) head() registry.AuditHead {
	w.Helper()
	h, err := w.s.AuditHead(w.Context(), registry.AsOperator())
	if err != nil {
		w.Fatal(err)
	}
	return h
}

// sql is what the attacker writes. Triggers are no control against them.
func (w *auditWorld) sql(statements ...string) {
	w.Helper()
	for _, q := range append([]string{
		`DROP TRIGGER IF EXISTS audit_no_update`, `DROP TRIGGER IF EXISTS audit_no_delete`,
		`DROP TRIGGER IF EXISTS audit_keyed`, `DROP TRIGGER IF EXISTS audit_start_forward`,
	}, statements...) {
		if _, err := w.db.Exec(q); err != nil {
			w.Fatalf("%s: %v", q, err)
		}
	}
}

// rechain computes every public hash anew, and puts the last one in the place of the head's.
func (w *auditWorld) rechain() {
	w.Helper()
	list, err := w.s.AuditAfter(w.Context(), registry.AsOperator(), "", registry.AuditList{}, 0, 1000)
	if err != nil {
		w.Fatal(err)
	}
	prev := ""
	for i, e := range list {
		if i == 0 {
			prev = e.Prev
		}
		if prev, _, err = registry.AuditHash(prev, e); err != nil {
			w.Fatal(err)
		}
		w.sql(fmt.Sprintf(`UPDATE audit SET hash = '%s' WHERE seq = %d`, prev, e.Seq))
		w.sql(fmt.Sprintf(`UPDATE audit_head SET seq = %d, hash = '%s'`, e.Seq, prev))
	}
}

const movedUp = 1_000_000

// auditAttacks are tried on a log of 60 entries with two keys and the first ten entries pruned. The
// second key's first entry is the 51st.
var auditAttacks = map[string]struct {
	attack func(*auditWorld)
	says   string
}{
	"delete the last 20": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit WHERE seq > (SELECT max(seq) - 20 FROM audit)`)
	}, "was its last"},
	"delete the last 20 and move the head": {func(w *auditWorld) {
		w.sql(
			`DELETE FROM audit WHERE seq > (SELECT max(seq) - 20 FROM audit)`,
			`UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1)`,
		)
	}, "end or beginning"},
	"delete the last 20, move the head and use an entry's MAC": {func(w *auditWorld) {
		w.sql(
			`DELETE FROM audit WHERE seq > (SELECT max(seq) - 20 FROM audit)`,
			`UPDATE audit_head SET (seq, hash, mac) = (SELECT seq, hash, mac FROM audit ORDER BY seq DESC LIMIT 1)`,
		)
	}, "end or beginning"},
	"delete all": {func(w *auditWorld) { w.sql(`DELETE FROM audit`) }, "was its last"},
	"delete all and the head": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit`, `DELETE FROM audit_head`)
	}, "is missing"},
	"delete all, and say that there was nothing": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit`, `UPDATE audit_start SET seq = 1, hash = ''`,
			`UPDATE audit_head SET seq = 0, hash = ''`)
	}, "end or beginning"},
	"change one": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET target = 'globex' WHERE seq = 30`)
	}, "at or before entry 30"},
	"change one and re-chain": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET target = 'globex' WHERE seq = 30`)
		w.rechain()
	}, "entry 30 has a wrong MAC"},
	"change a public field and re-chain": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET action = 'org.created' WHERE seq = 30`)
		w.rechain()
	}, "entry 30 has a wrong MAC"},
	"change one to the old format and re-chain": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET target = 'globex', format = 1 WHERE seq = 30`)
		w.rechain()
	}, "entry 30 has a wrong MAC"},
	"swap two": {func(w *auditWorld) { w.swap() }, "at or before entry 30"},
	"swap two and re-chain": {func(w *auditWorld) {
		w.swap()
		w.rechain()
	}, "entry 30 has a wrong MAC"},
	"cut off the beginning": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit WHERE seq < 20`)
	}, "in the place of entry 11"},
	"replace the start": {func(w *auditWorld) {
		w.sql(`UPDATE audit_start SET seq = 20, hash = (SELECT hash FROM audit WHERE seq = 19)`,
			`DELETE FROM audit WHERE seq < 20`)
	}, "end or beginning"},
	"replace the start's hash": {func(w *auditWorld) {
		w.sql(`UPDATE audit_start SET hash = '` + strings.Repeat("0", 64) + `'`)
	}, "at or before entry 11"},
	"delete the start": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit_start`)
	}, "in the place of entry 0"},
	"move the MAC of another epoch": {func(w *auditWorld) {
		w.sql(
			`UPDATE audit SET (epoch, mac) = (SELECT epoch, mac FROM audit WHERE seq = 55) WHERE seq = 30`,
		)
	}, "entry 30 has a wrong MAC"},
	"say that an entry is of another epoch": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET epoch = 1 WHERE seq = 55`)
	}, "entry 55 has a wrong MAC"},
	"give an epoch another one's key": {func(w *auditWorld) {
		w.sql(`UPDATE audit_epochs SET sealed = (SELECT sealed FROM audit_epochs WHERE id = 1)`)
	}, "is missing or was changed"},
	"insert one without a MAC": {func(w *auditWorld) {
		w.sql(
			`INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action, org_id, target,
			detail, hash, format) SELECT max(seq) + 1, at, 'operator', '', '', '', action, '', '', '', '', 2
			FROM audit`,
		)
		w.rechain()
	}, "has no MAC"},
	"insert one with another's MAC": {func(w *auditWorld) {
		w.sql(
			`INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action, org_id, target,
			detail, hash, format, epoch, mac) SELECT max(seq) + 1, at, 'operator', '', '', '', action, '',
			'', '', '', 2, epoch, mac FROM audit`,
		)
		w.rechain()
	}, "has a wrong MAC"},
	"roll the epochs back": {func(w *auditWorld) {
		w.sql(`DELETE FROM audit_epochs WHERE id = 2`)
	}, "key 2 of the audit log is missing"},
	"add an epoch": {func(w *auditWorld) {
		w.sql(`INSERT INTO audit_epochs SELECT 3, sealed, made_at FROM audit_epochs WHERE id = 2`)
	}, "keys up to 3"},
	"drop all MACs": {func(w *auditWorld) { w.sql(`UPDATE audit SET mac = ''`) }, "has no MAC"},
	"drop all MACs and keys": {func(w *auditWorld) {
		w.sql(
			`UPDATE audit SET mac = '', epoch = 0`,
			`DELETE FROM audit_epochs`,
			`UPDATE audit_head SET mac = ''`,
		)
	}, "has no MAC"},
	"drop all MACs and keys, and say that there were none": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET mac = '', epoch = 0`, `DELETE FROM audit_epochs`,
			`UPDATE audit_head SET epoch = 0, seq = 0, hash = '', mac = ''`)
	}, "has no MAC"},
	"drop all MACs, keys and the head": {func(w *auditWorld) {
		w.sql(
			`UPDATE audit SET mac = '', epoch = 0`,
			`DELETE FROM audit_epochs`,
			`DELETE FROM audit_head`,
		)
	}, "has no MAC"},
	"erase without the key": {func(w *auditWorld) {
		e := w.entry(30)
		if _, err := e.Erase("actor"); err != nil {
			w.Fatal(err)
		}
		w.sql(fmt.Sprintf(`UPDATE audit SET actor = '', salts = json_remove(salts, '$.actor'),
			erased = '{"actor":"%s"}' WHERE seq = 30`, e.Erased["actor"]))
	}, "entry 30 has a wrong MAC"},
	"remove a value but not its salt": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET target = '' WHERE seq = 30`)
	}, "at or before entry 30"},
	"remove value and salt": {func(w *auditWorld) {
		w.sql(`UPDATE audit SET target = '', salts = json_remove(salts, '$.target') WHERE seq = 30`)
	}, "at or before entry 30"},
}

func (w *auditWorld) swap() {
	w.sql(fmt.Sprintf(`UPDATE audit SET seq = %d WHERE seq = 30`, movedUp),
		`UPDATE audit SET seq = 30 WHERE seq = 31`,
		fmt.Sprintf(`UPDATE audit SET seq = 31 WHERE seq = %d`, movedUp))
}

func (w *auditWorld) entry(seq int64) registry.AuditEntry {
	w.Helper()
	list, err := w.s.AuditAfter(w.Context(), registry.AsOperator(), "", registry.AuditList{}, seq-1, 1)
	if err != nil || len(list) != 1 || list[0].Seq != seq {
		w.Fatal(list, err)
	}
	return list[0]
}

// attacked is the log that attacks are tried on.
func attacked(t *testing.T) *auditWorld {
	w := newAuditWorld(t)
	w.write(10)
	w.now = w.now.Add(24 * time.Hour)
	w.write(39)
	if _, err := w.s.PruneAudit(t.Context(), registry.AsSystem("test"), w.now); err != nil {
		t.Fatal(err)
	}
	w.rekey(otherKey(t))
	w.write(9)
	if r, err := w.verify(); err != nil || r.First != 11 || r.Head.Seq != 60 || r.Head.Epoch != 2 ||
		w.entry(51).Action != registry.ChangeKeyRotated {
		t.Fatalf("%+v %v", r, err)
	}
	return w
}

// TestAuditAttacks: whoever writes to the database without the secret key is found out, at once, and
// also after the server went on or was started again.
func TestAuditAttacks(t *testing.T) {
	for name, a := range auditAttacks {
		t.Run(name, func(t *testing.T) {
			w := attacked(t)
			a.attack(w)
			_, err := w.verify()
			if registry.ErrorCode(err) != registry.CodeConflict ||
				!strings.Contains(err.Error(), a.says) {
				t.Fatalf("%v, and not %q", err, a.says)
			}
			w.write(2)
			if _, err := w.verify(); registry.ErrorCode(err) != registry.CodeConflict {
				t.Errorf("covered up by what came after: %v", err)
			}
			if !strings.Contains(name, "another one's key") { // the server does not start with it
				w.reopen()
				w.write(1)
			}
			if _, err := w.verify(); registry.ErrorCode(err) != registry.CodeConflict {
				t.Errorf("covered up by a restart: %v", err)
			}
		})
	}
}

// TestAuditOldHead: an end of the log from before the secret key was replaced is none any more, so
// that a key that leaked cuts nothing off.
func TestAuditOldHead(t *testing.T) {
	w := newAuditWorld(t)
	w.write(10)
	w.sql(`CREATE TABLE copied AS SELECT * FROM audit_head`)
	w.rekey(otherKey(t))
	w.write(10)
	w.sql(`DELETE FROM audit WHERE epoch = 2`, `DELETE FROM audit_epochs WHERE id = 2`,
		`DELETE FROM audit_head`, `INSERT INTO audit_head SELECT * FROM copied`)
	if _, err := w.verify(); registry.ErrorCode(err) != registry.CodeConflict {
		t.Errorf("the old head holds: %v", err)
	}
}

// TestAuditBroken: the server goes on, and says for ever, to webhooks as well, that the log was
// changed. Numbers are not used twice.
func TestAuditBroken(t *testing.T) {
	w := newAuditWorld(t)
	w.write(30)
	w.sql(`DELETE FROM audit WHERE seq > 10`)
	if _, err := w.s.AuditHead(t.Context(), registry.AsOperator()); registry.ErrorCode(
		err,
	) != registry.CodeConflict {
		t.Error(err)
	}
	if _, _, err := w.s.NoteAuditHead(t.Context(), registry.AsSystem("test")); registry.ErrorCode(
		err,
	) != registry.CodeConflict {
		t.Error(err)
	}
	w.write(1)
	if e := w.entry(31); e.Action != registry.ChangeAuditBroken || e.Actor != "audit" ||
		!strings.Contains(e.Detail, "ends with entry 10") {
		t.Errorf("%+v", e)
	}
	changes, err := w.s.Changes(t.Context(), registry.AsSystem("test"), 30, 10)
	if err != nil || len(changes) != 2 || changes[1].Kind != registry.ChangeAuditBroken {
		t.Errorf("%+v %v", changes, err)
	}
}

// TestAuditAgainst: heads that were saved elsewhere show what the database alone cannot: a log that
// was cut off with everything that authenticates it, or written anew with the secret key.
func TestAuditAgainst(t *testing.T) {
	w := attacked(t)
	middle := registry.AuditHead{Seq: 30, Hash: w.entry(30).Hash}
	backup := filepath.Join(t.TempDir(), "backup.db")
	saved, err := w.s.Backup(t.Context(), registry.AsOperator(), backup)
	if err != nil || saved != w.head() {
		t.Fatal(saved, err)
	}
	w.write(20)
	late := w.head()
	before := registry.AuditHead{Seq: 10, Hash: w.entry(11).Prev}
	if r, err := w.verify(before, middle, saved, late); err != nil || r.Compared != 4 {
		t.Fatalf("%+v %v", r, err)
	}
	for name, c := range map[string]struct {
		heads []registry.AuditHead
		says  string
	}{
		"another hash":  {[]registry.AuditHead{late, {Seq: 30, Hash: saved.Hash}}, "entry 30 has another"},
		"another start": {[]registry.AuditHead{late, {Seq: 10, Hash: saved.Hash}}, "entry 10 has another"},
		"too old":       {[]registry.AuditHead{{Seq: 3, Hash: saved.Hash}}, "every saved head is older"},
		"too new":       {[]registry.AuditHead{{Seq: 81, Hash: saved.Hash}}, "ends with entry 80"},
	} {
		_, err := w.verify(c.heads...)
		if registry.ErrorCode(err) != registry.CodeConflict || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A restored backup holds, and looks like a log that was cut off.
	w.path = backup
	w.reopen()
	if r, err := w.verify(middle, saved); err != nil || r.Head != saved || r.Compared != 2 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := w.verify(late); err == nil ||
		!strings.Contains(err.Error(), "an older backup was restored") {
		t.Error(err)
	}
	// Whoever has the key, or puts the database back as it was before there were keys, can write all
	// of it anew.
	w.sql(`UPDATE audit SET target = 'globex' WHERE seq = 30`,
		`UPDATE audit SET mac = '', epoch = 0, format = 1`)
	w.rechain()
	w.sql(`DELETE FROM audit_epochs`,
		`UPDATE audit_head SET epoch = 0, seq = 0, hash = '', mac = ''`)
	w.reopen()
	if _, err := w.verify(); err != nil {
		t.Errorf("the docs say that this cannot be seen from inside: %v", err)
	}
	if _, err := w.verify(middle); err == nil || !strings.Contains(err.Error(), "rewritten") {
		t.Error(err)
	}
}
