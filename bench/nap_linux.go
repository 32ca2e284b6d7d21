package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps more exactly than the timers of Go, which wait for whole milliseconds.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // interrupted is early enough
}
