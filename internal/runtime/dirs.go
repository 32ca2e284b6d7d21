package runtime

import (
	"errors"
	"os"

	"github.com/pizzaface/pizzeria/registry"
)

// ownDirs are the directories that one process alone may use: that of the installation, and that of
// its store.
func ownDirs(dataDir string, at registry.Location) []string {
	dirs := []string{dataDir}
	if at != nil && at.Dir() != "" {
		dirs = append(dirs, at.Dir())
	}
	return dirs
}

// lockDirs makes this process the only one of directories, which may be one under two names.
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
		if len(locked) > 0 && os.SameFile(locked[0], now) {
			continue
		}
		f, err := lockDir(dir)
		if err != nil {
			return nil, errors.Join(err, unlock())
		}
		locked, unlocks = append(locked, now), append(unlocks, f)
	}
	return unlock, nil
}
