package registry

import (
	"context"
	"time"
)

// RecoveryItem is something that an account had before its password was reset, and that a thief may
// have left there. The person keeps or removes each one before the account does anything else.
type RecoveryItem struct {
	Kind       RecoveryKind
	ID         string
	Name       string
	Detail     string // of a linked account the address there, of an invitation the role
	OrgID      OrgID  // "" = the account's own
	Org        string // its name
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never, or unknown
}

// Key names an item among all of an account.
func (i RecoveryItem) Key() string { return string(i.Kind) + "/" + i.ID }

// RecoveryKind says what an item is.
type RecoveryKind string

// The kinds of items.
const (
	RecoveryTOTP     RecoveryKind = "totp"
	RecoveryPasskey  RecoveryKind = "passkey"
	RecoveryIdentity RecoveryKind = "identity"
	RecoveryKey      RecoveryKind = "key" // of an org, created by the person
	RecoveryRunner   RecoveryKind = "runner"
	RecoveryInvite   RecoveryKind = "invite" // sent by the person
)

// ErrReview is the error for an account that was recovered and not reviewed yet.
func ErrReview() *Error {
	return Errorf(CodeForbidden, "", "this account was recovered: sign in to the console with its new "+
		"password, and say there what it keeps")
}

// RecoveryReader lists what to review after a recovery.
type RecoveryReader interface {
	RecoveryItems(ctx context.Context, a Actor) ([]RecoveryItem, error)
}

// RecoveryStore ends a review.
type RecoveryStore interface {
	Review(
		ctx context.Context, a Actor, keep map[string]bool, recovery []Hash,
	) (factors bool, err error)
}
