package sqlstore

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// ClaimDomainChecks returns up to limit verified domains whose TXT record is to be looked at now. For
// a while nobody else gets them. For the system.
func (s *Store) ClaimDomainChecks(ctx context.Context, a registry.Actor, limit int) (list []registry.Domain, err error) {
	if err := only(a); err != nil {
		return nil, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		list, err = collect(t.ctx, t, scanDomain, domainFields+` WHERE d.verified_by = 'dns' AND d.check_at <= $1 ORDER BY d.check_at LIMIT $2`, us(t.now), limit)
		if err != nil {
			return err
		}
		for _, d := range list {
			if err := t.must(`UPDATE domains SET check_at = $3 WHERE domain = $1 AND org_id = $2`, d.Domain, d.OrgID, us(registry.LookLease(t.now))); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// ReportDomainCheck notes what a look at a domain's record found, and returns the domain as it is
// then: one that missed it too often is verified no more, and who came by it is signed out. It
// changes nothing of a domain that was removed or verified anew meanwhile. For the system. Error:
// CodeNotFound (then).
func (s *Store) ReportDomainCheck(ctx context.Context, a registry.Actor, was registry.Domain, l registry.Look) (d registry.Domain, err error) {
	if err := only(a); err != nil {
		return d, err
	}
	err = s.recording(ctx, a, func(t *tx) error {
		if d, err = t.domain(was.OrgID, was.Domain); err != nil {
			return err
		}
		if d.Value != was.Value || !d.VerifiedAt.Equal(was.VerifiedAt) || d.VerifiedBy != was.VerifiedBy {
			return errNoDomain()
		}
		switch l {
		case registry.LookFound:
			d.Missed = 0
		case registry.LookMissing:
			d.Missed++
		}
		if err := t.must(`UPDATE domains SET check_at = $3, missed = $4 WHERE domain = $1 AND org_id = $2`, d.Domain, d.OrgID, us(l.After(t.now)), d.Missed); err != nil {
			return err
		}
		switch {
		case l != registry.LookMissing:
			return nil
		case d.Missed < registry.DomainMisses:
			return t.record(registry.Change{Kind: registry.ChangeDomainRecordMissing, OrgID: d.OrgID}, d.Domain, fmt.Sprintf("look %d of %d", d.Missed, registry.DomainMisses))
		}
		if err := t.must(`UPDATE domains SET verified_at = 0, verified_by = '' WHERE domain = $1 AND org_id = $2`, d.Domain, d.OrgID); err != nil {
			return err
		}
		if err := t.endSessionsOutside(d.OrgID); err != nil {
			return err
		}
		if err := t.record(registry.Change{Kind: registry.ChangeDomainLapsed, OrgID: d.OrgID}, d.Domain, ""); err != nil {
			return err
		}
		d, err = t.domain(d.OrgID, d.Domain)
		return err
	})
	return d, err
}

// endSessionsOutside ends the live sessions that were made by an org's connections and whose account
// is in none of its verified domains.
func (t *tx) endSessionsOutside(org registry.OrgID) error {
	type session struct {
		id    registry.SessionID
		user  registry.UserID
		email string
	}
	list, err := collect(t.ctx, t, func(r scanner) (v session, err error) {
		err = r.Scan(&v.id, &v.user, &v.email)
		return v, err
	}, `SELECT s.id, s.user_id, u.email FROM connections c
		JOIN sessions s ON s.connection_id = c.id AND s.connection_id <> '' AND s.revoked_at IS NULL
		JOIN users u ON u.id = s.user_id WHERE c.org_id = $1`, org)
	if err != nil {
		return err
	}
	for _, v := range list {
		own, err := t.owns(org, v.email)
		if err == nil && !own {
			err = t.revokeSession(v.id, v.user)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
