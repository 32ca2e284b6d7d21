package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Make makes an image with room for so many bytes, moves what the directory has into it, and mounts
// it there. An image that is there already is replaced so, with what it holds. After an error, which
// may be that it has no room for the data, all is as it was. Nothing else uses the directory, and the
// caller has the lock. replaced is where the former directory is, for the caller to remove, or "".
// Should the machine refuse the last steps, Recover and Mount put things right.
func (v Volume) Make(ctx context.Context, room int64) (replaced string, err error) {
	mounted, err := v.Mounted()
	if err != nil {
		return "", err
	}
	if err := v.build(ctx, room); err != nil {
		return "", errors.Join(err, v.dropBuilding())
	}
	ctx = context.WithoutCancel(ctx) // what follows is done as a whole
	switch {
	case mounted:
		err = v.Unmount()
	default:
		if err = os.Rename(v.At, v.old()); err == nil {
			replaced = v.old()
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = os.Rename(v.building(), v.Image)
	}
	if err == nil {
		err = syncDir(filepath.Dir(v.Image))
	}
	if err == nil {
		err = v.Mount(ctx)
	}
	return replaced, err
}

// build makes an image aside.
func (v Volume) build(ctx context.Context, room int64) error {
	if err := errors.Join(v.dropBuilding(), os.MkdirAll(filepath.Dir(v.Image), dirMode)); err != nil {
		return err
	}
	f, err := os.OpenFile(v.building(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(v.extend(f, imageSize(room)), f.Close())
	if err != nil {
		return err
	}
	// The machine's file system gives blocks that read as zeros, which need no writing.
	err = v.run(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-b", strconv.Itoa(blockSize), "-i", strconv.Itoa(bytesPerInode),
		"-m", "0", "-J", "size="+strconv.Itoa(journal), "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", v.building())
	if err != nil {
		return err
	}
	if err := os.Mkdir(v.buildingAt(), dirMode); err != nil {
		return err
	}
	if err := v.mount(ctx, v.building(), v.buildingAt()); err != nil {
		return err
	}
	return errors.Join(v.fill(ctx), unmount(v.buildingAt()), os.Remove(v.buildingAt()))
}

// fill copies what the directory has into the image that is made.
func (v Volume) fill(ctx context.Context) error {
	at := v.buildingAt()
	// What e2fsck finds lost, it makes again.
	if err := errors.Join(os.Remove(filepath.Join(at, "lost+found")), os.Chmod(at, dirMode)); err != nil { //nolint:gosec // a directory
		return err
	}
	if _, err := os.Stat(v.At); err == nil {
		if err := v.run(ctx, "cp", "-a", "--", v.At+"/.", at); err != nil {
			return err
		}
	}
	d, err := os.Open(at)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("write %s: %w", v.building(), err)
	}
	return nil
}

// extend makes an image larger.
func (v Volume) extend(f *os.File, size int64) error {
	if v.Sparse {
		return f.Truncate(size)
	}
	return reserve(f, size)
}

// reserve takes the space of an image that it does not have yet.
func reserve(f *os.File, size int64) error {
	var now unix.Stat_t
	var machine unix.Statfs_t
	err := errors.Join(unix.Fstat(int(f.Fd()), &now), unix.Fstatfs(int(f.Fd()), &machine))
	if err != nil {
		return err
	}
	// The kernel would take all there is before it refused.
	free := int64(machine.Bavail) * int64(machine.Bsize) //nolint:gosec,unconvert // less than 2^63; 32 bits on some
	if size-now.Blocks*512 <= free {
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	} else {
		err = unix.ENOSPC
	}
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("a disk of %d MiB is to be reserved, and the machine has %d MiB left: free some, "+
			"set a lower limit, or set `disk sparse`: %w", size>>20, free>>20, err)
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("the machine's file system cannot reserve a disk: set `disk sparse`: %w", err)
	}
	if err != nil {
		return fmt.Errorf("reserve a disk of %d MiB: %w", size>>20, err)
	}
	return nil
}

// Recover completes or undoes a Make that was cut off, and returns what Make returns as replaced. The
// caller has the lock.
func (v Volume) Recover() (replaced string, err error) {
	if err := v.dropBuilding(); err != nil {
		return "", err
	}
	if _, err := os.Lstat(v.old()); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if exists, err := v.Exists(); err != nil || exists {
		return v.old(), err
	}
	return "", os.Rename(v.old(), v.At)
}

// dropBuilding removes an image that was not finished.
func (v Volume) dropBuilding() error {
	if err := unmount(v.buildingAt()); err != nil {
		return err
	}
	for _, path := range []string{v.buildingAt(), v.building()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
