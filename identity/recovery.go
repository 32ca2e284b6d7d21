package identity

import (
	"context"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// The kinds of recoveries, as they are counted.
const (
	RecoveryMail     = "mail"          // a new password by a mailed link
	RecoveryAdmin    = "admin"         // by a link of a platform admin or the operator
	RecoveryReviewed = "reviewed"      // the person said what the account keeps
	RecoveryStopped  = "email_stopped" // a change of address, from the old one
)

// Recoveries lists them.
var Recoveries = []string{RecoveryMail, RecoveryAdmin, RecoveryReviewed, RecoveryStopped}

func (s *Service) recovered(kind string) {
	if s.Recovered != nil {
		s.Recovered(kind)
	}
}

// ResetLink makes a link for somebody's new password, for a platform admin to hand over. Errors: CodeForbidden, CodeNotFound.
func (s *Service) ResetLink(
	ctx context.Context,
	a registry.Actor,
	id registry.UserID,
) (registry.Link, string, error) {
	secret := token.NewSecret()
	l, err := s.store.CreateAccountLink(ctx, a, registry.LinkReset, id, "", secret.Hash())
	if err == nil {
		s.announceLink(ctx, a, l)
	}
	return l, s.site().Issuer + "/reset/" + secret.Reveal(), err
}

// ResetPassword follows a link for a new password. It ends what lets anybody in as the account, and
// the person reviews what else is there at the next sign-in; see the store's. Errors: CodeGone, CodeInvalid, CodeTooManyRequests.
func (s *Service) ResetPassword(ctx context.Context, secret, password string, c Client) error {
	visitor := registry.AsVisitor(c.Address)
	l, err := s.Link(ctx, visitor, secret)
	if err != nil {
		return err
	}
	if l.Kind != registry.LinkReset {
		return registry.Errorf(registry.CodeGone, "", "this is not a link for a new password")
	}
	u, err := s.store.User(ctx, registry.AsSystem("reset"), l.UserID)
	if err != nil {
		return err
	}
	h, err := s.newPassword(ctx, u.Email, u.Name, password)
	if err != nil {
		return err
	}
	if u, err = s.store.ResetPassword(ctx, visitor, token.Secret(secret).Hash(), h); err != nil {
		return err
	}
	kind := RecoveryAdmin
	if l.Mailed {
		kind = RecoveryMail
	}
	s.recovered(kind)
	s.notify(ctx, u.Email, Letter{Kind: LetterPassword, Name: u.Name})
	s.tellHeld(ctx, u.ID)
	return nil
}

// Review ends a recovery. keep says of each of the account's items, by its Key, whether it stays. Who
// keeps a factor gets new recovery codes. Errors: CodeConflict (it was done already), CodeInvalid.
func (s *Service) Review(ctx context.Context, a registry.Actor, keep map[string]bool,
) (codes []string, err error) {
	codes, hashes := newRecoveryCodes()
	factors, err := s.store.Review(ctx, a, keep, hashes)
	if err != nil {
		return nil, err
	}
	s.recovered(RecoveryReviewed)
	if !factors {
		return nil, nil
	}
	return codes, nil
}
