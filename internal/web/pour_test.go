package web

import (
	"context"
	"io"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestPourLooksAgain: a stream ends once its reader may no longer read it, though nothing changed
// in this process.
func TestPourLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		source, printed := io.Pipe()
		context.AfterFunc(ctx, func() { _ = printed.Close() })
		var may atomic.Bool
		may.Store(true)
		w := httptest.NewRecorder()
		done := make(chan error, 1)
		go func() {
			done <- Pour(ctx, cancel, w, source, Guard{
				Changed: func() <-chan struct{} { return nil }, May: may.Load,
			})
		}()
		if _, err := io.WriteString(printed, "one line"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		may.Store(false)
		if err := <-done; err != nil || w.Body.String() != "one line" {
			t.Errorf("%q, %v", w.Body, err)
		}
	})
}
