package identity

import (
	"context"
	"net/url"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

// Destination is what may be told of where an authorization request leads. Nobody is told which
// orgs there are: of a gateway that names a slug alone, it is empty.
type Destination struct {
	Name   string         // of the org or app
	Origin string         // that the browser is then sent to; "" for an org's
	Org    registry.OrgID // "" for none
}

// SignInPage is what a page to sign in shows.
type SignInPage struct {
	Destination
	// Own are the connections of the org that the person is going to, Others everybody's. The one
	// that they are signed in by comes first, before all.
	Own, Others []registry.SignInConnection
}

// SignInPage returns what a page to sign in shows on the way to an authorization request, nil for
// none, in a browser that is signed in by a connection, "" for none.
func (s *Service) SignInPage(
	ctx context.Context, authorization url.Values, by registry.ConnectionID,
) (p SignInPage, err error) {
	asks := parseClientID(authorization.Get("client_id"))
	v, err := s.store.SignInPage(ctx, registry.AsSystem("sign-in"), registry.SignInTo{
		App: asks.app, Org: asks.org, Connection: by,
	})
	if err != nil {
		return p, err
	}
	p.Name, p.Org = v.OrgName, v.OrgID
	if to := authorization.Get("redirect_uri"); slices.Contains(v.RedirectURIs, to) {
		p.Name, p.Origin = v.AppName, originOf(to)
	}
	for _, c := range v.Connections {
		switch {
		case c.ID == by:
			p.Own = slices.Insert(p.Own, 0, c)
		case c.OrgID == "":
			p.Others = append(p.Others, c)
		default:
			p.Own = append(p.Own, c)
		}
	}
	return p, nil
}

// Destination returns what may be told of where an authorization request leads: nothing while the
// store is away.
func (s *Service) Destination(ctx context.Context, authorization url.Values) Destination {
	p, err := s.SignInPage(ctx, authorization, "")
	if err != nil {
		return Destination{}
	}
	return p.Destination
}

func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
