package registry

import (
	"context"
	"time"
)

// Mail is a message that waits to be sent.
type Mail struct {
	ID        string
	To        string // clean e-mail address
	Sealed    []byte // the message itself, which may hold a link that lets somebody in
	Attempts  int
	CreatedAt time.Time
	After     time.Time // it is not due before; zero: at once
	Withheld  bool      // it is not kept: its link counts as mailed, and nobody gets it

	ClaimedUntil time.Time // as ClaimMails gave it; a later claim has a later one
}

// ClaimLife is how long a letter or a message to a webhook belongs to the process that sends it. It
// is longer than any try.
const ClaimLife = 2 * time.Minute

// MailStore is the queue of letters.
type MailStore interface {
	QueueMail(ctx context.Context, a Actor, m Mail, link string) error
	ClaimMails(ctx context.Context, a Actor, limit int) ([]Mail, error)
	ReleaseMail(ctx context.Context, a Actor, m Mail) error
	ReportMail(ctx context.Context, a Actor, m Mail, next time.Time) error
}
