package registry

import (
	"context"
	"encoding/json"
	"time"
)

// AuditEntry is one line of the audit log: a hash chain in which every entry holds the hash of the
// one before it. The hash covers personal fields by salted commitments, so that a value can be
// erased and the chain still holds.
type AuditEntry struct {
	Seq       int64             `json:"seq" doc:"position in the log, from 1 without gaps"`
	At        time.Time         `json:"at" doc:"when it happened"`
	ActorKind ActorKind         `json:"actor_kind" doc:"what acted: user, service, operator, system or visitor"`
	Actor     string            `json:"actor" doc:"email address of the person who acted, or the name of the program"`
	ActorID   UserID            `json:"actor_id,omitempty" doc:"account that acted; absent for programs"`
	Address   string            `json:"address,omitempty" doc:"client IP address"`
	Action    ChangeKind        `json:"action" doc:"what was done, such as member.added"`
	OrgID     OrgID             `json:"org_id,omitempty" doc:"org that it happened in; absent for the platform"`
	SubjectID UserID            `json:"subject_id,omitempty" doc:"account that the entry is about"`
	Target    string            `json:"target,omitempty" doc:"what it was done to, such as an email address or a slug"`
	Detail    string            `json:"detail,omitempty" doc:"more about it, such as old and new value"`
	Format    int               `json:"format,omitempty" doc:"how the hash is computed: 1 over values, 2 over commitments"`
	Salts     map[string]string `json:"salts,omitempty" doc:"in exports: salts of actor, address, target and detail"`
	Erased    map[string]string `json:"erased,omitempty" doc:"fields that were erased, with the commitments left in their place"`
	Prev      string            `json:"prev,omitempty" doc:"in exports: hash of the entry before"`
	Hash      string            `json:"hash" doc:"hex SHA-256 of this entry and the hash before it"`
}

// Formats of an entry's hash.
const (
	AuditPlain     = 1 // over the values: entries from before commitments
	AuditCommitted = 2 // over commitments to the personal fields
)

// AuditHead is the newest entry of the audit log at some time. Kept elsewhere, it shows later that
// nothing up to it was changed or removed.
type AuditHead struct {
	Seq   int64  `json:"seq" doc:"position of the newest entry"`
	Hash  string `json:"hash" doc:"hash of that entry"`
	Epoch int64  `json:"epoch,omitempty" doc:"number of the key that authenticates the entry"`
}

// AuditHeadNoted is the event that tells the platform's webhooks the audit log's head. It is in
// neither log nor feed.
const ChangeAuditHead ChangeKind = "audit.head"

// AuditHeadLog is the message of the log line that has the audit log's head.
const AuditHeadLog = "audit head"

// AuditReport says what a check of the whole audit log found.
type AuditReport struct {
	First  int64     `json:"first" doc:"seq of the oldest entry that is kept"`
	Before string    `json:"before,omitempty" doc:"hash of the last entry that was removed"`
	Head   AuditHead `json:"head" doc:"newest entry"`
	Erased int64     `json:"erased" doc:"number of entries with erased fields"`
	// Entries of an earlier version with erased fields have no hash that anybody can compute. Their
	// MACs, which only the server checks, vouch for the rest of them.
	Unchecked int64 `json:"unchecked,omitempty" doc:"number of entries whose hash cannot be computed"`
	// Only where heads were given to compare with.
	Compared int `json:"compared,omitempty" doc:"number of saved heads that are in the log"`
}

// plainEntry is what the hash of an AuditPlain entry is over, as JSON.
type plainEntry struct {
	Seq       int64      `json:"seq"`
	At        time.Time  `json:"at"`
	ActorKind ActorKind  `json:"actor_kind"`
	Actor     string     `json:"actor"`
	ActorID   UserID     `json:"actor_id,omitempty"`
	Address   string     `json:"address,omitempty"`
	Action    ChangeKind `json:"action"`
	OrgID     OrgID      `json:"org_id,omitempty"`
	Target    string     `json:"target,omitempty"`
	Detail    string     `json:"detail,omitempty"`
	Hash      string     `json:"hash"`
}

func (e *AuditEntry) plain(prev string) ([]byte, error) {
	return json.Marshal(plainEntry{
		e.Seq, e.At, e.ActorKind, e.Actor, e.ActorID, e.Address, e.Action, e.OrgID, e.Target,
		e.Detail, prev,
	})
}

// Shown is a personal field for people: its value, or that it was erased.
func (e AuditEntry) Shown(name string) string {
	if _, erased := e.Erased[name]; erased {
		return "(erased)"
	}
	for _, f := range e.personal() {
		if f.Name == name {
			return *f.Value
		}
	}
	return ""
}

// AuditReader reads and verifies the audit log.
type AuditReader interface {
	Audit(ctx context.Context, a Actor, org OrgID, l AuditList) (Page[AuditEntry], error)
	PlatformAudit(ctx context.Context, a Actor, l AuditList) (Page[AuditEntry], error)
	AuditAfter(
		ctx context.Context, a Actor, org OrgID, l AuditList, after int64, limit int,
	) ([]AuditEntry, error)
	VerifyAudit(ctx context.Context, a Actor, heads AuditHeads) (AuditReport, error)
}

// AuditStore looks after the audit log.
type AuditStore interface {
	AuditHead(ctx context.Context, a Actor) (AuditHead, error)
	NoteAuditHead(ctx context.Context, a Actor) (head AuditHead, moved bool, err error)
	PruneAudit(ctx context.Context, a Actor, before time.Time) (more bool, err error)
	EraseAudit(ctx context.Context, a Actor, id UserID) (int, error)
}
