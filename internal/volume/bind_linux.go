package volume

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Bind shows a directory of a volume at another place, in this mount namespace. One that is shown
// there already is covered, and shown again after Unbind.
func Bind(from, at string) error {
	if err := unix.Mount(from, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("show %s at %s: %w", from, at, err)
	}
	return nil
}

// Unbind ends all Binds at a place.
func Unbind(at string) error {
	for {
		var own, mounted unix.Stat_t
		if unix.Lstat(at, &own) != nil {
			return nil // it is not there
		}
		if err := unmount(at); err != nil {
			return err
		}
		if err := unix.Lstat(at, &mounted); err != nil || own.Dev == mounted.Dev && own.Ino == mounted.Ino {
			return err
		}
	}
}
