package controltest

import "github.com/pizzaface/pizzeria/registry"

// Connection makes an OpenID provider of an org, or of everybody when org is empty.
func (s *Server) Connection(id registry.ConnectionID, name string, org registry.OrgID) {
	s.Helper()
	as := registry.AsOperator()
	spec := registry.ConnectionSpec{Name: name, Issuer: "https://login.example.com", ClientID: "us"}
	if org != "" {
		as, spec.DefaultRole = s.Owner(org), registry.RoleMember
	}
	if _, err := s.Store.CreateConnection(s.Context(), as, registry.Connection{
		ID: id, OrgID: org, Kind: registry.ConnectionOIDC, ConnectionSpec: spec,
	}); err != nil {
		s.Fatal(err)
	}
}
