package identity

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// PublishAhead is how long a key is published before it signs, unless told otherwise: twice as long as
// anybody caches a key set.
const PublishAhead = 10 * time.Minute

// Rotation says how signing keys are replaced.
type Rotation struct {
	Ring      string        // "" = all
	Ahead     time.Duration // how long the new key is published before it signs
	Emergency bool          // at once, and nothing that the old ones signed is good any more
}

// RotateKeys replaces signing keys. An emergency ends every org session, API token and assertion: who is
// signed in gets others at the next page. Errors: CodeForbidden, CodeInvalid.
func (s *Service) RotateKeys(ctx context.Context, a registry.Actor, n Rotation) error {
	if n.Ahead < 0 || n.Ahead > token.KeyPublish {
		return registry.Errorf(registry.CodeInvalid, "ahead_seconds", "a new key is published for at most a day before it signs")
	}
	if n.Emergency {
		n.Ahead = 0
	}
	keys, err := s.Successors(ctx, n.Ring, s.now().Add(n.Ahead))
	if err != nil {
		return err
	}
	if err := s.store.RotateKeys(ctx, a, keys, registry.KeyRotation{Verify: token.KeyVerifies, Emergency: n.Emergency}); err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// SigningKeys returns the keys in use, without their private halves. Error: CodeForbidden.
func (s *Service) SigningKeys(ctx context.Context, a registry.Actor) ([]registry.Key, error) {
	return s.store.SigningKeys(ctx, a)
}
