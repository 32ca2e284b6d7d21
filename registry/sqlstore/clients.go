package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/pizzaface/pizzeria/registry"
)

const clientQuery = `SELECT c.id, c.name, c.org_id, c.secret, c.redirect_uris, c.logout_uris, c.created_by, c.created_at, c.id_token_alg FROM clients c`

func scanClient(r scanner) (c registry.Client, err error) {
	var secret, redirects, logouts []byte
	if err = r.Scan(&c.ID, &c.Name, &c.OrgID, &secret, &redirects, &logouts, &c.CreatedBy, (*micros)(&c.CreatedAt), &c.IDTokenAlg); err != nil {
		return c, err
	}
	c.Public = secret == nil
	copy(c.Secret[:], secret)
	if err = json.Unmarshal(redirects, &c.RedirectURIs); err == nil {
		err = json.Unmarshal(logouts, &c.LogoutURIs)
	}
	return c, err
}

func errNoClient() error {
	return registry.Errorf(registry.CodeNotFound, "client", "no such app is registered")
}

// CreateClient registers an app; secret is the hash of its secret, and unused for a
// public one. For platform admins. Errors: CodeInvalid, CodeForbidden, CodeNotFound (org), CodeConflict (ClientsMax).
func (s *Store) CreateClient(ctx context.Context, a registry.Actor, n registry.NewClient, secret registry.Hash) (registry.Client, error) {
	c := registry.Client{ID: registry.ClientID(registry.NewID()), OrgID: n.OrgID, Public: n.Public, Secret: secret, CreatedBy: a.Name(), IDTokenAlg: n.IDTokenAlg}
	err := s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionClientManage); err != nil {
			return err
		}
		if err := setClient(&c, registry.ClientChange{Name: &n.Name, RedirectURIs: &n.RedirectURIs, LogoutURIs: &n.LogoutURIs}); err != nil {
			return err
		}
		if c.IDTokenAlg != "" && c.IDTokenAlg != registry.AlgRS256 {
			return registry.Errorf(registry.CodeInvalid, "id_token_signed_response_alg", "use RS256, or leave it out for what the installation signs with")
		}
		if c.OrgID != "" {
			if _, err := t.allowed(c.OrgID, registry.ActionOrgRead); err != nil {
				return err
			}
		}
		var have int
		if err := t.QueryRowContext(t.ctx, allRows+`SELECT count(*) FROM clients`).Scan(&have); err != nil {
			return err
		}
		if have >= registry.ClientsMax {
			return registry.Errorf(registry.CodeConflict, "", "there are %d apps already: delete one that is not used", have).Because(registry.ReasonLimitReached)
		}
		redirects, err := json.Marshal(c.RedirectURIs)
		if err != nil {
			return err
		}
		logouts, err := json.Marshal(c.LogoutURIs)
		if err != nil {
			return err
		}
		hash := secret[:]
		if c.Public {
			hash = nil
		}
		c.CreatedAt = t.now
		if err := t.must(`INSERT INTO clients (id, name, org_id, secret, redirect_uris, logout_uris, created_by, created_at, id_token_alg) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
			c.ID, c.Name, c.OrgID, hash, string(redirects), string(logouts), c.CreatedBy, us(c.CreatedAt), c.IDTokenAlg); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeClientCreated, OrgID: c.OrgID}, c.Name, string(redirects))
	})
	return c, err
}

// setClient makes a change of an app, and checks it. Error: CodeInvalid.
func setClient(c *registry.Client, n registry.ClientChange) (err error) {
	if n.Name != nil {
		if c.Name, err = registry.CleanName(*n.Name); err != nil {
			return err
		}
	}
	if n.RedirectURIs != nil {
		if c.RedirectURIs, err = registry.CleanClientURIs("redirect_uris", *n.RedirectURIs); err != nil {
			return err
		}
		if len(c.RedirectURIs) == 0 {
			return registry.Errorf(registry.CodeInvalid, "redirect_uris", "name at least one address that people come back to after they signed in")
		}
	}
	if n.LogoutURIs != nil {
		c.LogoutURIs, err = registry.CleanClientURIs("post_logout_redirect_uris", *n.LogoutURIs)
	}
	return err
}

// UpdateClient changes an app. Codes that were sent to an address that is no longer its end. For
// platform admins. Errors: CodeInvalid, CodeNotFound.
func (s *Store) UpdateClient(
	ctx context.Context, a registry.Actor, id registry.ClientID, n registry.ClientChange,
) (c registry.Client, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if c, err = t.client(id); err != nil {
			return err
		}
		if err := setClient(&c, n); err != nil {
			return err
		}
		redirects, err := json.Marshal(c.RedirectURIs)
		if err != nil {
			return err
		}
		logouts, err := json.Marshal(c.LogoutURIs)
		if err != nil {
			return err
		}
		if err := t.must(`UPDATE clients SET name = $2, redirect_uris = $3, logout_uris = $4 WHERE id = $1`,
			id, c.Name, string(redirects), string(logouts)); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM codes WHERE client_id = $1 AND grant_id <> ''
			AND redirect_uri NOT IN (SELECT j.value FROM {each $2} j)`, id, string(redirects)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeClientChanged, OrgID: c.OrgID}, c.Name, string(redirects))
	})
	return c, err
}

// Clients returns the registered apps by name. For platform admins.
func (s *Store) Clients(ctx context.Context, a registry.Actor) ([]registry.Client, error) {
	if err := s.may(a, registry.ActionClientRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanClient, clientQuery+` ORDER BY {fold c.name}, c.id`)
}

// Client returns a registered app. For platform admins and the system. Error: CodeNotFound.
func (s *Store) Client(ctx context.Context, a registry.Actor, id registry.ClientID) (registry.Client, error) {
	if err := s.may(a, registry.ActionClientRead); err != nil {
		return registry.Client{}, err
	}
	return one(ctx, s.read, scanClient, errNoClient(), clientQuery+` WHERE c.id = $1`, id)
}

// SetClientSecret replaces the hash of an app's secret. For platform admins. Errors: CodeNotFound, CodeConflict (a public client).
func (s *Store) SetClientSecret(ctx context.Context, a registry.Actor, id registry.ClientID, secret registry.Hash) (c registry.Client, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if c, err = t.client(id); err != nil {
			return err
		}
		if c.Public {
			return registry.Errorf(registry.CodeConflict, "client", "a public client has no secret")
		}
		if err := t.must(`UPDATE clients SET secret = $2 WHERE id = $1`, id, secret[:]); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeClientChanged, OrgID: c.OrgID}, c.Name, "new secret")
	})
	return c, err
}

// DeleteClient ends an app: its codes and tokens with it. For platform admins. Error: CodeNotFound.
func (s *Store) DeleteClient(ctx context.Context, a registry.Actor, id registry.ClientID) error {
	return s.recording(ctx, a, func(t *tx) error {
		c, err := t.client(id)
		if err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM codes WHERE client_id = $1 AND grant_id <> ''`, `DELETE FROM grants WHERE client_id = $1`, `DELETE FROM clients WHERE id = $1`} {
			if _, err := t.exec(q, id); err != nil {
				return err
			}
		}
		return t.record(registry.Change{Kind: registry.ChangeClientDeleted, OrgID: c.OrgID}, c.Name, "")
	})
}

// client returns an app that the actor may change.
func (t *tx) client(id registry.ClientID) (registry.Client, error) {
	if err := t.may(registry.ActionClientManage); err != nil {
		return registry.Client{}, err
	}
	return one(t.ctx, t, scanClient, errNoClient(), clientQuery+` WHERE c.id = $1`, id)
}
