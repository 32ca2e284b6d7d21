package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const runnerQuery = `SELECT r.id, r.org_id, r.name, r.enrolled_by, COALESCE(NULLIF(r.enrolled_with, ''), u.email,
	CASE r.enrolled_by WHEN '' THEN 'operator' ELSE '` + deletedName + `' END), r.created_at, r.expires_at, r.last_seen_at, r.address, r.app,
	r.enrolled_by <> '' AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.org_id = r.org_id AND m.user_id = r.enrolled_by)
	FROM runners r LEFT JOIN users u ON u.id = r.enrolled_by WHERE r.org_id = $1 AND r.expires_at > $2`

func scanRunner(s scanner) (r registry.Runner, err error) {
	err = s.Scan(&r.ID, &r.OrgID, &r.Name, &r.EnrolledBy, &r.EnrolledByName, (*micros)(&r.CreatedAt), (*micros)(&r.ExpiresAt), (*micros)(&r.LastSeenAt), &r.Address, &r.App, &r.Gone)
	return r, err
}

var runnerOrders = map[string]order[registry.Runner]{
	"name":       {"{fold r.name}", "r.id", func(r registry.Runner) any { return folded(r.Name) }, runnerKey},
	"created_at": {"r.created_at", "r.id", func(r registry.Runner) any { return us(r.CreatedAt) }, runnerKey},
}

func runnerKey(r registry.Runner) string { return string(r.ID) }

func errNoRunner() error {
	return registry.Errorf(registry.CodeNotFound, "", "no such runner, or its key has expired")
}

func errNoClaim() error {
	return registry.Errorf(registry.CodeGone, "claim", "this claim was used, has expired, or whoever made it may no longer enroll: ask for a new one")
}

