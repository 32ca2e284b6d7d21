package identity

import (
	"sync"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// nodes are the gateways that may redeem codes for orgs, by the hash of their credential. It is safe
// for concurrent use.
type nodes struct {
	mu sync.RWMutex
	of map[registry.Hash]bool
}

// AdmitNode lets one more gateway redeem the codes of orgs' people, and returns its credential. It
// is good until DismissNode, and in this process.
func (s *Service) AdmitNode() token.Secret {
	credential := token.NewAPIKey(token.PrefixNode)
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	if s.nodes.of == nil {
		s.nodes.of = map[registry.Hash]bool{}
	}
	s.nodes.of[credential.Hash()] = true
	return credential
}

// DismissNode ends what AdmitNode allowed.
func (s *Service) DismissNode(credential token.Secret) {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	delete(s.nodes.of, credential.Hash())
}

// isNode reports whether a secret is the credential of a gateway that is admitted.
func (s *Service) isNode(secret string) bool {
	s.nodes.mu.RLock()
	defer s.nodes.mu.RUnlock()
	return s.nodes.of[token.Secret(secret).Hash()]
}
