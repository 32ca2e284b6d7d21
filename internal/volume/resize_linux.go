package volume

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Compare tells whether the image was made for fewer bytes than room (-1), as many (0), or more (+1).
func (v Volume) Compare(room int64) (int, error) {
	i, err := os.Stat(v.Image)
	if err != nil {
		return 0, err
	}
	return cmp.Compare(i.Size(), imageSize(room)), nil
}

// ErrInUse is returned by Grow where this server may not make a file system larger that is in use: it
// takes CAP_SYS_RESOURCE.
var ErrInUse = errors.New("a disk in use cannot grow here: it takes the capability CAP_SYS_RESOURCE")

// Grow gives the volume, which is mounted, room for so many bytes, and reserves what a sparse image
// lacks. The file system grows while it is in use, or else unused lets it be unmounted for that. An
// earlier Grow that was cut off is completed. The caller has the lock.
func (v Volume) Grow(ctx context.Context, room int64, unused bool) error {
	device, err := v.extended(room)
	if device == nil || err != nil {
		return err
	}
	online := v.run(ctx, "resize2fs", device.Name())
	var whole bool
	if online != nil && ctx.Err() == nil {
		whole, err = filled(device)
	}
	if err := errors.Join(err, device.Close()); err != nil || online == nil || whole {
		return err
	}
	if mayGrow() || ctx.Err() != nil {
		return online
	}
	if !unused {
		return ErrInUse
	}
	return v.growUnmounted(context.WithoutCancel(ctx))
}

// growUnmounted makes the file system as large as its image while it is not mounted anywhere.
func (v Volume) growUnmounted(ctx context.Context) error {
	if err := v.Unmount(); err != nil {
		return err
	}
	err := v.awaitDetached()
	if err == nil {
		err = v.check(ctx, v.Image, "-f")
	}
	if err == nil {
		err = v.run(ctx, "resize2fs", v.Image)
	}
	return errors.Join(err, v.Mount(ctx))
}

// detachTime is how long somebody may still have a volume that is not in use any more, such as the
// sandbox of another org while it is made.
const detachTime = 2 * time.Second

func (v Volume) awaitDetached() error {
	for end := time.Now().Add(detachTime); ; time.Sleep(10 * time.Millisecond) {
		device, err := attached(v.Image)
		if device == nil || err != nil {
			return err
		}
		if err := device.Close(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return ErrInUse
		}
	}
}

// extended makes the image larger, and returns its device when the file system is to follow.
func (v Volume) extended(room int64) (device *os.File, err error) {
	f, err := os.OpenFile(v.Image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	was, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := max(imageSize(room), was.Size())
	if err := v.extend(f, size); err != nil {
		if size > was.Size() {
			err = errors.Join(err, f.Truncate(was.Size()))
		}
		return nil, err
	}
	device, err = attached(v.Image)
	if err == nil && device == nil {
		err = fmt.Errorf("%s is not mounted", v.Image)
	}
	if err != nil {
		return nil, err
	}
	err = grown(device)
	whole := false
	if err == nil {
		whole, err = filled(device)
	}
	if err != nil || whole {
		return nil, errors.Join(err, device.Close())
	}
	return device, nil
}

// filled reports whether the file system on a device is as large as the device.
func filled(device *os.File) (bool, error) {
	size, err := device.Seek(0, 2)
	if err != nil {
		return false, err
	}
	// The superblock: s_blocks_count_lo and s_blocks_count_hi. The kernel's own is in the same cache.
	b := make([]byte, 1024)
	if _, err := device.ReadAt(b, 1024); err != nil {
		return false, err
	}
	blocks := int64(binary.LittleEndian.Uint32(b[4:])) | int64(binary.LittleEndian.Uint32(b[0x150:]))<<32
	return blocks >= size/blockSize, nil
}

// mayGrow reports whether the kernel lets this process make a file system larger that is in use.
func mayGrow() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// Used is how many bytes are in use of the volume, which is mounted.
func (v Volume) Used() (int64, error) {
	exists, err := v.Exists()
	if err != nil {
		return 0, err
	}
	if mounted, err := v.Mounted(); err != nil || !exists || !mounted {
		return 0, errors.Join(err, fmt.Errorf("there is no volume at %s", v.At))
	}
	var at unix.Statfs_t
	err = unix.Statfs(v.At, &at)
	return int64(at.Blocks-at.Bfree) * int64(at.Bsize), err //nolint:gosec,unconvert // less than 2^63; 32 bits on some
}

// Fits is for how many bytes there could be room at most: as much as the machine's file system has.
func (v Volume) Fits() (int64, error) {
	var all unix.Statfs_t
	if err := unix.Statfs(v.Image, &all); err != nil {
		return 0, err
	}
	return int64(all.Blocks) * int64(all.Bsize), nil //nolint:gosec,unconvert // less than 2^63; 32 bits on some
}
