//go:build linux || darwin

package process

import (
	"encoding/json"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestWaitsForAnOlderShim: a shim of an earlier version answers at once to what it does not know, and
// its end is seen all the same.
func TestWaitsForAnOlderShim(t *testing.T) {
	dir := t.TempDir()
	l, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctl, err := net.Listen("unix", filepath.Join(dir, ctlSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ctl.Close() }()
	asked := make(chan struct{}, 1)
	go func() {
		for {
			c, err := ctl.Accept()
			if err != nil {
				return
			}
			_ = json.NewEncoder(c).Encode(response{PID: 1})
			_ = c.Close()
			select {
			case asked <- struct{}{}:
			default:
			}
		}
	}()
	ended := make(chan bool, 1)
	go func() { ended <- awaitEnd(t.Context(), dir) }()
	for range 3 {
		<-asked
	}
	select {
	case <-ended:
		t.Fatal("it is said to have ended")
	default:
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case ok := <-ended:
		if !ok {
			t.Error("nobody saw its end")
		}
	case <-time.After(time.Minute):
		t.Error("its end is not seen")
	}
}
