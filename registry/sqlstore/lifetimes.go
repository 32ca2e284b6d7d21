package sqlstore

import (
	"context"
	"strconv"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// moment is what sessions are judged by: the time, and how long they live by now.
type moment struct {
	now  time.Time
	life registry.Lifetimes
	uses *uses
}

// SetLifetimes says how long sessions live from now on, those that there are included. One that
// began under a shorter absolute lifetime keeps that.
func (s *Store) SetLifetimes(l registry.Lifetimes) { s.lifetimes.Store(&l) }

func (s *Store) moment() moment { return moment{s.now(), *s.lifetimes.Load(), s.uses} }

func (t *writeTx) moment() moment { return moment{t.now, t.lifetimes, t.uses} }

func micro(s registry.Seconds) string { return strconv.FormatInt(s.Duration().Microseconds(), 10) }

// end is the absolute end of a session.
func (m moment) end() string {
	return `{least s.expires_at, s.created_at + ` + micro(m.life.Absolute) + `}`
}

// columns are those of sessionFields.
func (m moment) columns() string {
	return `s.id, s.user_id, s.auth_time, s.created_at, s.last_seen_at, ` + m.end() + `,
	CASE s.device WHEN {true} THEN 0 ELSE s.last_seen_at + ` + micro(m.life.Idle) + ` END,
	s.address, s.user_agent, s.methods, s.connection_id, s.via_org`
}

// live is the condition that a session counts at time $1: it is not revoked or past its end,
// and not idle unless it is a device's.
func (m moment) live() string {
	return m.alive() + ` AND (s.device = {true} OR s.last_seen_at > $1 - ` + micro(m.life.Idle) + `)`
}

// alive is the condition that what a session gave to an app counts at time $1: it was not ended and
// has not reached its end. That nobody was seen in it for hours does not matter: its app works on
// its own.
func (m moment) alive() string {
	return `s.revoked_at IS NULL AND s.expires_at > $1 AND s.created_at > $1 - ` + micro(m.life.Absolute)
}

// SetSessionLifetimes says how long sign-in sessions count for an org. version is of the policy that
// the caller has seen, "" for any. Errors: CodeForbidden, CodeNotFound, CodeVersionConflict, CodeInvalid (longer than its
// plan's or the installation's, or out of bounds).
func (s *Store) SetSessionLifetimes(
	ctx context.Context, a registry.Actor, org registry.OrgID, version string, l registry.Lifetimes,
) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.signInPolicy(org, version)
		if err != nil || v.Sessions == l {
			return err
		}
		if err := l.Within(v.PlanSessions.Shorter(t.lifetimes)); err != nil {
			return err
		}
		if err := t.must(`UPDATE orgs SET session_idle = $2, session_lifetime = $3 WHERE id = $1`, org, l.Idle, l.Absolute); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: org}, "session lifetimes",
			l.Text()+"; before: "+v.Sessions.Text())
	})
}
