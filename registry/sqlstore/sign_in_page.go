package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/pizzaface/pizzeria/registry"
)

// signInPageQuery has a row for each connection, and one where there is none.
const signInPageQuery = `SELECT COALESCE(a.name, ''), COALESCE(a.redirect_uris, '[]'),
	COALESCE(a.org_id, o.id, ''), COALESCE(o.name, ''),
	COALESCE(c.id, ''), COALESCE(c.org_id, ''), COALESCE(c.name, '')
	FROM (SELECT 1) one LEFT JOIN clients a ON a.id = $1
	LEFT JOIN orgs o ON o.id = $2 AND o.status <> 'deleted'
	LEFT JOIN connections c ON c.id = $3 OR c.org_id IN ('', COALESCE(a.org_id, o.id, ''))
	ORDER BY c.id`

// SignInPage returns what a page to sign in needs, in one query. For the system.
func (s *Store) SignInPage(
	ctx context.Context, a registry.Actor, to registry.SignInTo,
) (p registry.SignInPage, err error) {
	if err := only(a); err != nil {
		return p, err
	}
	var uris []byte
	scan := func(r scanner) (c registry.SignInConnection, err error) {
		err = r.Scan(&p.AppName, &uris, &p.OrgID, &p.OrgName, &c.ID, &c.OrgID, &c.Name)
		return c, err
	}
	p.Connections, err = collect(ctx, s.read, scan, signInPageQuery, to.App, to.Org, to.Connection)
	if err != nil {
		return registry.SignInPage{}, err
	}
	if p.Connections[0].ID == "" {
		p.Connections = nil
	}
	return p, json.Unmarshal(uris, &p.RedirectURIs)
}
