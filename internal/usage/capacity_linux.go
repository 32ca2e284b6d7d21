package usage

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// readMemory reads load and memory from proc(5).
func (c *Capacity) readMemory() {
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		c.Load, _ = strconv.ParseFloat(first, 64)
	}
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64) // kB
		switch fields[0] {
		case "MemTotal:":
			c.MemoryTotal = n << 10
		case "MemAvailable:":
			c.MemoryAvailable = n << 10
		}
	}
}
