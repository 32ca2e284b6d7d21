package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Letter is a message to somebody, before it is written. What is empty does not matter to its kind.
type Letter struct {
	Kind LetterKind
	Name string // of who gets it
	By   string // who is behind it
	Org  string
	Link string
	Ends time.Time // of the link
	New  string    // the address that takes the place of the one written to, or of whom it is about
	Left int       // recovery codes
	// Failures are wrong codes of a second step in a row.
	Failures int

	Domain, Record, Value string // an org's domain, and the TXT record that shows whose it is

	// Limit is what an org may only have so much of: it uses Used of Most, all of it when Full.
	// Refused: it makes more requests than it may.
	Limit, Used, Most string
	Full, Refused     bool

	After    time.Time // it is not sent before; zero: at once
	Withheld bool      // it counts as sent, and is not
	// Role waits until the address is verified. The account exists since Since; MadeBy is the org
	// whose invitation made it, "" for none.
	Role   registry.Role
	Since  time.Time
	MadeBy string
}

// LetterKind says what a letter is about; there is a template for each.
type LetterKind string

// The letters.
const (
	LetterInvite   LetterKind = "invite"
	LetterVerify   LetterKind = "verify"
	LetterEmail    LetterKind = "email"         // to the new address, with the link
	LetterMoving   LetterKind = "email-asked"   // to the old one, with a link that stops it
	LetterMoved    LetterKind = "email-changed" // to the old one
	LetterReset    LetterKind = "reset"
	LetterPassword LetterKind = "password-changed"
	LetterSecond   LetterKind = "second-step-changed"
	LetterRecovery LetterKind = "recovery-code-used"
	LetterCodes    LetterKind = "wrong-codes"
	LetterLocked   LetterKind = "second-step-locked"
	LetterLinked   LetterKind = "account-linked"
	LetterSupport  LetterKind = "support-requested"
	LetterMissed   LetterKind = "domain-missing"
	LetterLapsed   LetterKind = "domain-lapsed"
	LetterQuota    LetterKind = "quota"
	LetterWaiting  LetterKind = "role-waiting"   // to a new member, for a verified address
	LetterWaits    LetterKind = "member-waiting" // and to whoever invited them

	LetterApproval   LetterKind = "approval-requested"
	LetterLinkMade   LetterKind = "password-link"        // to the person
	LetterMemberLink LetterKind = "member-password-link" // to the owners of the person's orgs
	LetterHeld       LetterKind = "member-held"
	LetterBreakGlass LetterKind = "break-glass"
)

// Mailer sends letters, some time later and more than once if need be.
type Mailer interface {
	// Enabled reports whether the operator said how mail is sent.
	Enabled() bool
	// Queue keeps a letter until it is sent. link is the ID of the one-time link in it, "" for none.
	Queue(ctx context.Context, to string, l Letter, link string) error
}

// mails reports whether mail is sent.
func (s *Service) mails() bool { return s.Mail != nil && s.Mail.Enabled() }

func errNoMail() error {
	return registry.Errorf(registry.CodeConflict, "email", "this installation sends no mail: ask a platform admin")
}

// notify tells somebody what happened to their account. It is no reason to fail that it cannot.
func (s *Service) notify(ctx context.Context, to string, l Letter) {
	if !s.mails() {
		return
	}
	if err := s.Mail.Queue(ctx, to, l, ""); err != nil {
		s.log.Warn("a mail is not queued", "kind", l.Kind, "error", err)
	}
}

// letter makes a link about an account and mails it.
func (s *Service) letter(ctx context.Context, a registry.Actor, kind registry.LinkKind, u registry.User, email string, l Letter, path string) error {
	secret := token.NewSecret()
	link, err := s.store.CreateAccountLink(ctx, a, kind, u.ID, email, secret.Hash())
	if err != nil {
		return err
	}
	l.Name, l.Link, l.Ends = u.Name, s.site().Issuer+path+secret.Reveal(), link.ExpiresAt
	if kind == registry.LinkVerify { // somebody typed the address
		l = s.paced(ctx, link.Email, l)
	}
	return s.Mail.Queue(ctx, link.Email, l, link.ID)
}

// takeMail counts a letter that somebody signed in has sent to an address they typed: by network, by
// account and network, and by account. Error: CodeTooManyRequests.
func (s *Service) takeMail(ctx context.Context, a registry.Actor) error {
	l := s.limits.mail
	if refused, _ := s.take(ctx, l.stages(string(a.User), a.Address())...); refused != nil {
		return s.busy(l.purpose, refused.reason)
	}
	return nil // each is a mail: none is given back
}

// VerifyEmail mails the actor a link that shows that mail arrives. Errors: CodeConflict (no mail is sent), CodeTooManyRequests.
func (s *Service) VerifyEmail(ctx context.Context, a registry.Actor) error {
	if !s.mails() {
		return errNoMail()
	}
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return err
	}
	if err := s.takeMail(ctx, a); err != nil {
		return err
	}
	return s.letter(ctx, a, registry.LinkVerify, u, "", Letter{Kind: LetterVerify}, "/verify/")
}

