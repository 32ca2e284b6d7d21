package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

const approvalQuery = `SELECT p.id, p.org_id, o.name, p.kind, p.user_id, p.email, p.role, p.was,
	p.reason, p.asked_by, p.asked_by_id, p.state, p.created_at, p.expires_at,
	p.effective_at, p.decided_by
	FROM approvals p JOIN orgs o ON o.id = p.org_id`

func scanApproval(r scanner) (p registry.Approval, err error) {
	err = r.Scan(&p.ID, &p.OrgID, &p.OrgName, &p.Kind, &p.UserID, &p.Email, &p.Role, &p.Was, &p.Reason,
		&p.AskedBy, &p.AskedByID, &p.State, (*micros)(&p.CreatedAt), (*micros)(&p.ExpiresAt),
		(*micros)(&p.EffectiveAt), &p.DecidedBy)
	return p, err
}

func errNoApproval() error {
	return registry.Errorf(registry.CodeNotFound, "approval",
		"there is no such request, or it was answered, taken back or has expired")
}

// Approvals returns the requests about an org, newest first. Members below admin see what would
// make an owner without one, and nothing else.
func (s *Store) Approvals(
	ctx context.Context, a registry.Actor, org registry.OrgID,
) ([]registry.Approval, error) {
	v, err := s.Authorize(ctx, a, org, registry.ActionApprovalRead)
	if err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanApproval, approvalQuery+`
		WHERE p.org_id = $1 AND ($2 OR p.kind = 'break_glass') ORDER BY p.id DESC LIMIT 100`,
		org, registry.Allows(a, v.Role, registry.ActionMemberInvite))
}

// Returns returns the requests that somebody may come back to orgs and that wait: one's own, or
// anybody's for the system.
func (s *Store) Returns(
	ctx context.Context, a registry.Actor, id registry.UserID,
) ([]registry.Approval, error) {
	if !a.IsSystem() && (!a.InPerson() || a.User != id) {
		return nil, errNobody()
	}
	return collect(ctx, s.read, scanApproval, approvalQuery+`
		WHERE p.user_id = $1 AND p.kind = 'return' AND p.state = 'waiting' ORDER BY p.id`, id)
}

// RequestApproval asks an org's owners for what ErrOwnerApproves refused. For whoever may do it
// in an org without an owner. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict (asked already,
// ApprovalsMax).
func (s *Store) RequestApproval(
	ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewApproval,
) (p registry.Approval, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		p = registry.Approval{OrgID: org, Kind: n.Kind, Role: n.Role}
		if err := registry.CheckRole(n.Role); err != nil {
			return err
		}
		switch n.Kind {
		case registry.ApprovalInvite:
			v, err := t.allowed(org, registry.ActionMemberInvite)
			if err != nil {
				return err
			}
			if p.Email, err = t.invitable(v, n.Email, n.Role); err != nil {
				return err
			}
		case registry.ApprovalRole:
			v, err := t.allowed(org, registry.ActionMemberChange)
			if err != nil {
				return err
			}
			m, err := t.changeable(v, n.User, n.Role)
			if err != nil {
				return err
			}
			if m.Role == n.Role {
				return registry.Errorf(registry.CodeConflict, "role", "%s has this role", m.Email)
			}
			p.UserID, p.Email, p.Was = m.UserID, m.Email, m.Role
		default:
			return registry.Errorf(registry.CodeInvalid, "kind", "nobody asks for %q", string(n.Kind))
		}
		p.ExpiresAt = t.now.Add(registry.ApprovalLife)
		p.AskedBy, p.AskedByID = a.Name(), a.User
		p, err = t.ask(p)
		return err
	})
	return p, err
}

// ask puts a request before an org's owners.
func (t *tx) ask(p registry.Approval) (registry.Approval, error) {
	var waiting int
	var asked bool
	if err := t.QueryRowContext(t.ctx, `SELECT count(*), count(*) FILTER (WHERE kind = $2 AND email = $3) > 0
		FROM approvals WHERE org_id = $1 AND state = 'waiting'`,
		p.OrgID, p.Kind, p.Email).Scan(&waiting, &asked); err != nil {
		return p, err
	}
	switch {
	case asked:
		return p, registry.Errorf(registry.CodeConflict, "",
			"this was asked for about %s already: an owner has to answer, or take it back", p.Email)
	case waiting >= registry.ApprovalsMax && p.Kind != registry.ApprovalReturn:
		return p, registry.Errorf(registry.CodeConflict, "",
			"%d requests wait for the org's owners already: take one back", waiting)
	}
	if err := t.QueryRowContext(t.ctx, `SELECT name FROM orgs WHERE id = $1`, p.OrgID).
		Scan(&p.OrgName); err != nil {
		return p, err
	}
	p.ID, p.State = registry.ApprovalID(registry.NewID()), registry.ApprovalWaiting
	p.CreatedAt = t.now
	if err := t.must(`INSERT INTO approvals (id, org_id, kind, user_id, email, role, was, reason,
		asked_by, asked_by_id, state, created_at, expires_at, effective_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)`, p.ID, p.OrgID, p.Kind, p.UserID,
		p.Email, p.Role, p.Was, p.Reason, p.AskedBy, p.AskedByID, p.State, us(p.CreatedAt),
		us(p.ExpiresAt), us(p.EffectiveAt)); err != nil {
		return p, err
	}
	kind := registry.ChangeApprovalRequested
	if p.Kind == registry.ApprovalReturn {
		kind = registry.ChangeMemberHeld
	}
	return p, t.recordApproval(kind, p)
}

