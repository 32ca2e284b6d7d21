package identity

import (
	"context"
	"net/url"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

// Ending is the answer to an app that wants to sign a person out (OpenID Connect RP-Initiated Logout 1.0).
type Ending struct {
	Refuse   string // an error for the person: nothing is done
	Ask      bool   // nobody vouches that the person meant it
	Redirect string // where the browser goes after the sign-out; "" for nowhere else
}

// EndSession judges a request to sign out. session is nil when nobody is signed in. It changes nothing.
func (s *Service) EndSession(ctx context.Context, q url.Values, session *registry.Session) (Ending, error) {
	for name, v := range q {
		if len(v) != 1 {
			return Ending{Refuse: "the parameter " + name + " is repeated"}, nil
		}
	}
	e, id := Ending{Ask: session != nil}, q.Get("client_id")
	if token := q.Get("id_token_hint"); token != "" {
		hint, err := s.VerifyHint(token)
		if err != nil || id != "" && id != hint.Audience {
			return Ending{Refuse: "it names somebody else"}, nil
		}
		id = hint.Audience
		e.Ask = session != nil && hint.SessionID != session.ID
	}
	to := q.Get("post_logout_redirect_uri")
	if to == "" {
		return e, nil
	}
	c, err := s.clientOf(ctx, id)
	switch {
	case registry.ErrorCode(err) == registry.CodeNotFound:
		return Ending{Refuse: "the client is unknown"}, nil
	case err != nil:
		return Ending{}, err
	case c.app == nil || !slices.Contains(c.app.LogoutURIs, to):
		return Ending{Refuse: "the address to go on to is not the client's"}, nil
	}
	u, err := url.Parse(to)
	if err != nil {
		return Ending{}, err
	}
	if st := q.Get("state"); st != "" {
		p := u.Query()
		p.Set("state", st)
		u.RawQuery = p.Encode()
	}
	e.Redirect = u.String()
	return e, nil
}
