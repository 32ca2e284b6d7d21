package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func scanMail(r scanner) (m registry.Mail, err error) {
	err = r.Scan(&m.ID, &m.To, &m.Sealed, &m.Attempts, (*micros)(&m.CreatedAt))
	return m, err
}

// QueueMail keeps a message until it is sent. link is the ID of the link that it holds and
// nobody else sees, "" for none: who follows it shows that mail arrives. For the system.
func (s *Store) QueueMail(ctx context.Context, a registry.Actor, m registry.Mail, link string) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		if link != "" {
			if err := t.must(`UPDATE links SET mailed = {true} WHERE id = $1`, link); err != nil {
				return err
			}
		}
		if m.Withheld {
			return nil
		}
		next := t.now
		if m.After.After(next) {
			next = m.After
		}
		t.wakes = true // whoever sends them is woken
		return t.must(`INSERT INTO mails (id, recipient, sealed, created_at, next_at) VALUES ($1,$2,$3,$4,$5)`, m.ID, m.To, m.Sealed, us(t.now), us(next))
	})
}

// DueMails returns up to limit messages to be sent now, oldest first. For the system.
func (s *Store) DueMails(ctx context.Context, a registry.Actor, limit int) ([]registry.Mail, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanMail, `SELECT id, recipient, sealed, attempts, created_at FROM mails WHERE next_at <= $1 ORDER BY next_at LIMIT $2`, us(s.now()), limit)
}

// ReportMail records a try: the mail is removed unless next says when to try again. For the system.
func (s *Store) ReportMail(ctx context.Context, a registry.Actor, id string, next time.Time) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		if next.IsZero() {
			_, err := t.exec(`DELETE FROM mails WHERE id = $1`, id)
			return err
		}
		_, err := t.exec(`UPDATE mails SET attempts = attempts + 1, next_at = $2 WHERE id = $1`, id, us(next))
		return err
	})
}
