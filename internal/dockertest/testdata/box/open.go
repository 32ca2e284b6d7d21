package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// open opens all the files that a process may, in so many processes at once.
func open(processes int) {
	var wg sync.WaitGroup
	for range processes {
		c := exec.Command("/box", "open-all")
		c.Stdout = os.Stdout
		if err := c.Start(); err != nil {
			fmt.Println("opened nothing:", err)
			continue
		}
		wg.Go(func() { _ = c.Wait() })
	}
	wg.Wait()
}

// openAll opens all the files that this process may, also by raising its limit, and keeps them.
func openAll() {
	var l unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	raised := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: l.Max + 1, Max: l.Max + 1}) == nil
	time.Sleep(1) // the runtime opens what it needs for that at the first time
	n := 0
	for {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			fmt.Println("opened " + strconv.Itoa(n) + ", raised " + strconv.FormatBool(raised) + ": " + err.Error())
			time.Sleep(time.Hour) // with them all
		}
		n++
	}
}
