package hostside

import "golang.org/x/sys/unix"

// give makes a user the owner; of a link itself, not of what it leads to. On this system it may be
// another file than the one that was seen.
func (e entry) give(uid int) error {
	return wrapPath("chown", e.name, unix.Fchownat(e.dir, e.name, uid, uid, unix.AT_SYMLINK_NOFOLLOW))
}
