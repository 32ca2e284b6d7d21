package hostside

import "golang.org/x/sys/unix"

// give makes a user the owner of the file that was seen; of a link itself, not of what it leads to.
func (e entry) give(uid int) error {
	fd, err := unix.Openat(e.dir, e.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return wrapPath("open", e.name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := e.check(fd); err != nil {
		return err
	}
	return wrapPath("chown", e.name, unix.Fchownat(fd, "", uid, uid, unix.AT_EMPTY_PATH))
}
