package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Client is where a request of a person comes from.
type Client struct {
	Address   string // IP address, from the connection or a trusted proxy
	UserAgent string
	Device    string // the device cookie, "" for none
}

// Login is a fresh sign-in session with the token for its cookie.
type Login struct {
	Second  string // there is no session yet: the second step goes on from this
	Other   string // nor here: somebody else is signed in, and ContinueAs goes on from this as User
	Session registry.Session
	User    registry.User
	Token   token.Secret
	Device  token.Secret // for the device cookie
}

// SignIn checks an e-mail address and password; an account with a second step asks for that, too. Whether the account exists
// shows in neither the answer nor its time. Errors: CodeForbidden, CodeTooManyRequests.
func (s *Service) SignIn(ctx context.Context, email, password string, c Client) (l Login, err error) {
	defer func() { s.note("password", c, l, err) }()
	refused := registry.Errorf(registry.CodeForbidden, "password", "the e-mail address or the password is wrong")
	if email, err = registry.CleanEmail(email); err != nil {
		return Login{}, err
	}
	settle, err := s.try(ctx, s.limits.password, email, c)
	if err != nil {
		return Login{}, err
	}
	defer func() { settle(&err) }()
	if s.left(ctx, s.limits.signIns.bucket(email)) < 1 {
		return Login{}, s.busy(limitsSignIns, limitOwn)
	}
	u, err := s.store.UserByEmail(ctx, registry.AsSystem("sign-in"), email)
	if err != nil && registry.ErrorCode(err) != registry.CodeNotFound {
		return Login{}, err
	}
	ok, rehash, err := s.hasher.check(ctx, password, u.PasswordHash)
	if err != nil {
		return Login{}, err
	}
	if !ok {
		return Login{}, refused
	}
	if rehash {
		u.PasswordHash = s.rehash(ctx, u, password)
	}
	if _, err := s.tryOwn(ctx, s.limits.signIns, email); err != nil { // each costs a hash, and most make a session
		return Login{}, err
	}
	if second, err := s.needsSecond(ctx, u, registry.MethodPassword, ""); err != nil || second != "" {
		return Login{Second: second}, err
	}
	return s.login(ctx, u, c, registry.MethodPassword, "")
}

// rehash brings a hash to today's parameters; when that fails the old one stays.
func (s *Service) rehash(ctx context.Context, u registry.User, password string) registry.PasswordHash {
	h, err := s.hasher.hash(ctx, password)
	if err == nil {
		err = s.store.Rehash(ctx, registry.AsSystem("sign-in"), u.ID, u.PasswordHash, h)
	}
	if err != nil {
		s.log.Warn("a password hash keeps its old parameters", "user", u.ID, "error", err)
		return u.PasswordHash
	}
	return h
}

// login starts a new session: its ID and token are always fresh (no fixation).
func (s *Service) login(ctx context.Context, u registry.User, c Client, methods string, by registry.ConnectionID) (Login, error) {
	return s.loginAt(ctx, u, c, methods, by, time.Time{})
}

// loginAt is login of somebody who showed who they are some time ago, at a provider; zero = now.
func (s *Service) loginAt(ctx context.Context, u registry.User, c Client, methods string, by registry.ConnectionID, at time.Time) (Login, error) {
	tok := token.NewSecret()
	v, err := s.store.CreateSession(ctx, registry.AsSystem("sign-in"), registry.NewSession{
		Token: tok.Hash(), User: u, Address: c.Address, UserAgent: c.UserAgent, Methods: methods, Connection: by, AuthTime: at,
	})
	if err != nil {
		return Login{}, err
	}
	l := Login{Session: v, User: u, Token: tok}
	if l.Device, err = s.Remember(ctx, c, u.ID); err != nil {
		s.log.Warn("cannot remember a browser", "user", u.ID, "error", err)
	}
	return l, nil
}

// Authenticate returns the live session of a token from a cookie. Error: CodeNotFound.
func (s *Service) Authenticate(ctx context.Context, token string) (registry.Session, registry.User, error) {
	v, u, lag, err := s.authenticate(ctx, token)
	if err == nil {
		s.touch(v.ID, s.now())
		if lag {
			s.storeSeen(ctx, v.ID)
		}
	}
	return v, u, err
}

// StillSignedIn is Authenticate for what looks again by itself, and is no use of the session.
func (s *Service) StillSignedIn(ctx context.Context, token string) (registry.Session, registry.User, error) {
	v, u, _, err := s.authenticate(ctx, token)
	return v, u, err
}

