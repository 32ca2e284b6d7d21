package usage

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Capacity is what the machine of the control plane has, and what is left. What
// cannot be read is 0.
type Capacity struct {
	CPUs            int     `json:"cpus"`
	Load            float64 `json:"load" doc:"average over a minute"`
	MemoryTotal     int64   `json:"memory_total_bytes"`
	MemoryAvailable int64   `json:"memory_available_bytes"`
	DiskTotal       int64   `json:"disk_total_bytes" doc:"of the data directory"`
	DiskAvailable   int64   `json:"disk_available_bytes"`
}

// ReadCapacity looks at the machine; dir is the data directory.
func ReadCapacity(dir string) Capacity {
	c := Capacity{CPUs: runtime.NumCPU()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		c.Load, _ = strconv.ParseFloat(first, 64)
	}
	if f, err := os.Open("/proc/meminfo"); err == nil {
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
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil {
		c.DiskTotal, c.DiskAvailable = int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize //nolint:gosec // sizes of disks fit
	}
	return c
}
