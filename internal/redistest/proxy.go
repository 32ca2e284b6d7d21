package redistest

import (
	"fmt"
	"testing"

	"github.com/pizzaface/pizzeria/internal/proxytest"
)

// NewProxy returns a network between a server and those who connect to it, and the URL of database 0
// by it.
func NewProxy(t testing.TB, s *Server) (p *proxytest.Proxy, url string) {
	t.Helper()
	p = proxytest.New(t, s.socket())
	return p, fmt.Sprintf("redis://127.0.0.1:%d", p.Port())
}
