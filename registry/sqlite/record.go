package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// record appends a change to the feed, and to the audit log with target and
// detail for people. Feed numbers come from feed_head in this transaction, so
// that they are gapless and in commit order.
func (t *tx) record(c registry.Change, target, detail string) error {
	if err := t.note(c); err != nil {
		return err
	}
	return t.audit(c.Kind, c.OrgID, target, detail)
}

// note appends a change to the feed alone: for what no person did.
func (t *tx) note(c registry.Change) error {
	var seq int64
	if err := t.QueryRowContext(t.ctx, `UPDATE feed_head SET seq = seq + 1 RETURNING seq`).Scan(&seq); err != nil {
		return fmt.Errorf("store: feed: %w", err)
	}
	t.recorded = true
	version, err := t.nextVersion(c)
	if err != nil {
		return fmt.Errorf("store: feed: %w", err)
	}
	return t.must(`INSERT INTO feed (seq, at, kind, org_id, user_id, session_id, slug, old_slug, version) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		seq, us(t.now), c.Kind, c.OrgID, c.UserID, c.SessionID, c.Slug, c.OldSlug, version)
}

// nextVersion counts a change that makes tokens doubtful that were issued under the version before.
// 0: it makes none.
func (t *tx) nextVersion(c registry.Change) (version int64, err error) {
	switch c.Kind {
	case registry.MemberChanged, registry.MemberRemoved:
		err = t.QueryRowContext(t.ctx, `INSERT INTO member_versions (org_id, user_id, version)
			VALUES ($1,$2,1) ON CONFLICT (org_id, user_id)
			DO UPDATE SET version = member_versions.version + 1 RETURNING version`,
			c.OrgID, c.UserID).Scan(&version)
	case registry.OrgSignIn:
		err = t.QueryRowContext(t.ctx, `UPDATE orgs SET sign_in_version = sign_in_version + 1
			WHERE id = $1 RETURNING sign_in_version`, c.OrgID).Scan(&version)
	}
	return version, err
}

const changeColumns = `seq, at, kind, org_id, user_id, session_id, slug, old_slug, version`

func (t *tx) audit(action registry.ChangeKind, org registry.OrgID, target, detail string) error {
	var seq int64
	var prev string
	err := t.QueryRowContext(t.ctx, `SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&seq, &prev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("store: audit: %w", err)
	}
	e := registry.AuditEntry{
		Seq: seq + 1, At: t.now.UTC().Truncate(time.Microsecond), ActorKind: t.actor.Kind(), Actor: t.actor.Name(), ActorID: t.actor.User,
		Address: t.actor.Address(), Action: action, OrgID: org, Target: target, Detail: detail,
	}
	if e.Hash, err = chain(prev, e); err != nil {
		return err
	}
	return t.must(`INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action, org_id, target, detail, hash)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`,
		e.Seq, us(e.At), e.ActorKind, e.Actor, e.ActorID, e.Address, e.Action, e.OrgID, e.Target, e.Detail, e.Hash)
}

