package control

import (
	"context"
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
)

// rings keeps the keys true. It implements registry.FeedHandler.
type rings struct {
	ids  *identity.Service
	kept func() error // writes them for instances
	log  *slog.Logger
}

// Apply implements registry.FeedHandler.
func (r *rings) Apply(c registry.Change) {
	if c.Keys() {
		r.Reset()
	}
}

// Reset implements registry.FeedHandler.
func (r *rings) Reset() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := r.ids.Refresh(ctx)
	if err == nil {
		err = r.kept()
	}
	if err != nil {
		r.log.Warn("maintenance", "error", err)
	}
}
