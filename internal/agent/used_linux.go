//go:build linux && !portable

package agent

import (
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/processtree"
)

// ticks is the number of clock ticks a second in /proc, on every architecture that Go knows.
const ticks = 100

// used returns the processor time in seconds, and the memory in bytes, of everything below this
// process.
func used() (cpu float64, memory int64) {
	all, _ := processtree.Descendants()
	for _, p := range all {
		cpu += float64(p.CPU) / ticks
		memory += p.Memory()
	}
	var ended syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended) == nil {
		cpu += time.Duration(ended.Utime.Nano() + ended.Stime.Nano()).Seconds()
	}
	return cpu, memory
}
