package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// audit appends an entry to the audit log.
func (t *tx) audit(c registry.Change, target, detail string) error {
	s, err := t.auditState()
	if err != nil {
		return err
	}
	return t.append(&s, c, target, detail)
}

const auditInsert = `INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action, org_id,
		subject_id, target, detail, format, salts, epoch, mac, hash)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)`

// append writes an entry behind s, which is then where the log ends.
func (t *tx) append(s *auditState, c registry.Change, target, detail string) error {
	e := registry.AuditEntry{
		Seq: s.Seq + 1, At: t.now.UTC().Truncate(time.Microsecond), ActorKind: t.actor.Kind(),
		ActorID: t.actor.User, Action: c.Kind, OrgID: c.OrgID, SubjectID: c.UserID,
		// The digest is over what a database keeps.
		Actor: registry.Storable(t.actor.Name()), Address: registry.Storable(t.actor.Address()),
		Target: registry.Storable(target), Detail: registry.Storable(detail),
		Format: registry.AuditCommitted,
	}
	e.Salt()
	key, err := t.keys.open(s.Epoch, s.sealed)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if e.Hash, err = registry.AuditDigest(s.Hash, e); err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	sum, err := entryMAC(key, s.Epoch, s.Hash, e)
	if err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	salts, err := json.Marshal(e.Salts)
	if err != nil {
		return fmt.Errorf("store: audit: %w", err)
	}
	if err := t.later(auditInsert,
		e.Seq, us(e.At), e.ActorKind, e.Actor, e.ActorID, e.Address, e.Action, e.OrgID, e.SubjectID,
		e.Target, e.Detail, e.Format, string(salts), s.Epoch, sum, e.Hash); err != nil {
		return err
	}
	s.Seq, s.Hash, s.lastSeq, s.lastHash = e.Seq, e.Hash, e.Seq, e.Hash
	return t.saveHead(*s)
}

var auditOrders = map[string]order[registry.AuditEntry]{
	"seq": {column: "seq", value: func(e registry.AuditEntry) any { return e.Seq }},
	// In an interval of time it is the order of the index that finds it. Clocks can be set back, so
	// seq need not follow at.
	"at": {"at", "seq", func(e registry.AuditEntry) any { return us(e.At) },
		func(e registry.AuditEntry) string { return strconv.FormatInt(e.Seq, 10) }},
}

// Audit returns a page of the entries about an org, newest first.
func (s *Store) Audit(
	ctx context.Context,
	a registry.Actor,
	org registry.OrgID,
	l registry.AuditList,
) (registry.Page[registry.AuditEntry], error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionAuditRead); err != nil {
		return registry.Page[registry.AuditEntry]{}, err
	}
	q := new(query)
	q.add(auditList+` WHERE org_id = ?`, org)
	return s.auditPage(ctx, q, l)
}

// PlatformAudit returns a page of all entries, newest first. For platform admins and the system.
func (s *Store) PlatformAudit(
	ctx context.Context,
	a registry.Actor,
	l registry.AuditList,
) (registry.Page[registry.AuditEntry], error) {
	if err := s.may(a, registry.ActionPlatformAudit); err != nil {
		return registry.Page[registry.AuditEntry]{}, err
	}
	q := new(query)
	q.add(auditList + ` WHERE true`)
	return s.auditPage(ctx, q, l)
}

func (s *Store) auditPage(
	ctx context.Context,
	q *query,
	l registry.AuditList,
) (registry.Page[registry.AuditEntry], error) {
	if err := registry.CheckAuditList(l); err != nil {
		return registry.Page[registry.AuditEntry]{}, err
	}
	q.audited(l)
	usual := "-seq"
	if l.Ranged() {
		usual = "-at"
	}
	p, err := page(ctx, s.read, q, l.List, auditOrders, usual, scanAudit)
	for i := range p.Items { // who checks the chain reads an export
		p.Items[i].Salts = nil
	}
	return p, err
}

// audited adds what l asks for of entries.
func (q *query) audited(l registry.AuditList) {
	if l.Actor != "" {
		q.add(` AND actor = ?`, l.Actor)
	}
	if l.Action != "" {
		q.add(` AND action = ?`, l.Action)
	}
	// Entries have whole microseconds: the first one that is not before a time between two is the
	// later one.
	const almost = time.Microsecond - time.Nanosecond
	if !l.Since.IsZero() {
		q.add(` AND at >= ?`, us(l.Since.Add(almost)))
	}
	if !l.Until.IsZero() {
		q.add(` AND at < ?`, us(l.Until.Add(almost)))
	}
	q.search(l.List, "target", "detail", "actor")
}

// AuditAfter returns up to limit entries that follow one and that l asks for, oldest first, with all
// that it takes to check them: about an org, or with "" all. l's cursor, limit and sort do not count.
// As Audit and PlatformAudit, it decides who may.
func (s *Store) AuditAfter(
	ctx context.Context,
	a registry.Actor,
	org registry.OrgID,
	l registry.AuditList,
	after int64,
	limit int,
) ([]registry.AuditEntry, error) {
	q := new(query)
	if org == "" {
		if err := s.may(a, registry.ActionPlatformAudit); err != nil {
			return nil, err
		}
		q.add(auditExport+` WHERE seq > ?`, after)
	} else {
		if _, err := s.Authorize(ctx, a, org, registry.ActionAuditRead); err != nil {
			return nil, err
		}
		q.add(auditExport+` WHERE org_id = ? AND seq > ?`, org, after)
	}
	if err := registry.CheckAuditList(l); err != nil {
		return nil, err
	}
	q.audited(l)
	q.add(` ORDER BY seq LIMIT ?`, limit)
	return collect(ctx, s.read, scanAudit, q.text.String(), q.args...)
}

const auditColumns = `seq, at, actor_kind, actor, actor_id, address, action, org_id, subject_id,
	target, detail, format, salts, erased, hash`

const (
	auditList   = `SELECT ` + auditColumns + `, '' FROM audit`
	auditExport = `SELECT ` + auditColumns + `,
		COALESCE((SELECT p.hash FROM audit p WHERE p.seq = audit.seq - 1),
		(SELECT b.hash FROM audit_start b WHERE b.id = 1 AND b.seq = audit.seq), '') FROM audit`
)

func scanAudit(r scanner) (e registry.AuditEntry, err error) {
	err = r.Scan(append(auditFields(&e), &e.Prev)...)
	return e, err
}

func auditFields(e *registry.AuditEntry) []any {
	return []any{
		&e.Seq, (*micros)(&e.At), &e.ActorKind, &e.Actor, &e.ActorID, &e.Address, &e.Action, &e.OrgID,
		&e.SubjectID, &e.Target, &e.Detail, &e.Format, (*texts)(&e.Salts), (*texts)(&e.Erased), &e.Hash,
	}
}

// texts scans a JSON object of strings; an empty one is nil.
type texts map[string]string

// Scan implements sql.Scanner.
func (m *texts) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("an object stored as %T", v)
	}
	if *m = nil; text == "{}" {
		return nil
	}
	return json.Unmarshal([]byte(text), (*map[string]string)(m))
}
