package identity

import (
	"context"
	"errors"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Invitation is what became of inviting somebody: Link is for the actor to hand over, and "" where
// it was mailed; or Approval waits for an owner.
type Invitation struct {
	Invite   registry.Link
	Link     string
	Approval *registry.Approval
}

// InviteOrAsk is Invite, and from outside an org that has an owner asks for its approval. Errors:
// those of Invite and of the store's RequestApproval.
func (s *Service) InviteOrAsk(
	ctx context.Context, a registry.Actor, org registry.OrgID, email string,
	role registry.Role,
) (i Invitation, err error) {
	i.Invite, i.Link, err = s.Invite(ctx, a, org, email, role)
	if errors.Is(err, registry.ErrOwnerApproves) {
		i = Invitation{}
		i.Approval, err = s.ask(ctx, a, org,
			registry.NewApproval{Kind: registry.ApprovalInvite, Email: email, Role: role})
	}
	return i, err
}

// SetRoleOrAsk changes a member's role, and from outside an org that has an owner asks for its
// approval. Errors: those of the store's SetRole and RequestApproval.
func (s *Service) SetRoleOrAsk(
	ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID,
	role registry.Role,
) (*registry.Approval, error) {
	err := s.store.SetRole(ctx, a, org, id, role)
	if errors.Is(err, registry.ErrOwnerApproves) {
		return s.ask(ctx, a, org,
			registry.NewApproval{Kind: registry.ApprovalRole, User: id, Role: role})
	}
	return nil, err
}

// ask puts a request before an org's owners, and mails them.
func (s *Service) ask(
	ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewApproval,
) (*registry.Approval, error) {
	p, err := s.store.RequestApproval(ctx, a, org, n)
	if err != nil {
		return nil, err
	}
	s.tell(ctx, p.OrgID, Letter{Kind: LetterApproval, By: p.AskedBy, New: p.Email}, s.owners)
	return &p, nil
}

// DecideApproval answers a request. The invitation that an owner approved is mailed, or its link
// is for the owner to hand over. Errors: those of the store.
func (s *Service) DecideApproval(
	ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ApprovalID,
	d registry.Decision,
) (i Invitation, err error) {
	secret := token.NewSecret()
	p, l, err := s.store.DecideApproval(ctx, a, org, id, d, secret.Hash())
	i.Approval = &p
	if err != nil || l.ID == "" {
		return i, err
	}
	i.Invite, i.Link, err = s.deliver(ctx, a, l, secret)
	return i, err
}

// BreakGlass asks that an account becomes an owner of an org whose owners are gone, and mails all
// members. Errors: those of the store.
func (s *Service) BreakGlass(
	ctx context.Context, a registry.Actor, org registry.OrgID, email string,
) (registry.Approval, error) {
	p, err := s.store.BreakGlass(ctx, a, org, email)
	if err != nil {
		return p, err
	}
	s.tell(ctx, org, Letter{Kind: LetterBreakGlass, New: p.Email, Ends: p.EffectiveAt}, s.members)
	return p, nil
}

// RemoveFactors removes the second step of somebody who lost what it needs. The person hears of it,
// and so do the owners of their orgs, who say whether it is them. For platform admins. Errors:
// those of the store.
func (s *Service) RemoveFactors(ctx context.Context, a registry.Actor, id registry.UserID) error {
	if err := s.store.RemoveFactors(ctx, a, id, ""); err != nil {
		return err
	}
	s.warn(func(system registry.Actor) error {
		u, err := s.store.User(ctx, system, id)
		if err == nil {
			s.notify(ctx, u.Email, Letter{Kind: LetterSecond, Name: u.Name})
		}
		return err
	})
	s.tellHeld(ctx, id)
	return nil
}

// announceLink tells a person, and the owners of their orgs, that an admin made a link for the
// person's new password.
func (s *Service) announceLink(ctx context.Context, a registry.Actor, l registry.Link) {
	s.warn(func(system registry.Actor) error {
		u, err := s.store.User(ctx, system, l.UserID)
		if err != nil {
			return err
		}
		s.notify(ctx, u.Email, Letter{Kind: LetterLinkMade, Name: u.Name, By: a.Name()})
		orgs, err := s.store.UserOrgs(ctx, system, u.ID)
		for _, o := range orgs {
			s.tell(ctx, o.ID, Letter{Kind: LetterMemberLink, By: a.Name(), New: u.Email}, s.owners)
		}
		return err
	})
}

// tellHeld tells who can say that somebody is who they are that the person is kept out.
func (s *Service) tellHeld(ctx context.Context, id registry.UserID) {
	s.warn(func(system registry.Actor) error {
		list, err := s.store.Returns(ctx, system, id)
		for _, p := range list {
			to := s.owners
			if !p.EffectiveAt.IsZero() { // there is no other owner: everybody should know
				to = s.members
			}
			l := Letter{Kind: LetterHeld, By: p.AskedBy, New: p.Email, Ends: p.EffectiveAt}
			s.tell(ctx, p.OrgID, l, to)
		}
		return err
	})
}

// tell mails a letter about an org to people of it.
func (s *Service) tell(
	ctx context.Context, org registry.OrgID, l Letter,
	to func(context.Context, registry.OrgID) ([]registry.Member, error),
) {
	s.warn(func(system registry.Actor) error {
		v, err := s.store.Org(ctx, system, org)
		if err != nil {
			return err
		}
		people, err := to(ctx, org)
		l.Org, l.Link = v.Name, s.site().Issuer+"/orgs/"+v.Slug+"/members"
		for _, m := range people {
			// What somebody can ask for again and again is bounded; a warning never is.
			if l.Kind == LetterApproval && s.takeLetter(ctx, org, m.Email) != nil {
				continue
			}
			l.Name = m.Name
			s.notify(ctx, m.Email, l)
		}
		return err
	})
}

// warn sends notices, where mail is sent. That they cannot be sent is no reason to fail.
func (s *Service) warn(f func(system registry.Actor) error) {
	if !s.mails() {
		return
	}
	if err := f(registry.AsSystem("notice")); err != nil {
		s.log.Warn("queue notices", "error", err)
	}
}

func (s *Service) owners(ctx context.Context, org registry.OrgID) ([]registry.Member, error) {
	return s.store.Owners(ctx, registry.AsSystem("notice"), org)
}

func (s *Service) members(
	ctx context.Context, org registry.OrgID,
) (out []registry.Member, err error) {
	l := registry.List{Limit: registry.MaxPage}
	for {
		p, err := s.store.Members(ctx, registry.AsSystem("notice"), org, l)
		out = append(out, p.Items...)
		if l.Cursor = p.Next; err != nil || l.Cursor == "" {
			return out, err
		}
	}
}
