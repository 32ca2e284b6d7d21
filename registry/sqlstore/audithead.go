package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// auditState is where the audit log ends and begins, as the database says.
type auditState struct {
	registry.AuditHead
	mac    string
	first  int64  // seq of the oldest entry that is kept
	before string // hash of the last one that was removed

	sealed   []byte // the key of the head's epoch
	lastSeq  int64  // of the newest entry that is there
	lastHash string
	newest   int64 // epoch

	feed int64 // the newest number of the feed
}

const auditStateQuery = `SELECT COALESCE(h.epoch, 0), COALESCE(h.seq, 0),
		COALESCE(h.hash, ''), COALESCE(h.mac, ''), COALESCE(b.seq, 0), COALESCE(b.hash, ''),
		e.sealed, COALESCE(a.seq, 0), COALESCE(a.hash, ''),
		COALESCE((SELECT max(id) FROM audit_epochs), 0), f.seq
		FROM feed_head f LEFT JOIN audit_head h ON h.id = 1 LEFT JOIN audit_start b ON b.id = 1
		LEFT JOIN audit_epochs e ON e.id = h.epoch
		LEFT JOIN audit a ON a.seq = (SELECT max(seq) FROM audit) WHERE f.id = 1`

// lockedStateQuery is for a transaction that has the feed's lock.
const lockedStateQuery = auditStateQuery + ` AND {claimed}`

// scanAuditState scans it. What is missing is zero.
func scanAuditState(row *sql.Row) (s auditState, err error) {
	err = row.Scan(&s.Epoch, &s.Seq, &s.Hash, &s.mac, &s.first, &s.before, &s.sealed, &s.lastSeq,
		&s.lastHash, &s.newest, &s.feed)
	if err != nil {
		return s, fmt.Errorf("store: audit: %w", err)
	}
	return s, nil
}

// fault says why the log does not end and begin as the server left it, "" when it does.
func (k auditKeys) fault(s auditState) string {
	switch {
	case s.Epoch == 0:
		return "the saved end of the audit log is missing"
	case !sameMAC(s.mac, k.headMAC(s)):
		return "the saved end or beginning of the audit log was changed"
	case s.lastSeq < s.Seq:
		return fmt.Sprintf(
			"the audit log ends with entry %d, and entry %d was its last",
			s.lastSeq,
			s.Seq,
		)
	case s.lastSeq > s.Seq:
		return fmt.Sprintf(
			"the audit log has entries after %d that the server did not write",
			s.Seq,
		)
	case s.lastHash != s.Hash:
		return fmt.Sprintf("entry %d, the last of the audit log, is another one", s.Seq)
	case s.newest != s.Epoch:
		return fmt.Sprintf(
			"the audit log has keys up to %d, and %d was its last",
			s.newest,
			s.Epoch,
		)
	}
	if _, err := k.open(s.Epoch, s.sealed); err != nil {
		return fmt.Sprintf("key %d of the audit log is missing", s.Epoch)
	}
	return ""
}

// ends finds out where feed and audit log end.
func (t *tx) ends() error {
	if t.known {
		return nil
	}
	return t.find(auditStateQuery)
}

func (t *tx) find(query string) error {
	s, err := scanAuditState(t.row(query))
	t.known, t.feed, t.log = err == nil, s.feed, s
	return err
}

// auditState returns where the log ends, to append to it. If it does not end as the server left it,
// an entry says so for ever: otherwise the next entry would cover up what happened.
func (t *tx) auditState() (auditState, error) {
	if err := t.ends(); err != nil {
		return auditState{}, err
	}
	s := t.log
	why := t.keys.fault(s)
	if why == "" {
		return s, nil
	}
	if !sameMAC(s.mac, t.keys.headMAC(s)) || s.Seq < s.lastSeq {
		s.Seq = s.lastSeq
	} // else numbers that were used are not used again
	s.Hash = s.lastHash
	if _, err := t.keys.open(s.Epoch, s.sealed); err != nil || s.newest != s.Epoch {
		if err := t.beginEpoch(&s); err != nil {
			return s, err
		}
	}
	if err := t.note(registry.Change{Kind: registry.ChangeAuditBroken}); err != nil {
		return s, err
	}
	was := t.actor
	t.actor = registry.AsSystem("audit")
	defer func() { t.actor = was }()
	return s, t.append(&s, registry.Change{Kind: registry.ChangeAuditBroken}, "audit log", why)
}

// beginEpoch makes a new key, for the entries from here on.
func (t *tx) beginEpoch(s *auditState) error {
	s.Epoch = max(s.newest, s.Epoch) + 1
	s.newest, s.sealed = s.Epoch, t.keys.newEpoch(s.Epoch)
	return t.must(`INSERT INTO audit_epochs (id, sealed, made_at) VALUES ($1,$2,$3)`,
		s.Epoch, s.sealed, us(t.now))
}

const auditHeadSave = `INSERT INTO audit_head (id, epoch, seq, hash, mac) VALUES (1,$1,$2,$3,$4)
		ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq,
		hash = excluded.hash, mac = excluded.mac`

// saveHead writes where the log ends and begins.
func (t *tx) saveHead(s auditState) error {
	s.mac = t.keys.headMAC(s)
	t.log = s
	return t.later(auditHeadSave, s.Epoch, s.Seq, s.Hash, s.mac)
}

// AuditHead returns the newest entry of the audit log. For platform admins and the system. Error:
// CodeConflict when the log does not end or begin as the server left it.
func (s *Store) AuditHead(ctx context.Context, a registry.Actor) (registry.AuditHead, error) {
	if err := s.may(a, registry.ActionPlatformAudit); err != nil {
		return registry.AuditHead{}, err
	}
	state, err := scanAuditState(s.read.QueryRowContext(ctx, auditStateQuery))
	if err != nil {
		return registry.AuditHead{}, err
	}
	if why := s.keys.fault(state); why != "" {
		return state.AuditHead, registry.Errorf(registry.CodeConflict, "", "%s", why).Because(registry.ReasonAuditLogChanged)
	}
	return state.AuditHead, nil
}