func (s *Service) authenticate(ctx context.Context, tok string) (v registry.Session, u registry.User, lag bool, err error) {
	if len(tok) != 43 {
		return v, u, false, registry.Errorf(registry.CodeNotFound, "", "sign in first")
	}
	if v, u, err = s.store.SessionByToken(ctx, registry.AsSystem("sessions"), token.Secret(tok).Hash()); err == nil {
		v, lag = s.asSeen(v)
	}
	return v, u, lag, err
}

// SignOut ends a session everywhere.
func (s *Service) SignOut(ctx context.Context, id registry.SessionID) error {
	return s.store.RevokeSession(ctx, registry.AsSystem("sign-out"), id)
}

// ChangePassword replaces the actor's password, ends every session of theirs,
// and starts a new one. Errors: CodeForbidden (the old one is wrong), CodeInvalid, CodeTooManyRequests.
func (s *Service) ChangePassword(ctx context.Context, a registry.Actor, old, password string, c Client) (Login, error) {
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return Login{}, err
	}
	if err := s.checkOwn(ctx, a, u, old); err != nil {
		return Login{}, err
	}
	if err := CheckPassword(password, u.Email, u.Name); err != nil {
		return Login{}, err
	}
	if u.PasswordHash, err = s.hasher.hash(ctx, password); err != nil {
		return Login{}, err
	}
	if err := s.store.SetPassword(ctx, a, u.PasswordHash); err != nil {
		return Login{}, err
	}
	if err := s.SignOut(ctx, a.Session); err != nil {
		return Login{}, err
	}
	s.notify(ctx, u.Email, Letter{Kind: LetterPassword, Name: u.Name})
	return s.login(ctx, u, c, registry.MethodPassword, "")
}

// newPassword checks and hashes a password for an account that is about to be made.
func (s *Service) newPassword(ctx context.Context, email, name, password string) (registry.PasswordHash, error) {
	if _, err := registry.CleanEmail(email); err != nil {
		return "", err
	}
	if _, err := registry.CleanName(name); err != nil {
		return "", err
	}
	if err := CheckPassword(password, email, name); err != nil {
		return "", err
	}
	return s.hasher.hash(ctx, password)
}

// CreateUser makes an account with a password. For platform admins and the operator. Errors: those of
// the store and of CheckPassword.
func (s *Service) CreateUser(
	ctx context.Context, a registry.Actor, n registry.NewUser, password string,
) (_ registry.User, err error) {
	if !registry.Allows(a, "", registry.ActionUserCreate) {
		return registry.User{}, registry.Errorf(registry.CodeForbidden, "", "only a platform admin may create users")
	}
	if n.PasswordHash, err = s.newPassword(ctx, n.Email, n.Name, password); err != nil {
		return registry.User{}, err
	}
	return s.store.CreateUser(ctx, a, n)
}

// SetupLink makes the one set-up link of an installation that has no platform
// admin, ending earlier ones; "" when it has one.
func (s *Service) SetupLink(ctx context.Context) (link string, ends time.Time, err error) {
	a := registry.AsSystem("setup")
	done, err := s.store.HasPlatformAdmin(ctx, a)
	if err != nil || done {
		return "", ends, err
	}
	secret := token.NewSecret()
	if ends, err = s.store.CreateSetupLink(ctx, a, secret.Hash()); err != nil {
		return "", ends, err
	}
	return s.site().Issuer + "/setup/" + secret.Reveal(), ends, nil
}

// Link returns what a one-time link is for. Error: CodeGone.
func (s *Service) Link(ctx context.Context, a registry.Actor, secret string) (registry.Link, error) {
	return s.store.Link(ctx, a, token.Secret(secret).Hash())
}

// Setup makes the first platform admin and signs them in. Errors: CodeGone, CodeInvalid, CodeTooManyRequests.
func (s *Service) Setup(ctx context.Context, secret, email, name, password string, c Client) (Login, error) {
	visitor := registry.AsVisitor(c.Address)
	l, err := s.Link(ctx, visitor, secret)
	if err != nil {
		return Login{}, err
	}
	if l.Kind != registry.LinkSetup {
		return Login{}, registry.Errorf(registry.CodeGone, "", "this is not a set-up link")
	}
	h, err := s.newPassword(ctx, email, name, password)
	if err != nil {
		return Login{}, err
	}
	u, err := s.store.RedeemSetup(ctx, visitor, token.Secret(secret).Hash(), registry.NewUser{Email: email, Name: name, PasswordHash: h})
	if err != nil {
		return Login{}, err
	}
	return s.login(ctx, u, c, registry.MethodPassword, "")
}

