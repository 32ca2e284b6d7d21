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
}

// MailStore is the queue of letters.
type MailStore interface {
	QueueMail(ctx context.Context, a Actor, m Mail, link string) error
	DueMails(ctx context.Context, a Actor, limit int) ([]Mail, error)
	ReportMail(ctx context.Context, a Actor, id string, next time.Time) error
}
