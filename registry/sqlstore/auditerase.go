package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// EraseAudit removes what is personal of an account from the audit log, for good: see
// tx.eraseAudit. It returns how many entries it changed. For the system.
func (s *Store) EraseAudit(
	ctx context.Context,
	a registry.Actor,
	id registry.UserID,
) (n int, err error) {
	if err := only(a); err != nil {
		return 0, err
	}
	if err := s.recording(ctx, a, func(t *tx) error {
		n, err = t.eraseAudit(id)
		return err
	}); err != nil {
		return 0, err
	}
	return n, s.forgetErased(ctx)
}

// forgetErased removes what the database's own log still has. Call it after the commit.
func (s *Store) forgetErased(ctx context.Context) error {
	if s.dialect.Forget == "" {
		return nil
	}
	if _, err := s.write.ExecContext(ctx, s.dialect.Forget); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// eraseAudit removes value and salt of an account's personal fields: its name and address where it
// acted; where an entry is about it, what registry.AuditPersonal says; and everywhere texts with one
// of its e-mail addresses. Commitments, IDs and times stay, and the chain holds. Call it after the
// last entry about the account, and while the account is there; its own entry names the ID alone.
func (t *tx) eraseAudit(id registry.UserID) (n int, err error) {
	err = t.record(registry.Change{Kind: registry.ChangeAuditErased, UserID: id}, string(id), "")
	if err != nil {
		return 0, err
	}
	addresses, err := t.auditAddresses(id)
	if err != nil {
		return 0, err
	}
	list, err := collect(t.ctx, t, scanAudit, auditExport+` WHERE actor_id = $1 OR subject_id = $1
		OR EXISTS (SELECT 1 FROM {each $2} j WHERE {find target, j.value} > 0
			OR {find detail, j.value} > 0 OR {find actor, j.value} > 0)`, id, addresses.json())
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		changed, err := t.eraseEntry(e, id, addresses)
		if err != nil {
			return n, err
		}
		if changed {
			n++
		}
	}
	return n, nil
}

// emails are the addresses that an account has, or had.
type emails []string

func (l emails) json() string {
	b, _ := json.Marshal(l) // strings always marshal
	return string(b)
}

// in reports whether a text has one of them in it, as a whole.
func (l emails) in(text string) bool {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(" ,;:()<>\"'", r)
	}) {
		if slices.Contains(l, strings.ToLower(word)) {
			return true
		}
	}
	return false
}

func (t *tx) auditAddresses(id registry.UserID) (emails, error) {
	return collect(t.ctx, t, func(r scanner) (s string, err error) {
		err = r.Scan(&s)
		return s, err
	}, `SELECT lower(email) FROM users WHERE id = $1
		UNION SELECT lower(actor) FROM audit WHERE actor_id = $1 AND actor LIKE '%_@_%' AND actor NOT LIKE '% %'
		UNION SELECT lower(target) FROM audit
			WHERE subject_id = $1 AND target LIKE '%_@_%' AND target NOT LIKE '% %'`, id)
}

// eraseEntry erases in one entry, and authenticates that it was erased under the key that the entry
// has.
func (t *tx) eraseEntry(e registry.AuditEntry, id registry.UserID, addresses emails) (bool, error) {
	var fields []string
	add := func(name string, yes bool) {
		if yes {
			fields = append(fields, name)
		}
	}
	personal, about := registry.AuditPersonalOf(e.Action), e.SubjectID == id
	acted := e.ActorID == id || about && e.ActorKind == registry.ActorVisitor
	// An address can be somebody else's later: entries about another account keep their target.
	mine := about || e.SubjectID == ""
	add("actor", e.ActorID == id || addresses.in(e.Actor) && e.ActorID == "")
	add("address", acted)
	add("target", about && personal.Target || mine && addresses.in(e.Target))
	add("detail", about && personal.Detail || addresses.in(e.Detail))
	changed := false
	for _, name := range fields {
		did, err := e.Erase(name)
		if err != nil {
			return false, fmt.Errorf("store: audit: %w", err)
		}
		changed = changed || did
	}
	if !changed {
		return false, nil
	}
	return true, t.saveErased(e)
}

func (t *tx) saveErased(e registry.AuditEntry) error {
	var epoch int64
	var sealed []byte
	if err := t.QueryRowContext(t.ctx, `SELECT a.epoch, k.sealed FROM audit a
		JOIN audit_epochs k ON k.id = a.epoch WHERE a.seq = $1`, e.Seq).Scan(&epoch, &sealed); err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	key, err := t.keys.open(epoch, sealed)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	sum, err := entryMAC(key, epoch, e.Prev, e)
	if err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	salts, err := json.Marshal(e.Salts)
	if err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	erased, err := json.Marshal(e.Erased)
	if err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	if len(e.Salts) == 0 {
		salts = []byte("{}")
	}
	return t.must(`UPDATE audit SET actor = $2, address = $3, target = $4, detail = $5, salts = $6,
		erased = $7, mac = $8 WHERE seq = $1`, e.Seq, e.Actor, e.Address, e.Target, e.Detail,
		string(salts), string(erased), sum)
}
