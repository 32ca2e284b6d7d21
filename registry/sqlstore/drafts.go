package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// KeepDraft keeps what a user sent, sealed, for DraftLife. The system does that for somebody whose
// session has ended. Errors: CodeForbidden, CodeNotFound, CodePersonNeeded.
func (s *Store) KeepDraft(ctx context.Context, a registry.Actor, user registry.UserID, id registry.DraftID, sealed []byte) error {
	return s.atomic(ctx, a, func(t *writeTx) error {
		if err := own(a, user, registry.ActionAccountManage, t.now); err != nil && !a.IsSystem() {
			return err
		}
		if _, err := t.userByID(user); err != nil {
			return err
		}
		if err := t.must(`INSERT INTO drafts (id, user_id, sealed, expires_at) VALUES ($1,$2,$3,$4)`, id, user, sealed, us(t.now.Add(registry.DraftLife))); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM drafts WHERE user_id = $1 AND id NOT IN (SELECT id FROM drafts WHERE user_id = $1 ORDER BY id DESC LIMIT $2)`, user, registry.DraftsMax)
		return err
	})
}

// Draft returns what the same person sent. Error: CodeGone.
func (s *Store) Draft(ctx context.Context, a registry.Actor, id registry.DraftID) ([]byte, error) {
	if err := own(a, a.User, registry.ActionAccountManage, s.now()); err != nil {
		return nil, err
	}
	return one(ctx, s.read, func(r scanner) (sealed []byte, err error) {
		err = r.Scan(&sealed)
		return sealed, err
	}, registry.Errorf(registry.CodeGone, "", "What you sent is no longer here: go back, and send it again."), `SELECT sealed FROM drafts WHERE id = $1 AND user_id = $2 AND expires_at > $3`, id, a.User, us(s.now()))
}

// TakeDraft returns what Draft does, and removes it: of several calls, one gets it. Error: CodeGone.
func (s *Store) TakeDraft(ctx context.Context, a registry.Actor, id registry.DraftID) (sealed []byte, err error) {
	err = s.atomic(ctx, a, func(t *writeTx) error {
		if err := own(a, a.User, registry.ActionAccountManage, t.now); err != nil {
			return err
		}
		sealed, err = one(t.ctx, t, func(r scanner) (sealed []byte, err error) {
			err = r.Scan(&sealed)
			return sealed, err
		}, registry.Errorf(registry.CodeGone, "", "This was shown already."), `DELETE FROM drafts WHERE id = $1 AND user_id = $2 AND expires_at > $3 RETURNING sealed`, id, a.User, us(t.now))
		return err
	})
	return sealed, err
}