// CreateRunnerClaim lets the holder of a secret enroll one runner into an org,
// within RunnerClaimLife. For members, their and the org's keys, and the operator. A runner that a key
// lets in ends no later than the key. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict (RunnersMax).
func (s *Store) CreateRunnerClaim(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewRunnerClaim, secret registry.Hash) (registry.RunnerClaim, error) {
	c := registry.RunnerClaim{ID: registry.NewID(), OrgID: org, App: n.App}
	err := s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionRunnerEnroll)
		if err != nil {
			return err
		}
		if err := t.mayMake(); err != nil {
			return err
		}
		if a.IsUser() && v.Role == "" { // a platform admin manages every org and enters none
			return registry.Errorf(registry.CodeForbidden, "", "only members of the org enroll runners: a runner sees what members see")
		}
		if err := t.lasting(org, registry.RoleMember, "enroll runners"); err != nil {
			return err
		}
		if err := ofApp(a, n.App); err != nil {
			return err
		}
		if n.Name != "" {
			if c.Name, err = registry.CleanName(n.Name); err != nil {
				return err
			}
		}
		if n.Life < 0 || n.Life > registry.KeyLifeMax {
			return registry.Errorf(registry.CodeInvalid, "days", "a runner's key lives for 1 to %d days", int(registry.KeyLifeMax.Hours()/24))
		}
		if a.Key() != "" {
			k, err := t.apiKey(a.Key())
			if err != nil {
				return err
			}
			if left := k.ExpiresAt.Sub(t.now); n.Life > left {
				return registry.Errorf(registry.CodeInvalid, "days", "a runner ends no later than the key that lets it in: at most %d whole days from now", int(left.Hours()/24))
			}
		}
		if n.Life == 0 {
			n.Life = registry.KeyLife
		}
		var have int
		if err := t.QueryRowContext(t.ctx, `SELECT (SELECT count(*) FROM runners WHERE org_id = $1) + (SELECT count(*) FROM runner_claims WHERE org_id = $1 AND expires_at > $2)`, org, us(t.now)).Scan(&have); err != nil {
			return err
		}
		if have >= registry.RunnersMax {
			return registry.Errorf(registry.CodeConflict, "", "the org has %d runners and open claims already: revoke a runner that is not used", have).Because(registry.ReasonLimitReached)
		}
		if err := t.room(org, registry.LimitRunners, countRunners, countClaims); err != nil {
			return err
		}
		c.CreatedAt, c.ExpiresAt = t.now, t.now.Add(registry.RunnerClaimLife)
		if err := t.must(`INSERT INTO runner_claims (hash, id, org_id, name, life, created_by, key_id, expires_at, app)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
			secret[:], c.ID, org, c.Name, n.Life.Microseconds(), a.User, a.Key(), us(c.ExpiresAt), n.App); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeRunnerInvited, OrgID: org, UserID: a.User}, c.Name, "")
	})
	return c, err
}

// EnrollRunner uses a claim up and makes the runner, with the hash of its key.
// name counts when the claim has none. For a visitor with the claim. Whoever
// made the claim must still be allowed to. Errors: CodeGone, CodeInvalid.
func (s *Store) EnrollRunner(ctx context.Context, a registry.Actor, claim registry.Hash, name string, key registry.Hash) (r registry.Runner, err error) {
	if !a.Valid() {
		return r, errNobody()
	}
	// A made-up claim costs a read, not the turn of a writer.
	var open bool
	if err := s.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM runner_claims WHERE hash = $1)`, claim[:]).Scan(&open); err != nil {
		return r, err
	}
	if !open {
		return r, errNoClaim()
	}
	err = s.recording(ctx, a, func(t *tx) error {
		var named string
		var life int64
		var keyID registry.APIKeyID
		c, err := one(t.ctx, t, func(s scanner) (r registry.Runner, err error) {
			err = s.Scan(&r.OrgID, &named, &life, &r.EnrolledBy, &keyID, &r.App)
			return r, err
		}, errNoClaim(), `DELETE FROM runner_claims WHERE hash = $1 AND expires_at > $2 RETURNING org_id, name, life, created_by, key_id, app`, claim[:], us(t.now))
		if err != nil {
			return err
		}
		as, end, err := t.claimant(c.EnrolledBy, keyID)
		if err != nil {
			return errNoClaim()
		}
		v, err := seen(t.ctx, t, as, c.OrgID)
		if err != nil || !registry.Allows(as, v.Role, registry.ActionRunnerEnroll) || v.Status != registry.OrgActive && v.Status != registry.OrgProvisioning {
			return errNoClaim()
		}
		if err := t.room(c.OrgID, registry.LimitRunners, countRunners); err != nil {
			return err
		}
		if named == "" {
			named = name
		}
		if named, err = registry.CleanName(named); err != nil {
			return err
		}
		id, with := registry.RunnerID(registry.NewID()), ""
		expires := t.now.Add(time.Duration(life) * time.Microsecond).Truncate(time.Second)
		if keyID != "" {
			with = as.Name()
			if end.Before(expires) {
				expires = end
			}
		}
		if err := t.must(`INSERT INTO runners (id, hash, org_id, name, enrolled_by, enrolled_with, created_at, expires_at, app) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
			id, key[:], c.OrgID, named, c.EnrolledBy, with, us(t.now), us(expires), c.App); err != nil {
			return err
		}
		t.actor = as // the log names who answers for it
		if r, err = t.runner(c.OrgID, id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeRunnerEnrolled, OrgID: c.OrgID, UserID: c.EnrolledBy, SessionID: id.Session()}, r.Name, "")
	})
	return r, err
}

// ofApp returns an error unless the actor may enroll runners of an app. Those act as the person who
// enrolled them, so API keys and the operator cannot.
func ofApp(a registry.Actor, app registry.RunnerApp) error {
	switch {
	case app == "":
		return nil
	case app != registry.RunnerPizzaPi:
		return registry.Errorf(registry.CodeInvalid, "app", "there are no runners of %q: use %s, or leave it out", app, registry.RunnerPizzaPi)
	case !a.InPerson():
		return registry.Errorf(registry.CodePersonNeeded, "app", "a runner of %s belongs to a person: sign in as yourself, for example with `pizzeria login`", app)
	}
	return nil
}

// claimant is who answers for a claim, as they are now, and when their key ends if it was made by one.
func (t *tx) claimant(by registry.UserID, key registry.APIKeyID) (as registry.Actor, end time.Time, err error) {
	if by == "" && key == "" {
		return registry.AsOperator(), end, nil
	}
	var u registry.User
	if by != "" {
		if u, err = t.userByID(by); err != nil {
			return as, end, err
		}
	}
	if key == "" {
		return registry.AsUser(u, "", t.actor.Address()), end, nil
	}
	k, err := t.apiKey(key)
	return registry.AsKey(k, u, t.actor.Address()), k.ExpiresAt, err
}

func (t *tx) runner(org registry.OrgID, id registry.RunnerID) (registry.Runner, error) {
	return one(t.ctx, t, scanRunner, errNoRunner(), runnerQuery+` AND r.id = $3`, org, us(t.now), id)
}

// Runners returns a page of an org's runners.
func (s *Store) Runners(ctx context.Context, a registry.Actor, org registry.OrgID, l registry.RunnerList) (registry.Page[registry.Runner], error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionRunnerRead); err != nil {
		return registry.Page[registry.Runner]{}, err
	}
	q := new(query)
	q.add(strings.NewReplacer("$1", "?", "$2", "?").Replace(runnerQuery), org, us(s.now()))
	if l.EnrolledBy != "" {
		q.add(` AND r.enrolled_by = ?`, l.EnrolledBy)
	}
	q.search(l.List, "r.name")
	return page(ctx, s.read, q, l.List, runnerOrders, "name", scanRunner)
}

// Runner returns a runner of an org. Error: CodeNotFound.
func (s *Store) Runner(
	ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID,
) (registry.Runner, error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionRunnerRead); err != nil {
		return registry.Runner{}, err
	}
	return one(ctx, s.read, scanRunner, errNoRunner(), runnerQuery+` AND r.id = $3`, org, us(s.now()), id)
}

// RunnerClaim returns an open claim of an org. Error: CodeNotFound (also when it was used).
func (s *Store) RunnerClaim(
	ctx context.Context, a registry.Actor, org registry.OrgID, id string,
) (registry.RunnerClaim, error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionRunnerRead); err != nil {
		return registry.RunnerClaim{}, err
	}
	return one(ctx, s.read, func(r scanner) (c registry.RunnerClaim, err error) {
		err = r.Scan(&c.ID, &c.OrgID, &c.Name, (*micros)(&c.ExpiresAt), &c.App)
		c.CreatedAt = c.ExpiresAt.Add(-registry.RunnerClaimLife)
		return c, err
	}, registry.Errorf(registry.CodeNotFound, "", "no such claim, or it was used or has expired"),
		`SELECT id, org_id, name, expires_at, app FROM runner_claims
		WHERE org_id = $1 AND expires_at > $2 AND id = $3`, org, us(s.now()), id)
}

// mine returns a runner that the actor may end: one's own, or as an admin anybody's.
func (t *tx) mine(org registry.OrgID, id registry.RunnerID) (registry.Runner, error) {
	v, err := t.allowed(org, registry.ActionRunnerEnd)
	if err != nil {
		return registry.Runner{}, err
	}
	r, err := t.runner(org, id)
	if err == nil && (r.EnrolledBy == "" || r.EnrolledBy != t.actor.User) && !registry.Allows(t.actor, v.Role, registry.ActionRunnerManage) {
		err = registry.Errorf(registry.CodeForbidden, "", "%s enrolled this runner: ask them, or an admin of the org", r.EnrolledByName)
	}
	return r, err
}

// DisconnectRunner closes what a runner has open; it may come back. Errors: CodeNotFound, CodeForbidden.
func (s *Store) DisconnectRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error {
	return s.recording(ctx, a, func(t *tx) error {
		r, err := t.mine(org, id)
		if err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeRunnerDisconnected, OrgID: org, UserID: r.EnrolledBy, SessionID: id.Session()}, r.Name, "")
	})
}

// RevokeRunner ends a runner: its key, its tokens, what it has open. Errors: CodeNotFound, CodeForbidden.
func (s *Store) RevokeRunner(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.RunnerID) error {
	return s.recording(ctx, a, func(t *tx) error {
		r, err := t.mine(org, id)
		if err != nil {
			return err
		}
		return t.revokeRunner(r)
	})
}

func (t *tx) revokeRunner(r registry.Runner) error { return t.endRunner(r, "") }

func (t *tx) endRunner(r registry.Runner, why string) error {
	if err := t.must(`DELETE FROM runners WHERE id = $1`, r.ID); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeRunnerRevoked, OrgID: r.OrgID, UserID: r.EnrolledBy, SessionID: r.ID.Session()}, r.Name, why)
}

// FinishRunners revokes the runners of apps whose time is over, or whose owner may use the org no
// more: what their keys have open at the app does not end by itself. For the system.
func (s *Store) FinishRunners(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	type due struct {
		registry.Runner
		over bool
	}
	find := func(ctx context.Context, q querier, now time.Time) ([]due, error) {
		return collect(ctx, q, func(r scanner) (d due, err error) {
			err = r.Scan(&d.ID, &d.OrgID, &d.Name, &d.EnrolledBy, &d.over)
			return d, err
		}, allRows+`SELECT r.id, r.org_id, r.name, r.enrolled_by, r.expires_at <= $1 FROM runners r
			WHERE r.app <> '' AND (r.expires_at <= $1 OR NOT EXISTS (SELECT 1 FROM memberships m
				JOIN users u ON u.id = m.user_id WHERE m.org_id = r.org_id AND m.user_id = r.enrolled_by
				AND m.held_at = 0 AND u.disabled_at = 0))`, us(now))
	}
	list, err := find(ctx, s.read, s.now())
	if err != nil || len(list) == 0 {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		list, err := find(t.ctx, t, t.now)
		if err != nil {
			return err
		}
		for _, d := range list {
			why := "its owner may use the org no more"
			if d.over {
				why = "its time is over"
			}
			if err := t.endRunner(d.Runner, why); err != nil {
				return err
			}
		}
		return nil
	})
}

// enrolled returns the runners that a person enrolled into an org.
func (t *tx) enrolled(org registry.OrgID, id registry.UserID) ([]registry.Runner, error) {
	return collect(t.ctx, t, scanRunner, runnerQuery+` AND r.enrolled_by = $3 ORDER BY {fold r.name}, r.id`, org, us(t.now), id)
}

// RunnerGrant returns what a runner stands for in its org, read now. key is the
// hash of its key, or nil to renew what the key gave before. For the system.
// Errors: CodeNotFound (revoked, expired, another key), CodeForbidden (the org is not in use).
func (s *Store) RunnerGrant(ctx context.Context, a registry.Actor, id registry.RunnerID, key *registry.Hash) (registry.Grant, error) {
	if err := only(a); err != nil {
		return registry.Grant{}, err
	}
	hash := []byte(nil)
	if key != nil {
		hash = key[:]
	}
	g, err := one(ctx, s.read, func(r scanner) (g registry.Grant, err error) {
		g.Session.ID, g.User.ID, g.Role = id.Session(), registry.UserID(id), registry.RoleRunner
		err = r.Scan(slices.Concat([]any{&g.User.Name, (*micros)(&g.Session.AuthTime), (*micros)(&g.Session.ExpiresAt)}, orgFields(&g.Org))...)
		return g, err
	}, errNoRunner(), `SELECT r.name, r.created_at, r.expires_at, `+orgColumns+` FROM runners r JOIN orgs o ON o.id = r.org_id
		WHERE r.id = $1 AND r.expires_at > $2 AND r.app = '' AND (r.hash = $3 OR $3 IS NULL)`, id, us(s.now()), hash)
	if err == nil && g.Org.Status != registry.OrgActive && g.Org.Status != registry.OrgProvisioning {
		err = errNotMember
	}
	return g, err
}

// TouchRunners notes when runners were last seen. Not a registry change: no feed entry. For the system.
func (s *Store) TouchRunners(ctx context.Context, a registry.Actor, seen map[registry.RunnerID]registry.RunnerSeen) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, id := range inOrder(seen) {
			v := seen[id]
			if _, err := t.exec(`UPDATE runners SET last_seen_at = $2, address = $3 WHERE id = $1 AND last_seen_at <= $2`, id, us(v.At), v.Address); err != nil {
				return err
			}
		}
		return nil
	})
}
