package usage

import (
	"context"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Range is how far back a history goes.
type Range string

// The ranges.
const (
	Hour Range = "hour" // a point every 10 seconds
	Day  Range = "day"  // a point every 10 minutes
	Week Range = "week" // a point every hour
)

// Step is the time between two points.
func (r Range) Step() time.Duration {
	switch r {
	case Day:
		return registry.UsageStep
	case Week:
		return time.Hour
	}
	return fine
}

func (r Range) span() time.Duration {
	switch r {
	case Day:
		return 24 * time.Hour
	case Week:
		return registry.UsageLife
	}
	return fineSpan
}

// HistoryStore is where the coarse history is read, and who may read it decided.
type HistoryStore interface {
	registry.Authorizer
	registry.UsageReader
}

// History reads the history of an org, or of all with "", in whole steps, oldest
// first; what nobody counted is zero. Errors: CodeInvalid (range), and those of the store.
func (r *Recorder) History(ctx context.Context, s HistoryStore, a registry.Actor, org registry.OrgID, over Range) ([]registry.UsagePoint, error) {
	if over != Hour && over != Day && over != Week {
		return nil, registry.Errorf(registry.CodeInvalid, "range", "use hour, day or week")
	}
	now, step := r.now(), over.Step()
	start := now.Add(-over.span()).Truncate(step).Add(step)
	stored, err := s.Usage(ctx, a, org, start) // decides who may, also for the hour
	if err != nil {
		return nil, err
	}
	if over == Hour {
		return r.Hour(org), nil
	}
	out := make([]registry.UsagePoint, int(over.span()/step))
	for i := range out {
		out[i].At = start.Add(time.Duration(i) * step)
	}
	put := func(at time.Time, u registry.Usage) {
		if i := int(at.Sub(start) / step); i >= 0 && i < len(out) {
			out[i].Usage = out[i].Plus(u)
		}
	}
	for _, p := range stored {
		put(p.At, p.Usage)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, p := range r.coarse { // not yet stored
		if org == "" || key == keyOf(org) {
			put(now, p.usage())
		}
	}
	if r.elsewhere.step.Equal(now.Truncate(coarse)) {
		for key, p := range r.elsewhere.of {
			if org == "" || key == keyOf(org) {
				put(now, p.usage())
			}
		}
	}
	return out, nil
}
