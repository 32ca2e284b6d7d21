package control

import (
	"context"
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// history notes what the database lost. It implements registry.FeedHandler and registry.LossHandler.
type history struct {
	store   registry.HistoryStore
	log     *slog.Logger
	pending chan registry.LostHistory
	forget  func()              // what this process believes to be in the store
	counted func(changes int64) // that were lost
}

// losses is how many a history keeps until they are noted.
const losses = 16

// Apply implements registry.FeedHandler.
func (h *history) Apply(registry.Change) {}

// Reset implements registry.FeedHandler.
func (h *history) Reset() {}

// Lost implements registry.LossHandler.
func (h *history) Lost(l registry.LostHistory) {
	h.counted(l.Last - l.First + 1)
	h.forget()
	select {
	case h.pending <- l:
	default:
		h.log.Error("loss of changes not noted", "first", l.First, "last", l.Last)
	}
}

// run notes what was lost, until ctx is done.
func (h *history) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-h.pending:
			h.note(ctx, l)
		}
	}
}

func (h *history) note(ctx context.Context, l registry.LostHistory) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for said := false; ; said = true {
		err := h.store.NoteLostHistory(ctx, registry.AsSystem("history"), l)
		if err == nil {
			return
		}
		if !said && ctx.Err() == nil {
			h.log.Warn("cannot note lost changes, retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
