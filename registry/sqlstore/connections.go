package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/pizzaface/pizzeria/registry"
)

const connectionQuery = `SELECT c.id, c.org_id, c.kind, c.name, c.issuer, c.client_id, c.sealed, c.scopes, c.sign_up, c.required, c.trust_email, c.roles_claim, c.roles, c.default_role, c.created_by, c.created_at,
	CASE WHEN c.roles_claim = '' THEN 0 ELSE (SELECT count(*) FROM identities i WHERE i.connection_id = c.id AND i.undelivered <> '') END FROM connections c`

func scanConnection(r scanner) (c registry.Connection, err error) {
	var scopes, roles []byte
	if err = r.Scan(&c.ID, &c.OrgID, &c.Kind, &c.Name, &c.Issuer, &c.ClientID, &c.Sealed, &scopes, &c.SignUp, &c.Required, &c.TrustEmail, &c.RolesClaim, &roles, &c.DefaultRole, &c.CreatedBy, (*micros)(&c.CreatedAt), &c.Undelivered); err != nil {
		return c, err
	}
	if err = json.Unmarshal(scopes, &c.Scopes); err == nil {
		err = json.Unmarshal(roles, &c.Roles)
	}
	return c, err
}

func errNoConnection() error {
	return registry.Errorf(registry.CodeNotFound, "connection", "there is no such connection")
}

// Connections returns an org's connections, or with "" the operator's, oldest first.
func (s *Store) Connections(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Connection, error) {
	if _, err := s.either(ctx, a, org, registry.ActionSignInRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanConnection, connectionQuery+` WHERE c.org_id = $1 ORDER BY c.id`, org)
}

// Connection returns one connection. For the system, which signs people in. Error: CodeNotFound.
func (s *Store) Connection(ctx context.Context, a registry.Actor, id registry.ConnectionID) (registry.Connection, error) {
	if err := only(a); err != nil {
		return registry.Connection{}, err
	}
	return one(ctx, s.read, scanConnection, errNoConnection(), connectionQuery+` WHERE c.id = $1`, id)
}

// ConnectionsOfDomain returns the connections of the org that an e-mail domain is known to belong to. For the system.
func (s *Store) ConnectionsOfDomain(ctx context.Context, a registry.Actor, domain string) ([]registry.Connection, error) {
	if err := only(a); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanConnection, connectionQuery+` JOIN domains d ON d.org_id = c.org_id AND d.domain = $1 AND d.verified_at > 0 ORDER BY c.id`, domain)
}

func (t *tx) connection(id registry.ConnectionID) (registry.Connection, error) {
	return one(t.ctx, t, scanConnection, errNoConnection(), connectionQuery+` WHERE c.id = $1`, id)
}

func (t *tx) connectionOf(org registry.OrgID, id registry.ConnectionID) (registry.Connection, error) {
	return one(t.ctx, t, scanConnection, errNoConnection(), connectionQuery+` WHERE c.id = $1 AND c.org_id = $2`, id, org)
}

