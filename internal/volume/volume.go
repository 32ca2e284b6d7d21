package volume

// Volume is a file system in a file.
type Volume struct {
	// Image is the file. Beside it are its lock and what is in the making.
	Image string
	// At is the directory on which it is mounted.
	At string
	// Sparse leaves space that is not in use to the machine. Otherwise all of it is reserved.
	Sparse bool
}

// The space that the file system itself takes: inodes of 256 bytes for each 8 KiB, the journal, and
// groups.
const (
	blockSize     = 4096
	bytesPerInode = 8192
	journal       = 8 // MiB
	overheadPart  = 24
	overheadFixed = 16 << 20
)

// imageSize is the size of an image whose file system has room for so many bytes.
func imageSize(room int64) int64 {
	n := room + room/overheadPart + overheadFixed
	return (n + blockSize - 1) / blockSize * blockSize
}

// old is where the directory is that an image takes the place of, until it does.
func (v Volume) old() string { return v.Image + ".old" }

// building is where an image is while it is made, and growing the directory on which that is mounted.
func (v Volume) building() string { return v.Image + ".new" }

func (v Volume) buildingAt() string { return v.Image + ".new.d" }
