package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// DecideApproval answers a request. For the org's owners in person; admins may refuse that
// somebody returns. Nobody approves what they asked for, or what is about themselves. An approved
// invitation is the owner's own, with secret, and returned. Errors: CodeForbidden, CodeNotFound, CodeConflict
// (its ground is gone).
func (s *Store) DecideApproval(
	ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID,
	d registry.Decision, secret registry.Hash,
) (p registry.Approval, l registry.Link, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		action := registry.ActionApprovalDecide
		if d == registry.DecisionDeny {
			action = registry.ActionApprovalRefuse
		}
		v, err := t.allowed(org, action)
		if err != nil {
			return err
		}
		if !a.InPerson() {
			return registry.Errorf(registry.CodeForbidden, "", "an owner answers in person")
		}
		if p, err = t.waiting(org, id); err != nil {
			return err
		}
		if d == registry.DecisionDeny {
			if p.Kind != registry.ApprovalReturn && v.Role != registry.RoleOwner {
				return errOwnersAnswer()
			}
			p.State, p.DecidedBy = registry.ApprovalRefused, a.Name()
			return t.settle(p, p.State)
		}
		if a.User == p.AskedByID || a.User == p.UserID {
			return errOwnAffair()
		}
		p.State, p.DecidedBy = registry.ApprovalApproved, a.Name()
		if err := t.settle(p, p.State); err != nil {
			return err
		}
		if p.Kind == registry.ApprovalInvite {
			l, err = t.invite(v, p.Email, p.Role, secret)
			return err
		}
		return t.carryOut(p)
	})
	return p, l, err
}

func errOwnersAnswer() error {
	return registry.Errorf(registry.CodeForbidden, "", "an owner of the org answers this")
}

func errOwnAffair() error {
	return registry.Errorf(registry.CodeForbidden, "", "another owner answers what you asked for, or "+
		"what is about you")
}

// carryOut does what a request was for, other than an invitation.
func (t *tx) carryOut(p registry.Approval) error {
	switch p.Kind {
	case registry.ApprovalReturn:
		return t.unhold(p)
	case registry.ApprovalBreakGlass:
		return t.makeOwner(p)
	}
	m, err := t.member(p.OrgID, p.UserID)
	if err != nil {
		return err
	}
	if m.Role != p.Was || !m.EndsAt.IsZero() {
		return registry.Errorf(registry.CodeConflict, "role",
			"%s has another role than when this was asked for: refuse it", m.Email)
	}
	return t.setRole(m, p.Role)
}

// BreakGlass asks that an account becomes an owner of an org whose owners are gone. It does after
// BreakGlassWait, unless an owner refuses it before. For the operator. Errors: CodeForbidden,
// CodeNotFound, CodeConflict.
func (s *Store) BreakGlass(
	ctx context.Context, a registry.Actor, org registry.OrgID, email string,
) (p registry.Approval, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		v, err := t.allowed(org, registry.ActionOrgBreakGlass)
		if err != nil {
			return err
		}
		if email, err = registry.CleanEmail(email); err != nil {
			return err
		}
		u, err := one(t.ctx, t, scanUser, registry.Errorf(registry.CodeNotFound, "owner",
			"nobody with the address %s has an account: create it first", email),
			`SELECT `+userColumns+` FROM users u WHERE u.email = $1`, email)
		if err != nil {
			return err
		}
		m, err := t.member(org, u.ID)
		if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
			return err
		}
		if m.Role == registry.RoleOwner {
			return registry.Errorf(registry.CodeConflict, "owner", "%s is an owner of %s", email, v.Name)
		}
		if hijackable(u) {
			return errUnverified(u, "owner")
		}
		p, err = t.ask(registry.Approval{OrgID: org, Kind: registry.ApprovalBreakGlass,
			UserID: u.ID, Email: u.Email, Role: registry.RoleOwner, AskedBy: a.Name(),
			EffectiveAt: t.now.Add(registry.BreakGlassWait)})
		return err
	})
	return p, err
}

// makeOwner makes an account an owner, whatever it was before.
func (t *tx) makeOwner(p registry.Approval) error {
	u, err := t.userByID(p.UserID)
	if err != nil {
		return err
	}
	m, err := t.member(p.OrgID, u.ID)
	if registry.ErrorCode(err) == registry.CodeNotFound {
		return t.addMember(p.OrgID, u, p.Role, "")
	}
	if err != nil {
		return err
	}
	if !m.EndsAt.IsZero() {
		s, err := t.supportOf(p.OrgID, u.ID)
		if err != nil {
			return err
		}
		if err := t.endSupport(s, "became an owner"); err != nil {
			return err
		}
		return t.addMember(p.OrgID, u, p.Role, "")
	}
	return t.setRole(m, p.Role)
}