// chain is the hash of an entry that follows one with hash prev.
func chain(prev string, e registry.AuditEntry) (string, error) {
	e.Hash = prev
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("store: audit: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Changes returns up to limit changes after seq, oldest first. For the system.
func (s *Store) Changes(ctx context.Context, a registry.Actor, after int64, limit int) ([]registry.Change, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanChange,
		`SELECT `+changeColumns+` FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
}

// ChangesSince returns all changes from t on, oldest first. For the system,
// which rebuilds from them what tokens are still alive but revoked.
func (s *Store) ChangesSince(ctx context.Context, a registry.Actor, t time.Time) ([]registry.Change, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanChange,
		`SELECT `+changeColumns+` FROM feed WHERE at >= $1 ORDER BY seq`, us(t))
}

// Head returns the newest feed number, 0 when nothing has happened. For the system.
func (s *Store) Head(ctx context.Context, a registry.Actor) (int64, error) {
	if err := only(a); err != nil {
		return 0, err
	}
	var seq int64
	if err := s.read.QueryRowContext(ctx, `SELECT seq FROM feed_head`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	return seq, nil
}

func scanChange(r scanner) (c registry.Change, err error) {
	err = r.Scan(&c.Seq, (*micros)(&c.At), &c.Kind, &c.OrgID, &c.UserID, &c.SessionID, &c.Slug, &c.OldSlug, &c.Version)
	return c, err
}

var auditOrders = map[string]order[registry.AuditEntry]{
	"seq": {column: "a.seq", value: func(e registry.AuditEntry) any { return e.Seq }},
}

// Audit returns a page of the entries about an org, newest first.
func (s *Store) Audit(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.AuditList) (registry.Page[registry.AuditEntry], error) {
	if _, err := s.Authorize(ctx, a, org, registry.AuditRead); err != nil {
		return registry.Page[registry.AuditEntry]{}, err
	}
	q := new(query)
	q.add(auditQuery+` WHERE a.org_id = ?`, org)
	return s.auditPage(ctx, q, l)
}

// PlatformAudit returns a page of all entries, newest first. For platform admins and the system.
func (s *Store) PlatformAudit(ctx context.Context, a registry.Actor, l registry.AuditList) (registry.Page[registry.AuditEntry], error) {
	if err := s.may(a, registry.PlatformAudit); err != nil {
		return registry.Page[registry.AuditEntry]{}, err
	}
	q := new(query)
	q.add(auditQuery + ` WHERE true`)
	return s.auditPage(ctx, q, l)
}

func (s *Store) auditPage(ctx context.Context, q *query, l registry.AuditList) (registry.Page[registry.AuditEntry], error) {
	if l.Actor != "" {
		q.add(` AND a.actor = ?`, l.Actor)
	}
	if l.Action != "" {
		q.add(` AND a.action = ?`, l.Action)
	}
	q.search(l.List, "a.target", "a.detail", "a.actor")
	return page(ctx, s.read, q, l.List, auditOrders, "-seq", scanAudit)
}

// AuditAfter returns up to limit entries that follow one, oldest first: about an org, or with ""
// all. As Audit and PlatformAudit, it decides who may.
func (s *Store) AuditAfter(ctx context.Context, a registry.Actor, org registry.OrgID, after int64, limit int) ([]registry.AuditEntry, error) {
	if org == "" {
		if err := s.may(a, registry.PlatformAudit); err != nil {
			return nil, err
		}
		return collect(ctx, s.read, scanAudit, auditQuery+` WHERE a.seq > $1 ORDER BY a.seq LIMIT $2`, after, limit)
	}
	if _, err := s.Authorize(ctx, a, org, registry.AuditRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanAudit, auditQuery+` WHERE a.org_id = $1 AND a.seq > $2 ORDER BY a.seq LIMIT $3`, org, after, limit)
}

const auditQuery = `SELECT a.seq, a.at, a.actor_kind, a.actor, a.actor_id, a.address, a.action, a.org_id, a.target, a.detail, a.hash FROM audit a`

// VerifyAudit walks the whole audit log, from where it begins, and returns a Conflict error that
// names the first entry that does not fit its chain. For platform admins and the system.
func (s *Store) VerifyAudit(ctx context.Context, a registry.Actor) error {
	if err := s.may(a, registry.PlatformAudit); err != nil {
		return err
	}
	view, err := s.read.BeginTx(ctx, nil) // where it begins and what it holds, of one moment
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = view.Rollback() }()
	want, prev, err := auditStart(ctx, view)
	if err != nil {
		return err
	}
	rows, err := view.QueryContext(ctx, `SELECT seq, at, actor_kind, actor, actor_id, address, action, org_id, target, detail, hash FROM audit ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		e, err := scanAudit(rows)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		h, err := chain(prev, e)
		if err != nil {
			return err
		}
		if e.Seq != want || h != e.Hash {
			return registry.Errorf(registry.Conflict, "", "the audit log was changed at or before entry %d", e.Seq)
		}
		prev, want = e.Hash, want+1
	}
	return rows.Err()
}

func scanAudit(r scanner) (e registry.AuditEntry, err error) {
	err = r.Scan(&e.Seq, (*micros)(&e.At), &e.ActorKind, &e.Actor, &e.ActorID, &e.Address, &e.Action, &e.OrgID, &e.Target, &e.Detail, &e.Hash)
	return e, err
}
