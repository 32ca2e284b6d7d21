//go:build linux

package docker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

const (
	askTime   = 30 * time.Second // for what the engine knows
	startTime = time.Minute      // for what it does
	infoTime  = 2 * time.Second  // for what is said of it
	infoAgain = 30 * time.Second
)

// engine is the Docker engine, and what is known of it. It is shared by the providers of all
// installations.
type engine struct {
	c *client.Client

	mu    sync.Mutex
	info  system.Info
	asked time.Time

	probing sync.Mutex
	probed  *mapping // nil: it is to be probed

	pulls pulls
}

// lately is what the engine said of itself not long ago; nothing while it is away.
func (e *engine) lately() system.Info {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.asked.IsZero() && time.Since(e.asked) < infoAgain {
		return e.info
	}
	ctx, cancel := context.WithTimeout(context.Background(), infoTime)
	defer cancel()
	r, err := e.c.Info(ctx, client.InfoOptions{})
	if err != nil {
		r.Info = system.Info{}
	}
	e.info, e.asked = r.Info, time.Now()
	return e.info
}

// forget makes the engine be asked and probed anew: it may have been started with other options.
func (e *engine) forget() {
	e.mu.Lock()
	e.asked = time.Time{}
	e.mu.Unlock()
	e.probing.Lock()
	e.probed = nil
	e.probing.Unlock()
}

// about asks the engine within a time.
func about(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("docker did not answer within %s", d))
}
