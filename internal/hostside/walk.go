//go:build linux || darwin

package hostside

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// entry is a file in a directory that is open. What is done to it is done by that descriptor: whatever
// becomes of the names above it, it is a file in that directory, and never what a link leads to. Where
// another file has taken its name since it was seen, that is an error.
type entry struct {
	unix.Stat_t
	dir  int // descriptor
	name string
}

func (e entry) is(kind uint32) bool {
	return uint32(e.Mode)&unix.S_IFMT == kind //nolint:unconvert // 16 bits on macOS
}

type inode struct{ device, number uint64 }

func (e entry) inode() inode { return inodeOf(&e.Stat_t) }

func inodeOf(st *unix.Stat_t) inode { return inode{uint64(st.Dev), st.Ino} } //nolint:unconvert,gosec // int32 on macOS

// errOther says that a name was another file's by the time something was to be done to it.
var errOther = errors.New("another file took its place meanwhile")

// check compares what is open with what was seen. A file that got another name meanwhile could be
// reached by somebody else.
func (e entry) check(fd int) error {
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return wrapPath("stat", e.name, err)
	}
	if inodeOf(&now) != e.inode() || now.Mode&unix.S_IFMT != e.Mode&unix.S_IFMT ||
		!e.is(unix.S_IFDIR) && now.Nlink != e.Nlink {
		return wrapPath("open", e.name, errOther)
	}
	return nil
}

// unlink makes a file of its own of one that has other names, too, and returns that.
func (e entry) unlink() (entry, error) {
	from, err := openAt(e.dir, e.name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return e, err
	}
	defer func() { _ = from.Close() }()
	if err := e.check(int(from.Fd())); err != nil {
		return e, err
	}
	name := ".copy." + rand.Text()
	to, err := openAt(e.dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return e, err
	}
	defer func() { _ = to.Close() }()
	own := entry{dir: e.dir, name: e.name}
	_, err = io.Copy(to, from)
	err = errors.Join(err, to.Chmod(os.FileMode(e.Mode).Perm()),
		wrapPath("stat", name, unix.Fstat(int(to.Fd()), &own.Stat_t)))
	if err == nil {
		err = wrapPath("rename", e.name, unix.Renameat(e.dir, name, e.dir, e.name))
	}
	if err != nil {
		_ = unix.Unlinkat(e.dir, name, 0)
		return e, err
	}
	return own, nil
}

// openAt opens a file in a directory; one that is a link is an error.
func openAt(dir int, name string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, wrapPath("open", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil //nolint:gosec // a descriptor
}

func wrapPath(op, path string, err error) error {
	if err != nil {
		return &os.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// level is a directory that walk is in, and what it has not visited there.
type level struct {
	file  *os.File
	inode inode
	names []string
}

// openLevel opens a directory in another one, and reads it. want is which it must be; zero: any.
func openLevel(dir int, name string, want inode) (l level, err error) {
	if l.file, l.inode, err = openDir(dir, name); err != nil {
		return l, err
	}
	if want != (inode{}) && l.inode != want {
		return l, errors.Join(wrapPath("open", name, errOther), l.file.Close())
	}
	if l.names, err = l.file.Readdirnames(-1); err != nil {
		return l, errors.Join(err, l.file.Close())
	}
	return l, nil
}

func openDir(dir int, name string) (*os.File, inode, error) {
	f, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, inode{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, inode{}, errors.Join(wrapPath("stat", name, err), f.Close())
	}
	return f, inodeOf(&st), nil
}

// walk visits all that is in a directory, from the top. It follows no link, not even to the directory
// itself, and never leaves it. It has one directory open at a time, however deep an org made them, and
// finds the one above by "..": when that is another one, somebody has moved what it is in. What is
// removed meanwhile is passed over.
func walk(dir string, visit func(e entry) error) error {
	l, err := openLevel(unix.AT_FDCWD, dir, inode{})
	if err != nil {
		return err
	}
	if err := walkFrom(l, visit); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

func walkFrom(l level, visit func(e entry) error) error {
	defer func() { _ = l.file.Close() }()
	var above []level // their files are closed
	for {
		for len(l.names) > 0 {
			e := entry{dir: int(l.file.Fd()), name: l.names[0]}
			l.names = l.names[1:]
			err := unix.Fstatat(e.dir, e.name, &e.Stat_t, unix.AT_SYMLINK_NOFOLLOW)
			if err == nil {
				err = visit(e)
			}
			if err == nil && e.is(unix.S_IFDIR) {
				var in level
				if in, err = openLevel(e.dir, e.name, e.inode()); err == nil {
					_ = l.file.Close()
					above = append(above, l)
					l = in
				}
			}
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
		if len(above) == 0 {
			return nil
		}
		up, err := openLevelAbove(l, above[len(above)-1])
		if err != nil {
			return err
		}
		_ = l.file.Close()
		l, above = up, above[:len(above)-1]
	}
}

// openLevelAbove opens the directory above one, where walk was before.
func openLevelAbove(l, before level) (level, error) {
	file, now, err := openDir(int(l.file.Fd()), "..")
	if err != nil {
		return l, err
	}
	if now != before.inode {
		return l, errors.Join(errors.New("a directory was moved meanwhile"), file.Close())
	}
	before.file = file
	return before, nil
}
