package usage

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// readMemory reads load and memory from sysctl(3). macOS does not count available memory; the
// kernel's free percentage, the one that memory_pressure(1) prints, is the nearest to it.
func (c *Capacity) readMemory() {
	// struct loadavg of <sys/resource.h>: three fixed-point averages of 32 bits, padding, and the
	// scale as a long of 64 bits.
	if b, err := unix.SysctlRaw("vm.loadavg"); err == nil && len(b) >= 24 {
		if scale := binary.LittleEndian.Uint64(b[16:]); scale > 0 {
			c.Load = float64(binary.LittleEndian.Uint32(b)) / float64(scale)
		}
	}
	total, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return
	}
	c.MemoryTotal = int64(total) //nolint:gosec // memory fits
	if free, err := unix.SysctlUint32("kern.memorystatus_level"); err == nil && free <= 100 {
		c.MemoryAvailable = c.MemoryTotal / 100 * int64(free)
	}
}
