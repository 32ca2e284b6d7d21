//go:build linux || darwin

package usage

import "testing"

func TestReadCapacity(t *testing.T) {
	c := ReadCapacity(t.TempDir())
	if c.CPUs < 1 || c.Load < 0 || c.Load > 1e4 {
		t.Errorf("CPUs %d, load %v", c.CPUs, c.Load)
	}
	if c.MemoryAvailable <= 0 || c.MemoryAvailable > c.MemoryTotal || c.MemoryTotal < 64<<20 {
		t.Errorf("memory: %d of %d", c.MemoryAvailable, c.MemoryTotal)
	}
	if c.DiskAvailable <= 0 || c.DiskAvailable > c.DiskTotal {
		t.Errorf("disk: %d of %d", c.DiskAvailable, c.DiskTotal)
	}
}

func TestReadCapacityOfMissingDirectory(t *testing.T) {
	if c := ReadCapacity("/no/such/directory"); c.DiskTotal != 0 || c.DiskAvailable != 0 || c.MemoryTotal == 0 {
		t.Errorf("%+v", c)
	}
}
