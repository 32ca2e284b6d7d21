package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// NoteLostHistory implements registry.HistoryStore.
func (s *Store) NoteLostHistory(ctx context.Context, a registry.Actor, l registry.LostHistory) error {
	if err := only(a); err != nil {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		n, err := t.exec(`INSERT INTO meta (key, value) VALUES ('history_lost', $1)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value`, lossID(l))
		if err != nil || n == 0 {
			return err
		}
		repeated, err := t.repeat(l.Changes)
		if err != nil {
			return err
		}
		detail := l.String()
		if len(repeated) > 0 {
			detail += "; repeated: " + strings.Join(registry.LostHistory{Changes: repeated}.Kinds(), ", ")
		}
		return t.record(registry.Change{Kind: registry.ChangeHistoryLost}, "change feed", detail)
	})
}

// lossID tells a loss from a later one of the same numbers.
func lossID(l registry.LostHistory) string {
	id := fmt.Sprintf("%d %d", l.First, l.Last)
	if n := len(l.Changes); n > 0 {
		id += fmt.Sprintf(" %d", us(l.Changes[n-1].At))
	}
	return id
}

// repeat does again what took access away and is not undone by a later one of the changes. It returns
// what it did.
func (t *tx) repeat(lost []registry.Change) (done []registry.Change, err error) {
	for i, c := range lost {
		if err := t.raiseVersion(c); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(lost[i+1:], func(later registry.Change) bool { return undoes(later, c) }) {
			continue
		}
		again, err := t.repeatOne(c)
		if err != nil {
			return nil, fmt.Errorf("repeat %s: %w", c.Kind, err)
		}
		if again {
			done = append(done, c)
		}
	}
	return done, nil
}

// undoes reports whether a later change gives back what c took away.
func undoes(later, c registry.Change) bool {
	switch c.Kind {
	case registry.ChangeMemberRemoved:
		return later.Kind == registry.ChangeMemberAdded && later.OrgID == c.OrgID && later.UserID == c.UserID
	case registry.ChangeUserDisabled:
		return later.Kind == registry.ChangeUserEnabled && later.UserID == c.UserID
	}
	return false
}

// raiseVersion makes tokens of before a lost change older than those of now, as the change did. What
// comes next has a number that was never used.
func (t *tx) raiseVersion(c registry.Change) (err error) {
	switch c.Kind {
	case registry.ChangeMemberChanged, registry.ChangeMemberRemoved:
		_, err = t.exec(`INSERT INTO member_versions (org_id, user_id, version) VALUES ($1,$2,$3)
			ON CONFLICT (org_id, user_id)
			DO UPDATE SET version = {greatest member_versions.version, excluded.version}`,
			c.OrgID, c.UserID, c.Version)
	case registry.ChangeOrgSignIn:
		_, err = t.exec(`UPDATE orgs SET sign_in_version = {greatest sign_in_version, $2} WHERE id = $1`,
			c.OrgID, c.Version)
	}
	return err
}

// repeatOne reports whether there was something to repeat. What would leave an org without an owner or
// the platform without an admin is left to people.
func (t *tx) repeatOne(c registry.Change) (done bool, err error) {
	switch c.Kind {
	case registry.ChangeSessionRevoked:
		done, err = t.endSession(c.SessionID, c.UserID)
		if err == nil && done {
			err = t.revokeUser(c.UserID)
		}
	case registry.ChangeRunnerRevoked:
		var r registry.Runner
		if r, err = t.runner(c.OrgID, registry.RunnerID(c.SessionID)); err == nil {
			done, err = true, t.revokeRunner(r)
		}
	case registry.ChangeMemberRemoved:
		done, err = t.removeAgain(c.OrgID, c.UserID)
	case registry.ChangeUserDisabled:
		done, err = t.disableAgain(c.UserID)
	}
	if registry.ErrorCode(err) == registry.CodeNotFound { // it came with the lost changes
		return false, nil
	}
	return done, err
}

func (t *tx) removeAgain(org registry.OrgID, id registry.UserID) (done bool, err error) {
	m, err := t.member(org, id)
	if err != nil {
		return false, err
	}
	if !m.EndsAt.IsZero() {
		p, err := t.supportOf(org, id)
		if err != nil {
			return false, err
		}
		return true, t.endSupport(p, "")
	}
	if m.Role == registry.RoleOwner {
		var others bool
		err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
			WHERE m.org_id = $1 AND m.user_id <> $2 AND m.role = 'owner' AND m.held_at = 0
			AND u.disabled_at = 0)`, org, id).Scan(&others)
		if err != nil || !others {
			return false, err
		}
	}
	_, err = t.endMembership(m, org, false)
	return err == nil, err
}

func (t *tx) disableAgain(id registry.UserID) (done bool, err error) {
	u, err := t.userByID(id)
	if err != nil || u.Disabled() {
		return false, err
	}
	if u.PlatformAdmin {
		if err := t.otherAdmin(id); registry.ErrorCode(err) == registry.CodeConflict {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	_, err = t.disableUser(id, registry.UserDisabling{
		Reason: "repeated after changes were lost", LastOwner: true,
	})
	return err == nil, err
}
