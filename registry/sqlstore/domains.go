package sqlstore

import (
	"context"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	domainFields = `SELECT d.domain, d.org_id, d.token, d.verified_at, d.verified_by, d.created_at, d.missed FROM domains d`
	domainQuery  = domainFields + ` WHERE d.org_id = $1`
)

func scanDomain(r scanner) (d registry.Domain, err error) {
	err = r.Scan(&d.Domain, &d.OrgID, &d.Value, (*micros)(&d.VerifiedAt), &d.VerifiedBy, (*micros)(&d.CreatedAt), &d.Missed)
	d.Record, d.Value = "_pizzeria."+d.Domain, "pizzeria-domain="+d.Value
	return d, err
}

func errNoDomain() error {
	return registry.Errorf(registry.CodeNotFound, "domain", "the org has no such domain")
}

// Domains returns an org's e-mail domains, by name.
func (s *Store) Domains(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Domain, error) {
	if _, err := s.either(ctx, a, org, registry.ActionSignInRead); err != nil {
		return nil, err
	}
	return collect(ctx, s.read, scanDomain, domainQuery+` ORDER BY d.domain`, org)
}

// AddDomain says that an e-mail domain is an org's; it counts once it is verified. token
// is what shows it. Adding one again changes nothing. Errors: CodeInvalid, CodeConflict (another org's, DomainsMax), CodeForbidden, CodeNotFound.
func (s *Store) AddDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, token string) (d registry.Domain, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(org, registry.ActionSignInManage); err != nil {
			return err
		}
		if domain, err = registry.CleanDomain(domain); err != nil {
			return err
		}
		if err := t.lasting(org, registry.RoleOwner, "say which domains are its"); err != nil {
			return err
		}
		var have int
		if err := t.QueryRowContext(t.ctx, `SELECT count(*) FROM domains WHERE org_id = $1`, org).Scan(&have); err != nil {
			return err
		}
		if have >= registry.DomainsMax {
			return registry.Errorf(registry.CodeConflict, "domain", "there are %d domains already: remove one first", have).Because(registry.ReasonLimitReached)
		}
		n, err := t.exec(`INSERT INTO domains (domain, org_id, token, created_at) VALUES ($1,$2,$3,$4) ON CONFLICT DO NOTHING`, domain, org, token, us(t.now))
		if err != nil {
			return err
		}
		if d, err = t.domain(org, domain); err != nil || n == 0 {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeDomainAdded, OrgID: org}, domain, "")
	})
	return d, err
}

func (t *tx) domain(org registry.OrgID, domain string) (registry.Domain, error) {
	return one(t.ctx, t, scanDomain, errNoDomain(), domainQuery+` AND d.domain = $2`, org, domain)
}

// VerifyDomain makes an org's domain count: the TXT record of value was seen, or with "" the actor, a platform admin,
// vouches for it. For the system and platform admins. Errors: CodeConflict (it counts for another org), CodeForbidden, CodeNotFound, CodeVersionConflict (another value).
func (s *Store) VerifyDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain, value string) (d registry.Domain, err error) {
	err = s.recording(ctx, a, func(t *tx) error {
		if err := t.may(registry.ActionSignInManage); err != nil {
			return err
		}
		if d, err = t.domain(org, domain); err != nil || !d.VerifiedAt.IsZero() {
			return err
		}
		by := "dns"
		switch {
		case value == "":
			by = a.Name()
		case value != d.Value:
			return registry.Errorf(registry.CodeVersionConflict, "domain", "the record belongs to an earlier request: look again")
		}
		var taken bool
		if err := t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM domains WHERE domain = $1 AND verified_at > 0)`, domain).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return registry.Errorf(registry.CodeConflict, "domain", "%s belongs to another org: it has to remove it first", domain).Because(registry.ReasonDomainTaken)
		}
		if err := t.must(`UPDATE domains SET verified_at = $3, verified_by = $4, missed = 0, check_at = $5 WHERE domain = $1 AND org_id = $2`, domain, org, us(t.now), by, us(registry.LookFound.After(t.now))); err != nil {
			return err
		}
		if d, err = t.domain(org, domain); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeDomainVerified, OrgID: org}, domain, "by "+by)
	})
	return d, err
}

// RemoveDomain takes a domain from an org: nobody at it signs in by the org's connections any more,
// and who did is signed out. Errors: CodeForbidden, CodeNotFound.
func (s *Store) RemoveDomain(ctx context.Context, a registry.Actor, org registry.OrgID, domain string) error {
	return s.recording(ctx, a, func(t *tx) error {
		if _, err := t.either(org, registry.ActionSignInManage); err != nil {
			return err
		}
		n, err := t.exec(`DELETE FROM domains WHERE domain = $1 AND org_id = $2`, domain, org)
		if err != nil {
			return err
		}
		if n == 0 {
			return errNoDomain()
		}
		if err := t.endSessionsOutside(org); err != nil {
			return err
		}
		return t.record(registry.Change{Kind: registry.ChangeDomainRemoved, OrgID: org}, domain, "")
	})
}

// owns reports whether an e-mail address lies in a verified domain of an org.
func (t *tx) owns(org registry.OrgID, email string) (yes bool, err error) {
	err = t.QueryRowContext(t.ctx, `SELECT EXISTS (SELECT 1 FROM domains WHERE domain = $1 AND org_id = $2 AND verified_at > 0)`, registry.DomainOf(email), org).Scan(&yes)
	return yes, err
}
