package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// guardEvery is how often a guard looks while nothing has changed here: a session ends by itself,
// and another process may have changed something.
const guardEvery = 5 * time.Second

// Guard says when a stream has to end before its source does.
type Guard struct {
	Ended   <-chan struct{}        // the server ends
	Changed func() <-chan struct{} // closed when something may have changed
	May     func() bool            // whether its reader still may
}

// Pour copies a source to the client piece by piece until the source ends, or
// the client or the guard ends it: then cancel is called, and the source, which
// follows its context, has to end, too.
func Pour(ctx context.Context, cancel context.CancelFunc, w http.ResponseWriter, from io.ReadCloser, g Guard) error {
	defer cancel()
	defer func() { _ = from.Close() }()
	go func() { // ends with ctx
		tick := time.NewTicker(guardEvery)
		defer tick.Stop()
		for {
			changed := g.Changed()
			if !g.May() {
				cancel()
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-g.Ended:
				cancel()
				return
			case <-changed:
			case <-tick.C:
			}
		}
	}()
	flush := http.NewResponseController(w).Flush
	buf := make([]byte, 32<<10)
	for flush() == nil {
		n, err := from.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			_ = flush()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
