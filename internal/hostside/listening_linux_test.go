package hostside

import (
	"net"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { runtime.LockOSThread() } // the main thread is TestMain's

// TestMain moves the main thread into a network of its own, where it may: a process has no network, only
// its threads have.
func TestMain(m *testing.M) {
	_ = unix.Unshare(unix.CLONE_NEWNET)
	os.Exit(m.Run())
}

// TestListening: all addresses are found, in the network of the thread that asks.
func TestListening(t *testing.T) {
	var want []string
	for range 200 {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
			l, err := net.Listen("tcp", address)
			if err != nil && address != "127.0.0.1:0" {
				continue // a machine without IPv6
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			want = append(want, l.Addr().String())
		}
	}
	got := Listening()
	for _, address := range want {
		if !slices.Contains(got, address) {
			t.Errorf("%s is missing among %d", address, len(got))
		}
	}
}
