//go:build linux || darwin

package hostside

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
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
	if now, err := OwnerOf(dir); err != nil || now == uid {
		return err
	}
	links := map[inode]uint64{}
	err := walkIn(dir, func(_ string, st *syscall.Stat_t) error {
		links[inodeOf(st)]++
		return nil
	})
	if err != nil {
		return err
	}
	err = walkIn(dir, func(path string, st *syscall.Stat_t) error {
		names := uint64(st.Nlink) //nolint:unconvert // 16 bits on macOS
		if st.Mode&syscall.S_IFMT == syscall.S_IFREG && names > links[inodeOf(st)] {
			if err := unlink(path, fs.FileMode(st.Mode).Perm()); err != nil {
				return err
			}
		}
		return os.Lchown(path, uid, uid)
	})
	// The directory itself comes last: if this is cut off, it is done again.
	return errors.Join(err, os.Lchown(dir, uid, uid))
}

type inode struct{ device, number uint64 }

func inodeOf(st *syscall.Stat_t) inode { return inode{uint64(st.Dev), st.Ino} } //nolint:unconvert,gosec // int32 on macOS

// walkIn visits what is in a directory, and follows no link.
func walkIn(dir string, visit func(path string, st *syscall.Stat_t) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := i.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s has no owner", path)
		}
		return visit(path, st)
	})
}

// SizeOf is how many bytes of disk what is in a directory takes.
func SizeOf(dir string) (bytes int64, err error) {
	err = walkIn(dir, func(_ string, st *syscall.Stat_t) error {
		bytes += st.Blocks * 512
		return nil
	})
	return bytes, err
}

// unlink makes a file of its own of one that has other names, too.
func unlink(path string, mode fs.FileMode) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.CreateTemp(filepath.Dir(path), ".copy.*")
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Chmod(mode), to.Close()); err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err != nil {
		_ = os.Remove(to.Name())
	}
	return err
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
