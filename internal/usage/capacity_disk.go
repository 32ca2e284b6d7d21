//go:build linux || darwin

package usage

import "golang.org/x/sys/unix"

func (c *Capacity) readDisk(dir string) {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		size := int64(fs.Bsize)                                                     //nolint:unconvert // its type depends on the platform
		c.DiskTotal, c.DiskAvailable = int64(fs.Blocks)*size, int64(fs.Bavail)*size //nolint:gosec // sizes of disks fit
	}
}
