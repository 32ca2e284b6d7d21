package sqlstore

import "github.com/pizzaface/pizzeria/registry"

// inside refuses whoever gives access to an org without a lasting role there of at least least,
// while the org has an owner: being a platform admin, the operator, or here for support is not
// enough. Error: ErrOwnerApproves.
func (t *tx) inside(org registry.OrgID, least registry.Role) error {
	if t.actor.IsSystem() {
		return nil
	}
	_, role := t.actor.Only() // of a key of the org's own
	var owned bool
	if err := t.QueryRowContext(t.ctx, `SELECT
		EXISTS (SELECT 1 FROM memberships WHERE org_id = $1 AND role = 'owner'),
		COALESCE((SELECT role FROM memberships
			WHERE org_id = $1 AND user_id = $2 AND ends_at = 0 AND held_at = 0), $3)`,
		org, t.actor.User, role).Scan(&owned, &role); err != nil {
		return err
	}
	if owned && !role.AtLeast(least) {
		return registry.ErrOwnerApproves
	}
	return nil
}

// lasting is inside for what nobody can ask an owner to approve. what completes "only lasting
// members". Error: CodeForbidden.
func (t *tx) lasting(org registry.OrgID, least registry.Role, what string) error {
	if org == "" {
		return nil
	}
	err := t.inside(org, least)
	if err == registry.ErrOwnerApproves { //nolint:errorlint // it is this one
		return registry.ErrFromOutside(what)
	}
	return err
}

// apart reports whether an account is a member of an org that has an owner, other than org.
func (t *tx) apart(id registry.UserID, org registry.OrgID) (yes bool, err error) {
	err = t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM memberships m
		WHERE m.user_id = $1 AND m.ends_at = 0 AND m.org_id <> $2
		AND EXISTS (SELECT 1 FROM memberships o WHERE o.org_id = m.org_id AND o.role = 'owner'))`,
		id, org).Scan(&yes)
	return yes, err
}
