//go:build linux || darwin

package hostside

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// OwnerOf returns the user that a file belongs to; a link is not followed.
func OwnerOf(path string) (int, error) {
	i, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	st, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s has no owner", path)
	}
	return int(st.Uid), nil
}

// Give makes a user the owner of a directory and of all in it, unless it is already. Nothing of the
// org runs. A file that also has a name elsewhere, such as one of the server's that an org linked to
// while it was not isolated, is replaced by a copy.
func Give(dir string, uid int) error {
	if err := isDirectory(dir); err != nil {
		return err
	}
	if now, err := OwnerOf(dir); err != nil || now == uid {
		return err
	}
	links := map[inode]uint64{}
	err := walk(dir, func(e entry) error {
		links[e.inode()]++
		return nil
	})
	if err != nil {
		return err
	}
	err = walk(dir, func(e entry) error {
		names := uint64(e.Nlink) //nolint:unconvert // 16 bits on macOS
		if e.is(unix.S_IFREG) && names > links[e.inode()] {
			var err error
			if e, err = e.unlink(); err != nil {
				return err
			}
		}
		return e.give(uid)
	})
	// The directory itself comes last: if this is cut off, it is done again.
	return errors.Join(err, os.Lchown(dir, uid, uid))
}

// isDirectory says what to do about an org's directory that is something else by now.
func isDirectory(path string) error {
	i, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case i.Mode()&os.ModeSymlink != 0:
		to, _ := os.Readlink(path)
		return fmt.Errorf("%s is a link to %s now, which is not followed, since an instance may have put it there: "+
			"look at what is there, and move the org's directory back to its place", path, to)
	case !i.IsDir():
		return fmt.Errorf("%s is no directory now: look at what is there, and move the org's directory back to its place", path)
	}
	return nil
}

// SizeOf is how many bytes of disk what is in a directory takes.
func SizeOf(dir string) (bytes int64, err error) {
	err = walk(dir, func(e entry) error {
		bytes += e.Blocks * 512
		return nil
	})
	return bytes, err
}

// LockFile waits for the lock of a file, which is made if there is none.
func LockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
