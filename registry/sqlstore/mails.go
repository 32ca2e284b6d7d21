package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

func scanMail(r scanner) (m registry.Mail, err error) {
	err = r.Scan(&m.ID, &m.To, &m.Sealed, &m.Attempts, (*micros)(&m.CreatedAt),
		(*micros)(&m.ClaimedUntil))
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

// ClaimMails returns up to limit messages to be sent now, oldest first. Nobody else gets them before
// registry.ClaimLife has passed, or they are reported or released. For the system.
func (s *Store) ClaimMails(
	ctx context.Context, a registry.Actor, limit int,
) (list []registry.Mail, err error) {
	if err := only(a); err != nil {
		return nil, err
	}
	const due = ` FROM mails WHERE next_at <= $1 AND claimed_until <= $1 ORDER BY next_at`
	if none, err := s.none(ctx, `SELECT 1`+due, us(s.now())); none || err != nil {
		return nil, err
	}
	err = s.atomic(ctx, a, func(t *writeTx) error {
		ids, err := collect(t.ctx, t, func(r scanner) (id string, err error) {
			err = r.Scan(&id)
			return id, err
		}, `SELECT id`+due+` LIMIT $2`, us(t.now), limit)
		if err != nil || len(ids) == 0 {
			list = nil
			return err
		}
		chosen, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		// Others may have claimed some meanwhile.
		list, err = collect(t.ctx, t, scanMail, `UPDATE mails SET claimed_until = $2
			WHERE claimed_until <= $1 AND id IN (SELECT j.value FROM {each $3} j)
			RETURNING id, recipient, sealed, attempts, created_at, claimed_until`,
			us(t.now), us(t.now.Add(registry.ClaimLife)), string(chosen))
		return err
	})
	slices.SortFunc(list, func(a, b registry.Mail) int { return strings.Compare(a.ID, b.ID) })
	return list, err
}

// none reports whether a statement finds nothing. It keeps those who are woken by every change from
// writing for nothing.
func (s *Store) none(ctx context.Context, statement string, args ...any) (bool, error) {
	found := 0
	err := s.read.QueryRowContext(ctx, statement+` LIMIT 1`, args...).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return false, err
}

// ReleaseMail gives a claimed message back without a try. For the system. A lost claim is no error.
func (s *Store) ReleaseMail(ctx context.Context, a registry.Actor, m registry.Mail) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		_, err := t.exec(`UPDATE mails SET claimed_until = 0 WHERE id = $1 AND claimed_until = $2`,
			m.ID, us(m.ClaimedUntil))
		return err
	})
}

// ReportMail records a try: the mail is removed unless next says when to try again. For the system.
// Error: CodeConflict when the claim was lost.
func (s *Store) ReportMail(
	ctx context.Context, a registry.Actor, m registry.Mail, next time.Time,
) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		if next.IsZero() {
			return t.claimed(`DELETE FROM mails WHERE id = $1 AND claimed_until = $2`,
				m.ID, us(m.ClaimedUntil))
		}
		return t.claimed(`UPDATE mails SET attempts = attempts + 1, next_at = $3, claimed_until = 0
			WHERE id = $1 AND claimed_until = $2`, m.ID, us(m.ClaimedUntil), us(next))
	})
}

// claimed runs the statement that ends a claim. A process that lost the claim must not report over
// the one that has it now.
func (t *writeTx) claimed(statement string, args ...any) error {
	n, err := t.exec(statement, args...)
	if err == nil && n == 0 {
		err = registry.Errorf(registry.CodeConflict, "", "the claim was lost")
	}
	return err
}
