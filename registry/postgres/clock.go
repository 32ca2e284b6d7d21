package postgres

import (
	"context"
	"sync/atomic"
	"time"
)

// A clock is this machine's, corrected to the server's: nodes compare times with each other, and their
// machines' clocks may differ.
type clock struct {
	machine func() time.Time
	ahead   atomic.Int64 // nanoseconds by which the server's is ahead
}

const (
	clockNear = 250 * time.Millisecond // a smaller difference is not corrected
	clockSlow = 2 * time.Second        // an answer that takes longer says too little
)

// Now is the server's time.
func (c *clock) Now() time.Time { return c.machine().Add(c.Ahead()) }

// Ahead is by how much the server's clock is ahead of the machine's.
func (c *clock) Ahead() time.Duration { return time.Duration(c.ahead.Load()) }

// ask asks the server what time it is.
func (c *clock) ask(ctx context.Context, from *claim) error {
	before := c.machine()
	var there int64
	err := from.QueryRow(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).
		Scan(&there)
	if err != nil {
		return err
	}
	took := c.machine().Sub(before)
	ahead := time.UnixMicro(there).Sub(before.Add(took / 2))
	if took < clockSlow && (ahead-c.Ahead()).Abs() > clockNear {
		c.ahead.Store(int64(ahead))
	}
	return nil
}
