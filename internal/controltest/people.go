package controltest

import (
	"net/url"
	"strings"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
)

const address = "192.0.2.1" // of every client

// User makes an account.
func (s *Server) User(email string, platformAdmin bool) registry.User {
	s.Helper()
	u, err := s.Identity.CreateUser(s.Context(), registry.AsOperator(), registry.NewUser{
		Email: email, Name: email, PlatformAdmin: platformAdmin,
	}, Password)
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
	secret := s.invite(org, email, role)
	l, _, err := s.Identity.AcceptAsNew(s.Context(), secret, email, Password,
		identity.Client{Address: address})
	if err != nil {
		s.Fatal(err)
	}
	return l.User
}

// Owner is an owner of an org who signed in just now, or the operator where there is none. Nobody
// else says who gets into the org.
func (s *Server) Owner(org registry.OrgID) registry.Actor {
	s.Helper()
	owners, err := s.Store.Owners(s.Context(), registry.AsSystem("test"), org)
	if err != nil {
		s.Fatal(err)
	}
	if len(owners) == 0 {
		return registry.AsOperator()
	}
	return s.As(registry.User{ID: owners[0].UserID})
}

// invite makes an invitation and returns its secret.
func (s *Server) invite(org registry.OrgID, email string, role registry.Role) string {
	s.Helper()
	_, link, err := s.Identity.Invite(s.Context(), s.Owner(org), org, email, role)
	if err != nil {
		s.Fatal(err)
	}
	return link[strings.LastIndexByte(link, '/')+1:]
}

// As is somebody who signed in just now.
func (s *Server) As(u registry.User) registry.Actor {
	s.Helper()
	u, err := s.Store.User(s.Context(), registry.AsSystem("test"), u.ID)
	if err != nil {
		s.Fatal(err)
	}
	return registry.AsSession(u, registry.Session{AuthTime: s.Clock.Now()}, address)
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

// Join makes an account that there is a member of an org, by an invitation.
func (s *Server) Join(org registry.OrgID, u registry.User, role registry.Role) {
	s.Helper()
	secret := s.invite(org, u.Email, role)
	if _, err := s.Identity.Accept(s.Context(), s.As(u), secret); err != nil {
		s.Fatal(err)
	}
}

// Support makes a platform admin who has support access to an org, given by an owner.
func (s *Server) Support(org registry.OrgID, owner identity.Login, role registry.Role) registry.User {
	s.Helper()
	u := s.User("support@example.com", true)
	l := s.SignIn(u)
	p, err := s.Store.RequestSupport(s.Context(), registry.AsSession(u, l.Session, address), org,
		registry.NewSupport{Role: role, Reason: "test", Hours: 4})
	if err == nil {
		_, err = s.Store.DecideSupport(s.Context(),
			registry.AsSession(owner.User, owner.Session, address), org, p.ID, registry.DecisionApprove)
	}
	if err != nil {
		s.Fatal(err)
	}
	return u
}

// Token makes an API token of a session.
func (s *Server) Token(l identity.Login) string {
	s.Helper()
	t, err := s.Identity.APITokenFor(s.Context(), registry.AsSession(l.User, l.Session, address),
		l.Session)
	if err != nil {
		s.Fatal(err)
	}
	return t
}

// Device signs a device in, as pizzeria login does, and returns its API token.
func (s *Server) Device(l identity.Login) string { return s.DeviceOf(l)() }

// DeviceOf signs a device in, and returns what renews its API token.
func (s *Server) DeviceOf(l identity.Login) func() string {
	s.Helper()
	cli := identity.Credentials{ID: string(registry.CLIClient)}
	d, err := s.Identity.BeginDevice(s.Context(), cli, identity.Client{Address: address})
	if err != nil {
		s.Fatal(err)
	}
	a := registry.AsSession(l.User, l.Session, address)
	if err := s.Identity.DecideDevice(s.Context(), a, d.UserCode, registry.DecisionApprove); err != nil {
		s.Fatal(err)
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
		"device_code": {d.DeviceCode}}
	return func() string {
		s.Helper()
		tokens, err := s.Identity.Redeem(s.Context(), cli, form, address)
		if err != nil {
			s.Fatal(err)
		}
		form = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}}
		return tokens.AccessToken
	}
}

// Runner enrolls a runner into an org and returns its key.
func (s *Server) Runner(org registry.OrgID, l identity.Login) string {
	s.Helper()
	_, claim, err := s.Identity.CreateRunnerClaim(s.Context(),
		registry.AsSession(l.User, l.Session, address), org, registry.NewRunnerClaim{Name: "build"})
	if err != nil {
		s.Fatal(err)
	}
	_, key, err := s.Identity.EnrollRunner(s.Context(), claim.Reveal(), "", address)
	if err != nil {
		s.Fatal(err)
	}
	return key.Reveal()
}
