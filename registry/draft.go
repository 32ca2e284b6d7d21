package registry

import "time"

// DraftID identifies what a person sent before they had to sign in again: a UUIDv7.
type DraftID string

// Limits of drafts.
const (
	DraftLife = time.Hour
	DraftsMax = 10 // of one person; the oldest goes
)
