package hostside

import "path/filepath"

// DiskImage is the file of an org's disk, where it has one; see the package volume.
func DiskImage(dataDir, org string) string {
	return filepath.Join(DisksDir(dataDir), org+DiskImageEnd)
}

// DisksDir is where the disks of orgs are.
func DisksDir(dataDir string) string { return filepath.Join(dataDir, "disks") }

// DiskImageEnd is how the names of images end.
const DiskImageEnd = ".img"
