package registry

import (
	"context"
	"time"
)

// DraftID identifies what a person sent before they had to sign in again: a UUIDv7.
type DraftID string

// Limits of drafts.
const (
	DraftLife = time.Hour
	DraftsMax = 10 // of one person; the oldest goes
)

// DraftStore keeps forms that wait for a new sign-in.
type DraftStore interface {
	KeepDraft(ctx context.Context, a Actor, user UserID, id DraftID, sealed []byte) error
	Draft(ctx context.Context, a Actor, id DraftID) ([]byte, error)
	TakeDraft(ctx context.Context, a Actor, id DraftID) (sealed []byte, err error)
}