// ChangeEmail mails a link to the actor's new address, which is theirs once it is followed, and to
// the old one a link that stops that. The password shows that it is them. Errors: CodeForbidden (the
// password), CodeInvalid, CodeConflict, CodeTooManyRequests.
func (s *Service) ChangeEmail(ctx context.Context, a registry.Actor, password, email string) error {
	if !s.mails() {
		return errNoMail()
	}
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return err
	}
	if err := s.checkOwn(ctx, a, u, password); err != nil {
		return err
	}
	if err := s.takeMail(ctx, a); err != nil { // the address may be anybody's
		return err
	}
	secret := token.NewSecret()
	link, err := s.store.CreateAccountLink(ctx, a, registry.LinkEmail, u.ID, email, secret.Hash())
	if err != nil {
		return err
	}
	// The old address first: nobody moves an account without its owner's being told.
	told := Letter{Kind: LetterMoving, New: link.Email}
	err = s.letter(ctx, a, registry.LinkStop, u, "", told, "/stop/")
	if err != nil {
		return err
	}
	l := s.paced(ctx, link.Email, Letter{ // somebody typed the address
		Kind: LetterEmail, Name: u.Name, By: u.Email,
		Link: s.site().Issuer + "/verify/" + secret.Reveal(), Ends: link.ExpiresAt,
	})
	return s.Mail.Queue(ctx, link.Email, l, link.ID)
}

// StopEmailChange follows a link that stops a change of address. Whoever has it may. Error: CodeGone.
func (s *Service) StopEmailChange(ctx context.Context, secret string, c Client) error {
	_, err := s.store.StopEmailChange(ctx, registry.AsVisitor(c.Address), token.Secret(secret).Hash())
	if err == nil {
		s.recovered(RecoveryStopped)
	}
	return err
}

// checkOwn checks somebody's password before they change what is theirs; of who has none, that they
// signed in not long ago. Errors: CodeForbidden, CodeTooManyRequests, CodeReauthenticationNeeded.
func (s *Service) checkOwn(ctx context.Context, a registry.Actor, u registry.User, password string) error {
	if u.PasswordHash == "" {
		return registry.MayNow(a.Since(), s.now())
	}
	// By session, so that neither strangers nor a thief's session keep the person from changing the password.
	if _, err := s.tryOwn(ctx, s.limits.confirm, string(a.User)+" "+string(a.Session)); err != nil { // each costs a hash
		return err
	}
	ok, _, err := s.hasher.check(ctx, password, u.PasswordHash)
	if err == nil && !ok {
		err = registry.Errorf(registry.CodeForbidden, "old_password", "the current password is wrong")
	}
	return err
}

// ConfirmEmail follows a link of VerifyEmail or ChangeEmail that is about the actor's account, and
// tells the old address of a change. Errors: CodeUnauthenticated, CodeForbidden, CodeGone, CodeConflict.
func (s *Service) ConfirmEmail(ctx context.Context, a registry.Actor, secret string,
) (registry.User, error) {
	was, now, err := s.store.ConfirmEmail(ctx, a, token.Secret(secret).Hash())
	if err == nil && was.Email != now.Email {
		s.notify(ctx, was.Email, Letter{Kind: LetterMoved, Name: was.Name, New: now.Email})
	}
	return now, err
}

// forgetful bounds how many forgotten passwords are seen to at once.
const forgetful = 64

// ForgotPassword mails a link for a new password, if there is an account with the address. It answers at
// once and alike, whether there is one or not. Errors: CodeConflict (no mail is sent), CodeInvalid, CodeTooManyRequests.
func (s *Service) ForgotPassword(ctx context.Context, email string, c Client) error {
	if !s.mails() {
		return errNoMail()
	}
	email, err := registry.CleanEmail(email)
	if err != nil {
		return err
	}
	if _, err := s.try(ctx, s.limits.forgot, email, c); err != nil { // each is a mail: none is given back
		return err
	}
	select {
	case s.forgotten <- struct{}{}:
	default:
		return registry.Errorf(registry.CodeTooManyRequests, "", "too many people forgot their passwords just now: try again shortly")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	go func() {
		defer cancel()
		defer func() { <-s.forgotten }()
		system := registry.AsSystem("forgotten password")
		u, err := s.store.UserByEmail(ctx, system, email)
		if registry.ErrorCode(err) == registry.CodeNotFound {
			return
		}
		if err == nil {
			err = s.letter(ctx, system, registry.LinkReset, u, "", Letter{Kind: LetterReset}, "/reset/")
		}
		if err != nil {
			s.log.Warn("a mail is not queued", "kind", LetterReset, "error", err)
		}
	}()
	return nil
}
