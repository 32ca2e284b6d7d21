//go:build linux || darwin

package agent

import (
	"context"
	"sync"
	"time"
)

// cutEvery is the pause between cuts that let everybody come back: each member can ask for them, and
// they reach the runners of all.
const cutEvery = 30 * time.Second

// keyed are the WebSockets and streams that were opened with PizzaPi's API keys. Whose these are,
// PizzaPi alone knows, so all are cut. Those who still may come back by themselves.
type keyed struct {
	open *exchanges
	now  func() time.Time

	mu      sync.Mutex
	last    time.Time
	waiting bool
}

func (k *keyed) cut(ctx context.Context) {
	k.mu.Lock()
	k.last = k.now()
	k.mu.Unlock()
	k.open.cut(ctx, closeGoingAway, "access changed", func(x *exchange) bool {
		return (x.socket || x.endless()) && !x.isPersons()
	})
}

// cutLater cuts now, or when cutEvery has passed since the last cut.
func (k *keyed) cutLater(ctx context.Context) {
	k.mu.Lock()
	wait := k.last.Add(cutEvery).Sub(k.now())
	late := wait > 0
	if late && !k.waiting {
		k.waiting = true
		time.AfterFunc(wait, k.cutWaiting)
	}
	k.mu.Unlock()
	if !late {
		k.cut(ctx)
	}
}

func (k *keyed) cutWaiting() {
	k.mu.Lock()
	k.waiting = false
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), revokeTime)
	defer cancel()
	k.cut(ctx)
}