// Invite invites an e-mail address into an org. The one-time link is mailed to it, and then "";
// without mail it is for the actor to hand over. An earlier open invitation of the address ends. Errors: those of the store, CodeTooManyRequests.
func (s *Service) Invite(ctx context.Context, a registry.Actor, org registry.OrgID, email string, role registry.Role) (registry.Link, string, error) {
	if s.mails() && !a.IsSystem() {
		if clean, err := registry.CleanEmail(email); err == nil { // the store says what is wrong with another
			if _, err := s.store.Authorize(ctx, a, org, registry.ActionMemberInvite); err != nil {
				return registry.Link{}, "", err
			}
			if err := s.takeLetter(ctx, org, clean); err != nil {
				return registry.Link{}, "", err
			}
		}
	}
	secret := token.NewSecret()
	l, err := s.store.CreateInvite(ctx, a, org, email, role, secret.Hash())
	if err != nil {
		return l, "", err
	}
	return s.deliver(ctx, a, l, secret)
}

// deliver mails an invitation, or returns its link for the actor to hand over.
func (s *Service) deliver(ctx context.Context, a registry.Actor, l registry.Link, secret token.Secret) (registry.Link, string, error) {
	link := s.site().Issuer + "/invite/" + secret.Reveal()
	if !s.mails() {
		return l, link, nil
	}
	letter := Letter{Kind: LetterInvite, By: a.Name(), Org: l.OrgName, Link: link, Ends: l.ExpiresAt}
	if !a.IsSystem() {
		letter = s.paced(ctx, l.Email, letter)
	}
	err := s.Mail.Queue(ctx, l.Email, letter, l.ID)
	l.Mailed = err == nil
	return l, "", err
}

// Reinvite sends an open invitation again, with another link and another week. Errors: those of InviteOrAsk, CodeNotFound.
func (s *Service) Reinvite(ctx context.Context, a registry.Actor, org registry.OrgID, id string) (Invitation, error) {
	open, err := s.store.Invites(ctx, a, org)
	if err != nil {
		return Invitation{}, err
	}
	for _, l := range open {
		if l.ID == id {
			return s.InviteOrAsk(ctx, a, org, l.Email, l.Role)
		}
	}
	return Invitation{}, registry.Errorf(registry.CodeNotFound, "", "no such invitation")
}

// Accept makes the signed-in actor a member. Both sides learn of a role that waits until the
// actor's address is verified. Errors: CodeGone, CodeForbidden, CodeConflict.
func (s *Service) Accept(ctx context.Context, a registry.Actor, secret string) (registry.Link, error) {
	l, err := s.store.AcceptInvite(ctx, a, token.Secret(secret).Hash())
	if err == nil && l.WantedRole != "" {
		s.tellWaiting(ctx, a, l)
	}
	return l, err
}

// tellWaiting mails the new member and whoever invited them. The member list says the same.
func (s *Service) tellWaiting(ctx context.Context, a registry.Actor, l registry.Link) {
	system := registry.AsSystem("invitations")
	u, err := s.store.User(ctx, system, a.User)
	if err != nil {
		return
	}
	letter := Letter{
		Kind: LetterWaiting, Name: u.Name, Org: l.OrgName, Role: l.WantedRole, Since: u.CreatedAt,
	}
	if o, err := s.store.Org(ctx, system, u.MadeByOrg); err == nil {
		letter.MadeBy = o.Name
	}
	s.notify(ctx, u.Email, letter)
	if by, err := s.store.User(ctx, system, l.CreatedBy); err == nil { // and not a key
		letter.Kind, letter.Name, letter.By = LetterWaits, by.Name, u.Email
		s.notify(ctx, by.Email, letter)
	}
}

// Decline ends an invitation; whoever has the link may. Error: CodeGone.
func (s *Service) Decline(ctx context.Context, secret string, c Client) error {
	return s.store.DeclineInvite(ctx, registry.AsVisitor(c.Address), token.Secret(secret).Hash())
}

// AcceptAsNew makes an account with the invited address, a member, and signs it in.
func (s *Service) AcceptAsNew(ctx context.Context, secret, name, password string, c Client) (Login, registry.Link, error) {
	visitor := registry.AsVisitor(c.Address)
	l, err := s.Link(ctx, visitor, secret)
	if err != nil {
		return Login{}, l, err
	}
	if l.Kind != registry.LinkInvite {
		return Login{}, l, registry.Errorf(registry.CodeGone, "", "this is not an invitation")
	}
	h, err := s.newPassword(ctx, l.Email, name, password)
	if err != nil {
		return Login{}, l, err
	}
	u, l, err := s.store.AcceptInviteAsNew(ctx, visitor, token.Secret(secret).Hash(), name, h)
	if err != nil {
		return Login{}, l, err
	}
	login, err := s.login(ctx, u, c, registry.MethodPassword, "")
	return login, l, err
}
