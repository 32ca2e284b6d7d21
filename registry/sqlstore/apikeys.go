package sqlstore

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const apiKeyQuery = `SELECT k.id, k.kind, k.name, k.user_id, k.org_id, k.role, k.scopes, k.created_by, k.created_at, k.expires_at, k.last_used_at, k.last_used_address
	FROM api_keys k WHERE k.expires_at > $1`

func scanAPIKey(r scanner) (k registry.APIKey, err error) {
	var scopes registry.ScopeSet
	err = r.Scan(&k.ID, &k.Kind, &k.Name, &k.UserID, &k.OrgID, &k.Role, &scopes, &k.CreatedBy, (*micros)(&k.CreatedAt), (*micros)(&k.ExpiresAt), (*micros)(&k.LastUsedAt), &k.LastUsedAddress)
	k.Scopes = scopes.List()
	return k, err
}

func errNoKey() error {
	return registry.Errorf(registry.CodeNotFound, "", "no such key, or it has expired")
}

// CreateAPIKey makes the actor's own key, or with a role one of an org. For
// people who are signed in, and the operator for an org: a key never makes a
// key. A key reaches no more than who makes it, then and later. Errors: CodeInvalid,
// CodeForbidden, CodeNotFound, CodeConflict (KeysMax).
func (s *Store) CreateAPIKey(ctx context.Context, a registry.Actor, n registry.NewAPIKey, hash registry.Hash) (registry.APIKey, error) {
	k := registry.APIKey{ID: registry.APIKeyID(registry.NewID()), Kind: registry.APIKeyPersonal, OrgID: n.OrgID, Role: n.Role, CreatedBy: a.Name()}
	err := s.recording(ctx, a, func(t *tx) error {
		var err error
		if k.Name, err = registry.CleanName(n.Name); err != nil {
			return err
		}
		scopes, err := registry.NewScopeSet(n.Scopes)
		if err != nil {
			return err
		}
		k.Scopes = scopes.List()
		if n.Life < 0 || n.Life > registry.KeyLifeMax {
			return registry.Errorf(registry.CodeInvalid, "days", "a key lives for 1 to %d days", int(registry.KeyLifeMax.Hours()/24))
		}
		if n.Life == 0 {
			n.Life = registry.KeyLife
		}
		k.CreatedAt, k.ExpiresAt = t.now, t.now.Add(n.Life).Truncate(time.Second)
		if err := t.mayHave(&k, scopes); err != nil {
			return err
		}
		if err := t.must(`INSERT INTO api_keys (id, hash, kind, name, user_id, org_id, role, scopes, created_by, created_by_id, created_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)`,
			k.ID, hash[:], k.Kind, k.Name, k.UserID, k.OrgID, k.Role, scopes, k.CreatedBy, a.User, us(k.CreatedAt), us(k.ExpiresAt)); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeAPIKeyCreated, OrgID: k.OrgID, UserID: k.UserID}, k.Name, string(scopes))
	})
	return k, err
}

