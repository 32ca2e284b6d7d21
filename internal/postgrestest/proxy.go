package postgrestest

import (
	"testing"

	"github.com/pizzaface/pizzeria/internal/proxytest"
)

// NewProxy returns a network between a server and those who connect to it.
func NewProxy(t testing.TB, s *Server) *proxytest.Proxy {
	t.Helper()
	return proxytest.New(t, s.socket())
}
