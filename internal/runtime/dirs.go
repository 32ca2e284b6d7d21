package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/pizzaface/pizzeria/registry"
)

// Lock makes this process the only one of an installation whose server does not run: of its data
// directory, "" for one that is not needed, and of those of stores.
func Lock(dataDir string, stores ...registry.Location) (unlock func() error, err error) {
	return lockDirs(ownDirs(dataDir, stores...)...)
}

// nodeDir is the directory that one node alone uses.
func nodeDir(dataDir, node string) string {
	if node == "" {
		return dataDir
	}
	return filepath.Join(dataDir, "nodes", node)
}

// lock makes this process the only one of its directories. Nodes share the data directory.
func (r *Runtime) lock() (unlock func() error, err error) {
	dirs := ownDirs(nodeDir(r.c.DataDir, r.c.Node), r.c.Store)
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if r.c.Node == "" {
		return lockDirs(dirs...)
	}
	shared, err := lockDir(r.c.DataDir, true)
	if err != nil {
		return nil, err
	}
	own, err := lockDirs(dirs...)
	if err != nil {
		return nil, errors.Join(err, shared())
	}
	return func() error { return errors.Join(own(), shared()) }, nil
}

// ownDirs are the directories that one process alone may use: that of the installation, and those of
// stores.
func ownDirs(dataDir string, stores ...registry.Location) (dirs []string) {
	if dataDir != "" {
		dirs = append(dirs, dataDir)
	}
	for _, at := range stores {
		if at != nil && at.Dir() != "" {
			dirs = append(dirs, at.Dir())
		}
	}
	return dirs
}

// lockDirs makes this process the only one of directories, which may be one under several names.
func lockDirs(dirs ...string) (unlock func() error, err error) {
	var locked []os.FileInfo
	var unlocks []func() error
	unlock = func() error {
		var errs []error
		for _, f := range unlocks {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	for _, dir := range dirs {
		now, err := os.Stat(dir)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		if slices.ContainsFunc(locked, func(i os.FileInfo) bool { return os.SameFile(i, now) }) {
			continue
		}
		f, err := lockDir(dir, false)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		locked, unlocks = append(locked, now), append(unlocks, f)
	}
	return unlock, nil
}
