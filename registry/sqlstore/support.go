package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const supportQuery = `SELECT p.id, p.org_id, p.user_id, u.email, u.name, p.role, p.reason, p.hours, p.state, p.created_at, p.decided_by, p.ends_at FROM support p JOIN users u ON u.id = p.user_id`

func scanSupport(r scanner) (p registry.Support, err error) {
	err = r.Scan(&p.ID, &p.OrgID, &p.UserID, &p.Email, &p.Name, &p.Role, &p.Reason, &p.Hours, &p.State, (*micros)(&p.CreatedAt), &p.DecidedBy, (*micros)(&p.EndsAt))
	return p, err
}

func errNoSupport() error {
	return registry.Errorf(registry.CodeNotFound, "support", "there is no such request for support access, or it was answered or has ended")
}

// Supports returns the requests for support access to an org, newest first; those that ended are kept for their record.
func (s *Store) Supports(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Support, error) {
	if _, err := s.Authorize(ctx, a, org, registry.ActionSupportRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanSupport, supportQuery+` WHERE p.org_id = $1 ORDER BY p.id DESC LIMIT 100`, org)
}

func (t *tx) support(org registry.OrgID, id registry.SupportID) (registry.Support, error) {
	return one(t.ctx, t, scanSupport, errNoSupport(), supportQuery+` WHERE p.id = $1 AND p.org_id = $2`, id, org)
}

