package identity

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

// RequestSupport asks an org's owners for access for a while, and mails them. Errors: those of the store.
func (s *Service) RequestSupport(ctx context.Context, a registry.Actor, org registry.OrgID, n registry.NewSupport) (registry.Support, error) {
	p, err := s.store.RequestSupport(ctx, a, org, n)
	if err != nil || !s.mails() {
		return p, err
	}
	system := registry.AsSystem("support")
	v, err := s.store.Org(ctx, system, org)
	if err != nil {
		return p, err
	}
	owners, err := s.store.Owners(ctx, system, org)
	if err != nil {
		return p, err
	}
	for _, m := range owners {
		s.notify(ctx, m.Email, Letter{Kind: LetterSupport, Name: m.Name, By: p.Email, Org: v.Name, Link: s.site().Issuer + "/orgs/" + v.Slug + "/members"})
	}
	return p, nil
}