func (t *tx) recordApproval(kind registry.ChangeKind, p registry.Approval) error {
	detail := string(p.Kind) + " as " + string(p.Role)
	if p.Was != "" {
		detail = string(p.Kind) + " " + string(p.Was) + " -> " + string(p.Role)
	}
	if p.Reason != "" {
		detail += ", " + p.Reason
	}
	return t.record(registry.Change{Kind: kind, OrgID: p.OrgID, UserID: p.UserID}, p.Email, detail)
}

// waiting returns a request that can be answered.
func (t *tx) waiting(org registry.OrgID, id registry.ApprovalID) (registry.Approval, error) {
	return one(t.ctx, t, scanApproval, errNoApproval(), approvalQuery+`
		WHERE p.id = $1 AND p.org_id = $2 AND p.state = 'waiting'
		AND (p.expires_at = 0 OR p.expires_at > $3)`, id, org, us(t.now))
}

// EndApproval takes a request back. For platform admins and the operator. Nobody takes back that
// somebody is kept out. Errors: CodeForbidden, CodeNotFound.
func (s *Store) EndApproval(
	ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID,
) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.allowed(org, registry.ActionApprovalEnd); err != nil {
			return err
		}
		p, err := t.waiting(org, id)
		if err != nil {
			return err
		}
		if p.Kind == registry.ApprovalReturn {
			return registry.Errorf(registry.CodeForbidden, "", "an owner answers this")
		}
		return t.settle(p, registry.ApprovalEnded)
	})
}

// settle ends the wait of a request, once.
func (t *tx) settle(p registry.Approval, state registry.ApprovalState) error {
	by := ""
	if state == registry.ApprovalApproved || state == registry.ApprovalRefused {
		by = t.actor.Name()
	}
	if err := t.must(`UPDATE approvals SET state = $2, decided_by = $3
		WHERE id = $1 AND state = 'waiting'`, p.ID, state, by); err != nil {
		return err
	}
	return t.recordApproval(map[registry.ApprovalState]registry.ChangeKind{
		registry.ApprovalApproved: registry.ChangeApprovalApproved,
		registry.ApprovalRefused:  registry.ChangeApprovalRefused,
		registry.ApprovalEnded:    registry.ChangeApprovalEnded,
		registry.ApprovalDone:     registry.ChangeApprovalEffective,
	}[state], p)
}

// endApprovalsOf ends what somebody asked for, who may ask no more: everywhere, or in one org.
func (t *tx) endApprovalsOf(id registry.UserID, org registry.OrgID) error {
	return t.endApprovals(`p.asked_by_id = $1 AND p.kind <> 'return' AND $2 IN ('', p.org_id)`,
		id, org)
}

// endApprovalsAbout ends what waits about a member of an org who is one no more.
func (t *tx) endApprovalsAbout(id registry.UserID, org registry.OrgID) error {
	return t.endApprovals(`p.user_id = $1 AND p.kind <> 'break_glass' AND p.org_id = $2`, id, org)
}

func (t *tx) endApprovals(where string, id registry.UserID, org registry.OrgID) error {
	list, err := collect(t.ctx, t, scanApproval, approvalQuery+`
		WHERE p.state = 'waiting' AND `+where, id, org)
	for _, p := range list {
		if err := t.settle(p, registry.ApprovalEnded); err != nil {
			return err
		}
	}
	return err
}

// FinishApprovals makes what nobody refused in time take effect, and ends what has expired. For
// the system.
func (s *Store) FinishApprovals(ctx context.Context, a registry.Actor) error {
	if err := only(a); err != nil {
		return err
	}
	const due = ` WHERE p.state = 'waiting' AND (p.effective_at > 0 AND p.effective_at <= $1
		OR p.expires_at > 0 AND p.expires_at <= $1)`
	list, err := collect(ctx, s.read, scanApproval, approvalQuery+due, us(s.now()))
	if err != nil || len(list) == 0 {
		return err
	}
	return s.recording(ctx, a, func(t *tx) error {
		list, err := collect(t.ctx, t, scanApproval, approvalQuery+due, us(t.now))
		if err != nil {
			return err
		}
		for _, p := range list {
			state := registry.ApprovalEnded
			if !p.EffectiveAt.IsZero() {
				state = registry.ApprovalDone
			}
			if err := t.settle(p, state); err != nil {
				return err
			}
			if state == registry.ApprovalEnded {
				continue
			}
			if err := t.carryOut(p); err != nil {
				return err
			}
		}
		return nil
	})
}
