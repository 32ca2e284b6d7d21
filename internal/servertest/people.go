package servertest

import (
	"strings"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
)

const address = "192.0.2.1" // of every client

// User makes an account.
func (s *Server) User(email string, platformAdmin bool) registry.User {
	s.Helper()
	u, err := s.Identity.CreateUser(s.Context(), registry.AsOperator(), email, email, Password,
		platformAdmin)
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// Org makes an org with an owner.
func (s *Server) Org(slug string, owner registry.User) registry.Org {
	s.Helper()
	n := registry.NewOrg{Slug: slug, Name: slug, Owner: owner.ID}
	o, err := s.Store.CreateOrg(s.Context(), registry.AsOperator(), n)
	if err != nil {
		s.Fatal(err)
	}
	return o
}

// Member makes an account with a role in an org, by an invitation.
func (s *Server) Member(org registry.OrgID, email string, role registry.Role) registry.User {
	s.Helper()
	_, link, err := s.Identity.Invite(s.Context(), registry.AsOperator(), org, email, role)
	if err != nil {
		s.Fatal(err)
	}
	secret := link[strings.LastIndexByte(link, '/')+1:]
	l, _, err := s.Identity.AcceptAsNew(s.Context(), secret, email, Password,
		identity.Client{Address: address})
	if err != nil {
		s.Fatal(err)
	}
	return l.User
}

// SignIn makes a session of an account.
func (s *Server) SignIn(u registry.User) identity.Login {
	s.Helper()
	l, err := s.Identity.SignIn(s.Context(), u.Email, Password, identity.Client{Address: address})
	if err != nil {
		s.Fatal(err)
	}
	return l
}

// Key makes an API key of the login's own, or with a role one of the org's own.
func (s *Server) Key(l identity.Login, n registry.NewAPIKey) string {
	s.Helper()
	n.Name = "test"
	_, secret, err := s.Identity.CreateAPIKey(s.Context(),
		registry.AsSession(l.User, l.Session, address), n)
	if err != nil {
		s.Fatal(err)
	}
	return secret.Reveal()
}
