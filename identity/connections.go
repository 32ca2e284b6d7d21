package identity

import (
	"context"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

func defaultOutside() Outside {
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return Outside{Operator: c, Org: c, TXT: net.DefaultResolver.LookupTXT}
}

// CreateConnection makes a connection of an org, or with "" the operator's, when the provider answers.
// secret is that of our client there, "" for a public one. Errors: those of the store, CodeTooManyRequests, and CodeInvalid (the provider does not answer).
func (s *Service) CreateConnection(ctx context.Context, a registry.Actor, org registry.OrgID, spec registry.ConnectionSpec, secret string) (registry.Connection, error) {
	if err := s.mayConnect(ctx, a, org); err != nil {
		return registry.Connection{}, err
	}
	c := registry.Connection{ID: registry.ConnectionID(registry.NewID()), OrgID: org, Kind: registry.ConnectionOIDC}
	var err error
	if c.ConnectionSpec, err = spec.Clean(org); err != nil {
		return c, err
	}
	if secret != "" {
		c.Sealed = s.Seal(purposeConnection, string(c.ID), []byte(secret))
	}
	if a.IsUser() { // each makes us ask an address of theirs
		if _, err := s.tryOwn(ctx, s.limits.provider, string(org)); err != nil {
			return c, err
		}
	}
	if p := s.discover(ctx, c); p.err != nil {
		s.providers.forget(c.ID)
		return c, registry.Errorf(registry.CodeInvalid, "issuer", "%s does not answer as an OpenID provider: %s", c.Issuer, reason(p.err))
	}
	return s.store.CreateConnection(ctx, a, c)
}

// mayConnect decides before an address is asked, so that nobody else makes us ask it.
func (s *Service) mayConnect(ctx context.Context, a registry.Actor, org registry.OrgID) error {
	if org != "" {
		_, err := s.store.Authorize(ctx, a, org, registry.ActionSignInManage)
		return err
	}
	return s.store.AuthorizePlatform(ctx, a, registry.ActionSignInManage)
}

// UpdateConnection changes a connection of a version, "" for any; secret nil leaves it as it is. Errors: those of the store.
func (s *Service) UpdateConnection(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.ConnectionID, version string, spec registry.ConnectionSpec, secret *string) (registry.Connection, error) {
	change := registry.ConnectionChange{Version: version, Spec: spec}
	if secret != nil {
		var sealed []byte
		if *secret != "" {
			sealed = s.Seal(purposeConnection, string(id), []byte(*secret))
		}
		change.Secret = &sealed
	}
	return s.store.UpdateConnection(ctx, a, org, id, change)
}

// Connection returns one connection. Error: CodeNotFound.
func (s *Service) Connection(ctx context.Context, id registry.ConnectionID) (registry.Connection, error) {
	return s.store.Connection(ctx, registry.AsSystem("sign-in"), id)
}

// ConnectionOf is Connection with the name of the org whose it is, "" for the operator's.
func (s *Service) ConnectionOf(
	ctx context.Context, id registry.ConnectionID,
) (c registry.Connection, org string, err error) {
	if c, err = s.Connection(ctx, id); err != nil || c.OrgID == "" {
		return c, "", err
	}
	o, err := s.store.Org(ctx, registry.AsSystem("sign-in"), c.OrgID)
	return c, o.Name, err
}

// ConnectionsFor returns the connections that somebody may sign in by: the operator's, or an org's own.
func (s *Service) ConnectionsFor(ctx context.Context, org registry.OrgID) ([]registry.Connection, error) {
	return s.store.Connections(ctx, registry.AsSystem("sign-in"), org)
}

// RequiredConnection returns the connection that an org, by ID or slug, asks its people to sign in by. Error: CodeNotFound.
func (s *Service) RequiredConnection(ctx context.Context, org string) (registry.Connection, error) {
	if !registry.ValidID(org) {
		o, err := s.store.OrgBySlug(ctx, registry.AsSystem("sign-in"), org)
		if err != nil {
			return registry.Connection{}, err
		}
		org = string(o.ID)
	}
	list, err := s.ConnectionsFor(ctx, registry.OrgID(org))
	if err != nil {
		return registry.Connection{}, err
	}
	for _, c := range list {
		if c.Required {
			return c, nil
		}
	}
	return registry.Connection{}, registry.Errorf(registry.CodeNotFound, "connection", "the org asks for no connection")
}

// ConnectionOfEmail returns the connection of the company that an e-mail address belongs to. Errors: CodeNotFound, CodeInvalid, CodeTooManyRequests.
func (s *Service) ConnectionOfEmail(ctx context.Context, email string, at Client) (registry.Connection, error) {
	email, err := registry.CleanEmail(email)
	if err != nil {
		return registry.Connection{}, err
	}
	if _, err := s.try(ctx, s.limits.company, "", at); err != nil { // an answer tells who is a customer
		return registry.Connection{}, err
	}
	list, err := s.store.ConnectionsOfDomain(ctx, registry.AsSystem("sign-in"), registry.DomainOf(email))
	if err != nil {
		return registry.Connection{}, err
	}
	if len(list) == 0 {
		return registry.Connection{}, registry.Errorf(registry.CodeInvalid, "email", "no company with this address is set up here: sign in with your password")
	}
	return list[0], nil
}

// AddDomain says that an e-mail domain is an org's. Errors: those of the store.
func (s *Service) AddDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain string) (registry.Domain, error) {
	return s.store.AddDomain(ctx, a, org, domain, token.NewSecret().Reveal())
}

// VouchForDomain makes an org's domain count by a platform admin's word. Errors: those of the store.
func (s *Service) VouchForDomain(
	ctx context.Context, a registry.Actor, org registry.OrgID, domain string,
) (registry.Domain, error) {
	return s.store.VerifyDomain(ctx, a, org, domain, "")
}

// VerifyDomain makes an org's domain count by the TXT record that shows whose it is. Errors: those of
// the store; CodeConflict (the record is not there), CodeTooManyRequests.
func (s *Service) VerifyDomain(
	ctx context.Context, a registry.Actor, org registry.OrgID, domain string,
) (registry.Domain, error) {
	if err := s.mayConnect(ctx, a, org); err != nil {
		return registry.Domain{}, err
	}
	if _, err := s.tryOwn(ctx, s.limits.provider, string(org)); err != nil {
		return registry.Domain{}, err
	}
	list, err := s.store.Domains(ctx, a, org)
	if err != nil {
		return registry.Domain{}, err
	}
	i := slices.IndexFunc(list, func(d registry.Domain) bool { return d.Domain == domain })
	if i < 0 {
		return registry.Domain{}, registry.Errorf(registry.CodeNotFound, "domain", "the org has no such domain")
	}
	d := list[i]
	if found, _ := s.look(ctx, d); found != registry.LookFound {
		return d, registry.Errorf(registry.CodeConflict, "domain", "there is no TXT record %s with the value %s yet: a new record can take an hour to be seen", d.Record, d.Value).Because(registry.ReasonDNSRecordMissing)
	}
	return s.store.VerifyDomain(ctx, registry.AsSystem("domains"), org, domain, d.Value)
}