// CreateConnection makes a connection of an org, or with OrgID "" the operator's; c.ID names it. Errors: CodeInvalid, CodeForbidden, CodeNotFound, CodeConflict (ConnectionsMax).
func (s *Store) CreateConnection(ctx context.Context, a registry.Actor, c registry.Connection) (registry.Connection, error) {
	err := s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(c.OrgID, registry.ActionSignInManage); err != nil {
			return err
		}
		if c.Kind != registry.ConnectionOIDC {
			return registry.Errorf(registry.CodeInvalid, "kind", "%q is no kind of connection: use oidc", string(c.Kind))
		}
		var err error
		if c.ConnectionSpec, err = c.Clean(c.OrgID); err != nil {
			return err
		}
		var have int
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM connections WHERE org_id = $1`, c.OrgID).Scan(&have); err != nil {
			return err
		}
		if have >= registry.ConnectionsMax {
			return registry.Errorf(registry.CodeConflict, "", "there are %d connections already: delete one first", have).Because(registry.ReasonLimitReached)
		}
		if err := t.lasting(c.OrgID, registry.RoleOwner, "say by which provider people sign in"); err != nil {
			return err
		}
		c.CreatedBy, c.CreatedAt = a.Name(), t.now
		scopes, roles := text(c.Scopes), text(c.Roles)
		if err := t.must(`INSERT INTO connections (id, org_id, kind, name, issuer, client_id, sealed, scopes, sign_up, required, roles_claim, roles, default_role, created_by, created_at, trust_email)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)`,
			c.ID, c.OrgID, c.Kind, c.Name, c.Issuer, c.ClientID, c.Sealed, scopes, c.SignUp, c.Required, c.RolesClaim, roles, c.DefaultRole, c.CreatedBy, us(c.CreatedAt), c.TrustEmail); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeConnectionCreated, OrgID: c.OrgID}, c.Name, c.Issuer); err != nil {
			return err
		}
		return t.requireSSO(c.OrgID)
	})
	return c, err
}

// text is a list as it is stored.
func text(list any) string {
	b, _ := json.Marshal(list) // strings alone: it cannot fail
	return string(b)
}

// UpdateConnection changes a connection. Another issuer or client is another connection: who is linked by the old one
// would be somebody else there. Errors: CodeInvalid, CodeForbidden, CodeNotFound.
func (s *Store) UpdateConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID, change registry.ConnectionChange) (c registry.Connection, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(org, registry.ActionSignInManage); err != nil {
			return err
		}
		if c, err = t.connectionOf(org, id); err != nil {
			return err
		}
		if err := registry.CheckVersion(change.Version, c.Version()); err != nil {
			return err
		}
		spec, err := change.Spec.Clean(org)
		if err != nil {
			return err
		}
		if spec.Issuer != c.Issuer || spec.ClientID != c.ClientID {
			return registry.Errorf(registry.CodeInvalid, "issuer", "the issuer and the client stay as they are: make another connection for another provider")
		}
		if err := t.lasting(org, registry.RoleOwner, "say by which provider people sign in"); err != nil {
			return err
		}
		if spec.RolesClaim != c.RolesClaim { // of the new one nothing is known
			if _, err := t.exec(`UPDATE identities SET undelivered = '' WHERE connection_id = $1`, id); err != nil {
				return err
			}
			c.Undelivered = 0
		}
		c.ConnectionSpec = spec
		if change.Secret != nil {
			c.Sealed = *change.Secret
		}
		if err := t.must(`UPDATE connections SET name = $2, sealed = $3, scopes = $4, sign_up = $5, required = $6, roles_claim = $7, roles = $8, default_role = $9, trust_email = $10 WHERE id = $1`,
			id, c.Name, c.Sealed, text(c.Scopes), c.SignUp, c.Required, c.RolesClaim, text(c.Roles), c.DefaultRole, c.TrustEmail); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeConnectionChanged, OrgID: org}, c.Name, c.Issuer); err != nil {
			return err
		}
		return t.requireSSO(org)
	})
	return c, err
}

// DeleteConnection deletes a connection with its links to accounts, and ends the sessions that were made by it. Errors: CodeForbidden, CodeNotFound.
func (s *Store) DeleteConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(org, registry.ActionSignInManage); err != nil {
			return err
		}
		c, err := t.connectionOf(org, id)
		if err != nil {
			return err
		}
		if err := t.endSessionsBy(id, ""); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM identities WHERE connection_id = $1`, id); err != nil {
			return err
		}
		if err := t.must(`DELETE FROM connections WHERE id = $1`, id); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeConnectionDeleted, OrgID: org}, c.Name, c.Issuer); err != nil {
			return err
		}
		return t.requireSSO(org)
	})
}

// endSessionsBy ends the live sessions that were made by a connection: of one account, or with "" of all.
func (t *tx) endSessionsBy(id registry.ConnectionID, of registry.UserID) error {
	type pair struct {
		s registry.SessionID
		u registry.UserID
	}
	list, err := collect(t.ctx, t, func(r scanner) (p pair, err error) {
		err = r.Scan(&p.s, &p.u)
		return p, err
	}, `SELECT id, user_id FROM sessions WHERE connection_id = $1 AND connection_id <> '' AND revoked_at IS NULL AND ($2 = '' OR user_id = $2)`, id, of)
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := t.revokeSession(p.s, p.u); err != nil {
			return err
		}
	}
	return nil
}

// requireSSO notes whether one of an org's connections is required.
func (t *tx) requireSSO(org registry.OrgID) error {
	if org == "" {
		return nil
	}
	n, err := t.exec(`UPDATE orgs SET sso_required = NOT sso_required
		WHERE id = $1 AND sso_required <> EXISTS (SELECT 1 FROM connections WHERE org_id = $1 AND required = {true})`, org)
	if err != nil || n == 0 {
		return err
	}
	var required bool
	if err := t.QueryRowContext(t.ctx, `SELECT sso_required FROM orgs WHERE id = $1`, org).Scan(&required); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: org}, "company sign-in", map[bool]string{true: "required", false: "not required any more"}[required])
}

// signInPolicy reads an org whose sign-in policy is about to change. Errors: CodeForbidden, CodeNotFound,
// CodeVersionConflict (version is not current; "" is any).
func (t *tx) signInPolicy(org registry.OrgID, version string) (registry.OrgView, error) {
	if org == "" {
		return registry.OrgView{}, errNoOrg()
	}
	v, err := t.either(org, registry.ActionSignInManage)
	if err == nil {
		err = registry.CheckVersion(version, v.SignInPolicyVersion())
	}
	return v, err
}

// RequireSecondStep says whether an org asks its people for a second step. version is of the policy
// that the caller has seen, "" for any. Errors: CodeForbidden, CodeNotFound, CodeVersionConflict.
func (s *Store) RequireSecondStep(ctx context.Context, a registry.Actor, org registry.OrgID, version string, required bool) error {
	return s.recording(ctx, a, func(t *tx) error {
		v, err := t.signInPolicy(org, version)
		if err != nil || v.SecondStepRequired == required {
			return err
		}
		if err := t.must(`UPDATE orgs SET second_step_required = $2 WHERE id = $1`, org, required); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeOrgSignIn, OrgID: org}, "second step", map[bool]string{true: "required", false: "not required any more"}[required])
	})
}
