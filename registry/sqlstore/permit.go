package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Authorize returns the org when the actor may do action in it now. Errors: CodeNotFound when it may
// not see the org; CodeForbidden, CodePersonNeeded, CodeReauthenticationNeeded.
func (s *Store) Authorize(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	v, err := permitted(ctx, s.read, a, id, action, s.moment())
	return v, s.noteRefusal(ctx, a, err)
}

// AuthorizePlatform decides on what is of no org: the platform's own, and the actor's own account.
// Errors: CodeForbidden, CodePersonNeeded, CodeReauthenticationNeeded.
func (s *Store) AuthorizePlatform(ctx context.Context, a registry.Actor, action registry.Action) error {
	return s.noteRefusal(ctx, a, s.may(a, action))
}

// allowed is Authorize in a transaction.
func (t *writeTx) allowed(id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	return permitted(t.ctx, t, t.actor, id, action, t.moment())
}

// either is allowed, and with "" decides on the platform's own.
func (t *writeTx) either(id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	if id == "" {
		return registry.OrgView{}, t.may(action)
	}
	return t.allowed(id, action)
}

// either is Authorize, and with "" AuthorizePlatform.
func (s *Store) either(ctx context.Context, a registry.Actor, id registry.OrgID, action registry.Action) (registry.OrgView, error) {
	if id == "" {
		return registry.OrgView{}, s.may(a, action)
	}
	return s.Authorize(ctx, a, id, action)
}

func permitted(ctx context.Context, q querier, a registry.Actor, id registry.OrgID, action registry.Action, m moment) (registry.OrgView, error) {
	v, err := seen(ctx, q, a, id)
	if err != nil {
		return v, err
	}
	if err := permit(a, v, action, m.now); err != nil {
		return v, err
	}
	return v, lacks(a, v, m)
}

// seen is an org as the actor sees it, whatever it may do there.
func seen(ctx context.Context, q querier, a registry.Actor, id registry.OrgID) (registry.OrgView, error) {
	if !a.Valid() {
		return registry.OrgView{}, errNobody()
	}
	return one(ctx, q, scanView(a), errNoOrg(), viewQuery+` AND o.id = $5`, viewArgs(a, id)...)
}

// permit is registry.Permit in an org that was read, or of the platform.
func permit(a registry.Actor, v registry.OrgView, action registry.Action, now time.Time) error {
	err := registry.Permit(a, v.Role, action, now)
	if registry.ErrorCode(err) == registry.CodePersonNeeded {
		return refusal{err, v.ID, action}
	}
	return err
}

// may decides on an action of the platform: for platform admins, the operator and the system.
func (s *Store) may(a registry.Actor, action registry.Action) error { return may(a, action, s.now()) }

func (t *writeTx) may(action registry.Action) error { return may(t.actor, action, t.now) }

func may(a registry.Actor, action registry.Action, now time.Time) error {
	err := permit(a, registry.OrgView{}, action, now)
	if registry.ErrorCode(err) == registry.CodeForbidden && a.Key() == "" && !registry.Own(action) {
		return registry.ErrNotAllowed(a, registry.ActionPlatformRead) // whatever roles in orgs allow
	}
	return err
}

// own decides on account id, as the actor's own.
func own(a registry.Actor, id registry.UserID, action registry.Action, now time.Time) error {
	err := permit(a, registry.OrgView{}, action, now)
	if err == nil && a.User != id {
		return errNoUser()
	}
	return err
}

// mayAccount decides on account id: as the actor's own, or with action anybody's.
func (s *Store) mayAccount(a registry.Actor, id registry.UserID, action registry.Action) error {
	return mayAccount(a, id, action, s.now())
}

func (t *writeTx) mayAccount(id registry.UserID, action registry.Action) error {
	return mayAccount(t.actor, id, action, t.now)
}

func mayAccount(a registry.Actor, id registry.UserID, action registry.Action, now time.Time) error {
	if !a.SeesAll() || a.InPerson() && a.User == id {
		return own(a, id, registry.ActionAccountManage, now)
	}
	return may(a, action, now)
}

// mayMake decides on what lets somebody in, beside what the action itself asks for: of people, that
// they are there themselves. What keys and the operator make is the action's alone.
func (t *writeTx) mayMake() error {
	if !t.actor.InPerson() {
		return nil
	}
	return own(t.actor, t.actor.User, registry.ActionCredentialMake, t.now)
}

// refusal is the error of a key that asks for what is kept for people.
type refusal struct {
	error
	org    registry.OrgID
	action registry.Action
}

// Unwrap gives the registry.Error.
func (r refusal) Unwrap() error { return r.error }

// refusals remembers of which keys the audit log has an entry, so that a key that asks again and
// again writes one an hour. It holds live keys only: nobody else comes this far.
type refusals struct {
	mu sync.Mutex
	at map[registry.APIKeyID]time.Time
}

func (r *refusals) first(id registry.APIKeyID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, at := range r.at {
		if now.Sub(at) >= time.Hour {
			delete(r.at, k)
		}
	}
	if _, known := r.at[id]; known {
		return false
	}
	if r.at == nil {
		r.at = map[registry.APIKeyID]time.Time{}
	}
	r.at[id] = now
	return true
}

// noteRefusal returns err, and writes it to the audit log when a key was refused what is kept for
// people: a key that tries is in wrong hands, or misused.
func (s *Store) noteRefusal(ctx context.Context, a registry.Actor, err error) error {
	var r refusal
	if !errors.As(err, &r) || !s.refused.first(a.Key(), s.now()) {
		return err
	}
	// The client may be gone, and has been seen all the same.
	note := s.recording(context.WithoutCancel(ctx), a, func(t *tx) error {
		return t.audit(registry.Change{Kind: registry.ChangeAPIKeyRefused, OrgID: r.org},
			string(a.Key()), string(r.action))
	})
	if note != nil {
		return errors.Join(err, fmt.Errorf("store: audit of a refused key: %w", note))
	}
	return err
}

func errNobody() error {
	return registry.Errorf(registry.CodeUnauthenticated, "", "sign in first")
}

// only refuses actors that are not of the product itself: for reads and writes that no request may ask for directly.
func only(a registry.Actor) error {
	if !a.Valid() {
		return errNobody()
	}
	if !a.IsSystem() {
		return registry.Errorf(registry.CodeForbidden, "", "only the system may do this")
	}
	return nil
}
