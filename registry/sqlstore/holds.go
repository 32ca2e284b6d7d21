package sqlstore

import "github.com/pizzaface/pizzeria/registry"

func errHeld() error {
	return registry.Errorf(registry.CodeForbidden, "", "a platform admin changed how you sign in: an "+
		"owner of this org has to confirm that it is you")
}

// hold keeps somebody out of the orgs that have an owner, because an admin changed how they sign
// in and could be them now. Another owner of each org says that they may return; or they show it
// themselves, see unholdBy. Where there is no other owner, they return after BreakGlassWait.
// askedBy is the admin.
func (t *tx) hold(u registry.User, askedBy registry.UserID, why string) error {
	name := "operator"
	if askedBy != "" {
		by, err := t.userByID(askedBy)
		if err != nil {
			return err
		}
		name = by.Email
	}
	type held struct {
		org   registry.OrgID
		role  registry.Role
		other bool // there is another owner to ask
	}
	list, err := collect(t.ctx, t, func(r scanner) (h held, err error) {
		err = r.Scan(&h.org, &h.role, &h.other)
		return h, err
	}, `SELECT m.org_id, m.role, EXISTS (SELECT 1 FROM memberships o WHERE o.org_id = m.org_id
			AND o.role = 'owner' AND o.held_at = 0 AND o.user_id <> m.user_id)
		FROM memberships m WHERE m.user_id = $1 AND m.ends_at = 0 AND m.held_at = 0
		AND EXISTS (SELECT 1 FROM memberships o WHERE o.org_id = m.org_id AND o.role = 'owner')`,
		u.ID)
	if err != nil {
		return err
	}
	for _, h := range list {
		if err := t.must(`UPDATE memberships SET held_at = $3 WHERE org_id = $1 AND user_id = $2`,
			h.org, u.ID, us(t.now)); err != nil {
			return err
		}
		p := registry.Approval{OrgID: h.org, Kind: registry.ApprovalReturn, UserID: u.ID,
			Email: u.Email, Role: h.role, Reason: why, AskedBy: name, AskedByID: askedBy}
		if !h.other {
			p.EffectiveAt = t.now.Add(registry.BreakGlassWait)
		}
		if _, err := t.ask(p); err != nil {
			return err
		}
		// What they have open there is judged again.
		if err := t.note(registry.Change{Kind: registry.ChangeMemberChanged, OrgID: h.org,
			UserID: u.ID}); err != nil {
			return err
		}
	}
	return nil
}

// unhold lets a member return.
func (t *tx) unhold(p registry.Approval) error {
	n, err := t.exec(`UPDATE memberships SET held_at = 0
		WHERE org_id = $1 AND user_id = $2 AND held_at > 0`, p.OrgID, p.UserID)
	if err != nil || n == 0 {
		return err
	}
	return t.recordApproval(registry.ChangeMemberReturned, p)
}

// unholdBy lets somebody return to every org who showed something that they had before they were
// held and that no admin could give them. since is when they had it first, in microseconds; email
// is the address that it was sent to, or "".
func (t *tx) unholdBy(id registry.UserID, since int64, email string) error {
	list, err := collect(t.ctx, t, scanApproval, approvalQuery+`
		JOIN memberships m ON m.org_id = p.org_id AND m.user_id = p.user_id AND m.held_at > $2
		WHERE p.user_id = $1 AND p.kind = 'return' AND p.state IN ('waiting', 'refused')
		AND p.id = (SELECT max(id) FROM approvals
			WHERE org_id = p.org_id AND user_id = $1 AND kind = 'return')
		AND ($3 = '' OR p.email = $3) ORDER BY p.id`, id, since, email)
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.State == registry.ApprovalWaiting {
			if err := t.settle(p, registry.ApprovalDone); err != nil {
				return err
			}
		}
		if err := t.unhold(p); err != nil {
			return err
		}
	}
	return nil
}

// resetBy is for a password that was replaced by a link. A mailed one shows who has the address;
// one that an admin was shown could have been used by them.
func (t *tx) resetBy(u registry.User, l registry.Link) error {
	if !l.Mailed {
		return t.hold(u, l.CreatedBy, "password replaced by a link")
	}
	return t.unholdBy(u.ID, 0, u.Email)
}

// unholdByFactor is for somebody who used a second factor.
func (t *tx) unholdByFactor(id registry.FactorID) error {
	var user registry.UserID
	var since int64
	if err := t.QueryRowContext(t.ctx, `SELECT user_id, created_at FROM factors WHERE id = $1`,
		id).Scan(&user, &since); err != nil {
		return err
	}
	return t.unholdBy(user, since, "")
}

// tellOrgs writes what an admin did to a member into the log of every org that has an owner.
func (t *tx) tellOrgs(u registry.User, what registry.ChangeKind) error {
	orgs, err := collect(t.ctx, t, func(r scanner) (id registry.OrgID, err error) {
		err = r.Scan(&id)
		return id, err
	}, `SELECT m.org_id FROM memberships m WHERE m.user_id = $1 AND m.ends_at = 0
		AND EXISTS (SELECT 1 FROM memberships o WHERE o.org_id = m.org_id AND o.role = 'owner')
		ORDER BY m.org_id`, u.ID)
	for _, org := range orgs {
		c := registry.Change{Kind: what, OrgID: org, UserID: u.ID}
		if err := t.record(c, u.Email, ""); err != nil {
			return err
		}
	}
	return err
}