// RequestSupport asks an org's owners for access for a while. For platform admins in person who are no
// members. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict (a member already, or asked already).
func (s *Store) RequestSupport(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewSupport) (p registry.Support, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionSupportRequest)
		if err != nil {
			return err
		}
		if !a.InPerson() {
			return registry.Errorf(registry.CodeForbidden, "", "support access is asked for in person")
		}
		if v.Role != "" {
			return registry.Errorf(registry.CodeConflict, "", "you are a member already").Because(registry.ReasonAlreadyMember)
		}
		if n, err = n.Clean(); err != nil {
			return err
		}
		var asked bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM support WHERE user_id = $1 AND state = 'waiting' AND org_id = $2 AND created_at > $3)`, a.User, org, us(t.now.Add(-registry.SupportWait))).Scan(&asked); err != nil {
			return err
		}
		if asked {
			return registry.Errorf(registry.CodeConflict, "", "you have asked already: an owner has to answer")
		}
		id := registry.SupportID(registry.NewID())
		if err := t.must(`INSERT INTO support (id, org_id, user_id, role, reason, hours, state, created_at) VALUES ($1,$2,$3,$4,$5,$6,'waiting',$7)`, id, org, a.User, n.Role, n.Reason, n.Hours, us(t.now)); err != nil {
			return err
		}
		if p, err = t.support(org, id); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeSupportRequested, OrgID: org, UserID: a.User}, p.Email, supportDetail(p)+": "+p.Reason)
	})
	return p, err
}

// supportOf is the access that somebody has to an org.
func (t *tx) supportOf(org registry.OrgID, id registry.UserID) (registry.Support, error) {
	return one(t.ctx, t, scanSupport, errNoSupport(), supportQuery+` WHERE p.user_id = $1 AND p.state = 'approved' AND p.org_id = $2`, id, org)
}

func supportDetail(p registry.Support) string {
	return string(p.Role) + " for " + (time.Duration(p.Hours) * time.Hour).String()
}

// DecideSupport answers a request. For the org's owners, and nobody in their stead. Errors: CodeForbidden, CodeNotFound.
func (s *Store) DecideSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID, d registry.Decision) (p registry.Support, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if _, err := t.allowed(org, registry.ActionSupportDecide); err != nil {
			return err
		}
		if p, err = t.support(org, id); err != nil {
			return err
		}
		if p.State != registry.SupportWaiting || p.CreatedAt.Before(t.now.Add(-registry.SupportWait)) {
			return errNoSupport()
		}
		u, err := t.userByID(p.UserID)
		if err != nil {
			return err
		}
		if d == registry.DecisionApprove && !u.PlatformAdmin {
			return registry.Errorf(registry.CodeConflict, "", "%s is no platform admin any more", u.Email)
		}
		if d == registry.DecisionDeny {
			if err := t.must(`UPDATE support SET state = 'denied', decided_by = $2 WHERE id = $1`, id, a.Name()); err != nil {
				return err
			}
			p.State = registry.SupportDenied
			return t.record(registry.Change{Kind: registry.ChangeSupportDenied, OrgID: org, UserID: u.ID}, u.Email, supportDetail(p))
		}
		p.State, p.DecidedBy, p.EndsAt = registry.SupportApproved, a.Name(), t.now.Add(time.Duration(p.Hours)*time.Hour)
		if err := t.must(`UPDATE support SET state = 'approved', decided_by = $2, ends_at = $3 WHERE id = $1`, id, p.DecidedBy, us(p.EndsAt)); err != nil {
			return err
		}
		n, err := t.exec(`INSERT INTO memberships (org_id, user_id, role, created_at, ends_at) VALUES ($1,$2,$3,$4,$5) ON CONFLICT DO NOTHING`, org, u.ID, p.Role, us(t.now), us(p.EndsAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return registry.Errorf(registry.CodeConflict, "", "%s is a member already", u.Email).Because(registry.ReasonAlreadyMember)
		}
		if err := t.note(registry.Change{Kind: registry.ChangeMemberAdded, OrgID: org, UserID: u.ID}); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeSupportApproved, OrgID: org, UserID: u.ID}, u.Email, supportDetail(p))
	})
	return p, err
}

// EndSupport ends a support access, or takes a request back: the org's admins and owners, and the platform admin's own. Errors: CodeForbidden, CodeNotFound.
func (s *Store) EndSupport(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.SupportID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.allowed(org, registry.ActionSupportRead); err != nil {
			return err
		}
		p, err := t.support(org, id)
		if err != nil {
			return err
		}
		if p.State != registry.SupportApproved && p.State != registry.SupportWaiting {
			return errNoSupport()
		}
		return t.endSupport(p, "")
	})
}

func (t *tx) endSupport(p registry.Support, why string) error {
	if err := t.must(`UPDATE support SET state = $3, ends_at =
		CASE WHEN state = 'approved' THEN {least ends_at, $2} ELSE 0 END WHERE id = $1`,
		p.ID, us(t.now), registry.SupportEnded); err != nil {
		return err
	}
	if p.State == registry.SupportApproved {
		n, err := t.exec(`DELETE FROM memberships WHERE org_id = $1 AND user_id = $2 AND ends_at > 0`, p.OrgID, p.UserID)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := t.note(registry.Change{Kind: registry.ChangeMemberRemoved, OrgID: p.OrgID, UserID: p.UserID}); err != nil {
				return err
			}
		}
	}
	if err := t.endApprovalsOf(p.UserID, p.OrgID); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeSupportEnded, OrgID: p.OrgID, UserID: p.UserID}, p.Email, why)
}

// FinishSupport ends the support accesses whose time is over. For the system.
func (s *Store) FinishSupport(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	const due = ` WHERE p.state = 'approved' AND p.ends_at <= $1`
	list, err := collect(ctx, s.read, scanSupport, supportQuery+due, us(s.now()))
	if err != nil || len(list) == 0 {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		list, err := collect(t.ctx, t, scanSupport, supportQuery+due, us(t.now))
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := t.endSupport(p, "its time is over"); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSupportOf ends what somebody has of support access in these states.
func (t *tx) endSupportOf(id registry.UserID, why string, states ...registry.SupportState) error {
	for _, state := range states {
		list, err := collect(t.ctx, t, scanSupport,
			supportQuery+` WHERE p.user_id = $1 AND p.state = $2`, id, state)
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := t.endSupport(p, why); err != nil {
				return err
			}
		}
	}
	return nil
}
