//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/registry"
)

// user is the user of an org's instances: the owner of its data directory. An org that has none yet
// gets one that no org of this data directory has.
func (p *Provider) user(way sandbox.Way, org registry.OrgID) (int, error) {
	if way != sandbox.Users {
		return os.Geteuid(), nil
	}
	unlock, err := lockFileAt(filepath.Join(p.c.Dir, "run", ".users.lock"))
	if err != nil {
		return 0, err
	}
	defer unlock()
	orgs := filepath.Join(p.c.Dir, "orgs")
	own := filepath.Join(orgs, string(org))
	if uid, err := ownerOf(filepath.Join(own, "data")); err != nil || isOrgs(uid) {
		return uid, err
	}
	entries, err := os.ReadDir(orgs)
	if err != nil {
		return 0, err
	}
	taken := map[int]bool{}
	for _, e := range entries {
		uid, err := ownerOf(filepath.Join(orgs, e.Name(), "data"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		taken[uid] = true
	}
	if err := p.usersOfDisks(taken); err != nil {
		return 0, err
	}
	for {
		// Anywhere in the range: other installations of the machine have theirs there too.
		uid := sandbox.FirstUID + rand.IntN(sandbox.LastUID-sandbox.FirstUID) //nolint:gosec // not a secret
		if !taken[uid] {
			return uid, give(filepath.Join(own, "data"), uid)
		}
	}
}

func isOrgs(uid int) bool { return uid >= sandbox.FirstUID && uid <= sandbox.LastUID }

func ownerOf(path string) (int, error) {
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

// give makes a user the owner of a directory and of all in it, unless it is already. Nothing of the
// org runs. A file that also has a name elsewhere, such as one of the server's that an org linked to
// while it was not isolated, is replaced by a copy.
func give(dir string, uid int) error {
	if now, err := ownerOf(dir); err != nil || now == uid {
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

// lockFileAt waits for the lock of a file.
func lockFileAt(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}
