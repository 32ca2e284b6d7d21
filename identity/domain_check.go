package identity

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	lookTimeout = 10 * time.Second
	looksAtOnce = 20 // domains of one round, one after the other
)

// look asks for a domain's TXT record. A DNS that does not answer, or with a failure, says nothing of
// the record.
func (s *Service) look(ctx context.Context, d registry.Domain) (registry.Look, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	records, err := s.Outside.TXT(ctx, d.Record+".")
	var dns *net.DNSError
	switch {
	case err == nil && slices.Contains(records, d.Value):
		return registry.LookFound, nil
	case err == nil, errors.As(err, &dns) && dns.IsNotFound:
		return registry.LookMissing, nil
	}
	return registry.LookFailed, err
}

// CheckDomains looks at the records of the verified domains that are due, and tells the owners of
// those whose record is gone.
func (s *Service) CheckDomains(ctx context.Context) error {
	system := registry.AsSystem("domains")
	due, err := s.store.ClaimDomainChecks(ctx, system, looksAtOnce)
	if err != nil {
		return err
	}
	for _, was := range due {
		found, err := s.look(ctx, was)
		if ctx.Err() != nil {
			return nil // the server ends: the next one looks
		}
		if err != nil {
			s.log.Warn("domain check failed, retrying", "domain", was.Domain, "error", err)
		}
		d, err := s.store.ReportDomainCheck(ctx, system, was, found)
		switch {
		case registry.ErrorCode(err) == registry.CodeNotFound: // removed meanwhile
		case err != nil:
			return err
		case found == registry.LookMissing && d.VerifiedAt.IsZero():
			s.tellOwners(ctx, d, LetterLapsed)
		case found == registry.LookMissing && d.Missed == 1:
			s.tellOwners(ctx, d, LetterMissed)
		}
	}
	return nil
}

// tellOwners mails an org's owners about one of its domains.
func (s *Service) tellOwners(ctx context.Context, d registry.Domain, kind LetterKind) {
	s.log.Info("domain record missing", "domain", d.Domain, "org", d.OrgID, "verified", !d.VerifiedAt.IsZero())
	if !s.mails() {
		return
	}
	system := registry.AsSystem("domains")
	v, err := s.store.Org(ctx, system, d.OrgID)
	var owners []registry.Member
	if err == nil {
		owners, err = s.store.Owners(ctx, system, d.OrgID)
	}
	if err != nil {
		s.log.Warn("a mail is not queued", "kind", kind, "error", err)
		return
	}
	for _, m := range owners {
		s.notify(ctx, m.Email, Letter{
			Kind: kind, Name: m.Name, Org: v.Name, Domain: d.Domain, Record: d.Record, Value: d.Value,
			Link: s.site().Issuer + "/orgs/" + v.Slug + "/connections",
		})
	}
}
