package edge

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPulse: after the process stood still, requests wait until the feed was read, and no longer than
// that takes or is worth.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jumped atomic.Int64 // by which the wall clock is ahead: nobody beats meanwhile
		read := make(chan struct{})
		p := pulse{
			now: func() time.Time { return time.Now().Add(time.Duration(jumped.Load())) },
			read: func(ctx context.Context, _ time.Time) {
				select {
				case <-read:
				case <-ctx.Done():
				}
			},
		}
		p.wait(t.Context()) // it has not begun
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.run(ctx); close(done) }()
		synctest.Wait()
		<-time.After(time.Hour)
		began := time.Now()
		p.wait(t.Context())
		if took := time.Since(began); took != 0 {
			t.Errorf("a request waited for %s though nothing stood still", took)
		}
		for _, c := range []struct {
			after, want time.Duration
		}{{time.Second, time.Second}, {time.Hour, wakeTime}} {
			jumped.Add(int64(time.Minute))
			if c.after < wakeTime {
				time.AfterFunc(c.after, func() { read <- struct{}{} })
			}
			began := time.Now()
			waits := make(chan time.Duration, 3)
			for range cap(waits) {
				go func() { p.wait(t.Context()); waits <- time.Since(began) }()
			}
			for range cap(waits) {
				if took := <-waits; took != c.want {
					t.Errorf("waited for %s, not %s", took, c.want)
				}
			}
			synctest.Wait()
			p.wait(t.Context())
			if took := time.Since(began); took != c.want {
				t.Errorf("the next one waits as well: %s", took)
			}
		}
		jumped.Add(int64(time.Minute))
		gone, leave := context.WithCancel(t.Context())
		leave()
		p.wait(gone) // who is gone waits for nothing
		cancel()
		<-done
		<-time.After(wakeTime)
	})
}
