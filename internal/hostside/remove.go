//go:build linux || darwin

package hostside

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// removeBatch is how many entries of a directory are read at once.
const removeBatch = 1024

// RemoveAll removes what an org may have made, as os.RemoveAll does. That holds a descriptor for each
// level, and an org could make more levels than the server has descriptors for; and it does not get
// into directories that their owner locked. Nothing of the org runs; somebody else may remove the same.
func RemoveAll(path string) error {
	i, err := os.Lstat(path)
	for again := err == nil; again; {
		if i.IsDir() {
			err = emptyAt(path)
		}
		if err == nil {
			err = os.Remove(path)
		}
		again = errors.Is(err, syscall.ENOTEMPTY) // who else removes it has moved something up
	}
	return unlessGone(err)
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func emptyAt(path string) error {
	if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a directory
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	return errors.Join(empty(root), root.Close())
}

// empty removes all that is in a directory.
func empty(root *os.Root) error {
	return eachIn(root, ".", func(name string, isDir bool) error {
		if isDir {
			if err := raise(root, name); err != nil {
				return err
			}
		}
		return root.Remove(name)
	})
}

// raise empties a directory at the top: files are removed, and directories become others at the top.
func raise(root *os.Root, dir string) error {
	if err := root.Chmod(dir, 0o700); err != nil {
		return err
	}
	return eachIn(root, dir, func(name string, isDir bool) error {
		path := filepath.Join(dir, name)
		err := root.Remove(path)
		if err == nil || !isDir {
			return err
		}
		if err := root.Chmod(path, 0o700); err != nil {
			return err
		}
		return root.Rename(path, rand.Text())
	})
}

// eachIn does something with each entry of a directory, which leaves it, until there is none.
func eachIn(root *os.Root, dir string, do func(name string, isDir bool) error) error {
	for {
		f, err := root.Open(dir)
		if err != nil {
			return err
		}
		entries, err := f.ReadDir(removeBatch)
		_ = f.Close()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := unlessGone(do(e.Name(), e.IsDir())); err != nil {
				return err
			}
		}
	}
}