// mayHave decides what kind of key k is and whether the actor may have it.
func (t *tx) mayHave(k *registry.APIKey, scopes registry.ScopeSet) error {
	owner := t.actor.User
	if k.Role != "" {
		k.Kind, owner = registry.APIKeyService, ""
		v, err := t.allowed(k.OrgID, registry.ActionKeyManage)
		if err != nil {
			return err
		}
		if err := t.mayMake(); err != nil {
			return err
		}
		if k.Role != registry.RoleMember && k.Role != registry.RoleAdmin {
			return registry.Errorf(registry.CodeInvalid, "role", "a key is member or admin of its org")
		}
		if scopes.Has(registry.ScopePlatform) {
			return registry.Errorf(registry.CodeInvalid, "scopes", "an org's key has no scope platform: make one of your own")
		}
		if !t.actor.SeesAll() && !v.Role.AtLeast(k.Role) {
			return registry.Errorf(registry.CodeForbidden, "role", "a key cannot have a higher role than yours")
		}
		if err := t.lasting(k.OrgID, registry.RoleAdmin, "create its keys"); err != nil {
			return err
		}
	} else {
		if err := own(t.actor, t.actor.User, registry.ActionCredentialMake, t.now); err != nil {
			return err
		}
		if k.OrgID != "" {
			if _, err := t.allowed(k.OrgID, registry.ActionOrgRead); err != nil {
				return err
			}
		}
		if scopes.Has(registry.ScopePlatform) && (!t.actor.Platform() || k.OrgID != "") {
			return registry.Errorf(registry.CodeForbidden, "scopes", "the scope platform is for platform admins, and for no single org")
		}
	}
	k.UserID = owner
	var n int
	if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM api_keys WHERE user_id = $1 AND kind = $2 AND ($2 = 'personal' OR org_id = $3) AND expires_at > $4`, k.UserID, k.Kind, k.OrgID, us(t.now)).Scan(&n); err != nil {
		return err
	}
	if n >= registry.KeysMax {
		return registry.Errorf(registry.CodeConflict, "", "there are %d keys already: revoke one that is not used", n).Because(registry.ReasonLimitReached)
	}
	return nil
}

// APIKeys returns the keys of an org, or with org "" the actor's own, newest first.
func (s *Store) APIKeys(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.APIKey, error) {
	if org == "" {
		if err := own(a, a.User, registry.ActionAccountManage, s.now()); err != nil {
			return nil, err
		}
		return collect(ctx, s.read, scanAPIKey, apiKeyQuery+` AND k.user_id = $2 AND k.kind = 'personal' ORDER BY k.id DESC`, us(s.now()), a.User)
	}
	if _, err := s.Authorize(ctx, a, org, registry.ActionKeyRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanAPIKey, apiKeyQuery+` AND k.org_id = $2 AND k.kind = 'service' ORDER BY k.id DESC`, us(s.now()), org)
}

// RevokeAPIKey ends a key of an org, or with org "" one of the actor's own. Error: CodeNotFound.
func (s *Store) RevokeAPIKey(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.APIKeyID) error {
	return s.recording(ctx, a, func(t *tx) error {
		where, arg := ` AND k.user_id = $3 AND k.kind = 'personal'`, string(a.User)
		if org != "" {
			if _, err := t.allowed(org, registry.ActionKeyManage); err != nil {
				return err
			}
			where, arg = ` AND k.org_id = $3 AND k.kind = 'service'`, string(org)
		} else if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		k, err := one(t.ctx, t, scanAPIKey, errNoKey(), apiKeyQuery+` AND k.id = $2`+where, us(t.now), id, arg)
		if err != nil {
			return err
		}
		return t.removeAPIKey(k)
	})
}

func (t *tx) apiKey(id registry.APIKeyID) (registry.APIKey, error) {
	return one(t.ctx, t, scanAPIKey, errNoKey(), apiKeyQuery+` AND k.id = $2`, us(t.now), id)
}

func (t *tx) removeAPIKey(k registry.APIKey) error {
	if err := t.must(`DELETE FROM api_keys WHERE id = $1`, k.ID); err != nil {
		return err
	}
	return t.record(registry.Change{Kind: registry.ChangeAPIKeyRevoked, OrgID: k.OrgID, UserID: k.UserID}, k.Name, "")
}

// APIKeyByHash returns a live key and, of a personal one, its owner. For the system. Error: CodeNotFound.
func (s *Store) APIKeyByHash(ctx context.Context, a registry.Actor, hash registry.Hash) (k registry.APIKey, u registry.User, err error) {
	if err := only(a); err != nil {
		return k, u, err
	}
	if k, err = one(ctx, s.read, scanAPIKey, errNoKey(), apiKeyQuery+` AND k.hash = $2`, us(s.now()), hash[:]); err != nil || k.UserID == "" {
		return k, u, err
	}
	u, err = one(ctx, s.read, scanUser, errNoKey(), `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, k.UserID)
	return k, u, err
}

// TouchAPIKeys notes when and from where keys were last used. Not a registry change: no feed entry. For the system.
func (s *Store) TouchAPIKeys(ctx context.Context, a registry.Actor, used map[registry.APIKeyID]registry.KeyUse) error {
	if err := only(a); err != nil {
		return err
	}
	return s.atomic(ctx, a, func(t *writeTx) error {
		for _, id := range inOrder(used) {
			v := used[id]
			if _, err := t.exec(`UPDATE api_keys SET last_used_at = $2, last_used_address = $3 WHERE id = $1 AND last_used_at <= $2`, id, us(v.At), v.Address); err != nil {
				return err
			}
		}
		return nil
	})
}
