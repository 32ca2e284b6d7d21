package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// asServer returns how the server's programs are started: not as root, which they refuse, and so that
// they end with this process.
func asServer() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} // ends at once, and its children with it
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("as root, PostgreSQL runs as its own user: %w", err)
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		return nil, fmt.Errorf("user postgres has the IDs %s and %s", u.Uid, u.Gid)
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, nil
}

// Own gives a file or directory to the user that servers run as.
func Own(path string) error {
	attr, err := asServer()
	if err != nil || attr.Credential == nil {
		return err
	}
	return os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid))
}

func finish(pid int) error {
	return errors.Join(signalTree(pid, proceed), syscall.Kill(pid, syscall.SIGINT))
}

// kill ends a server and its children. The server is stopped first, so that it starts no others.
func kill(pid int) error {
	if err := syscall.Kill(pid, stall); err != nil {
		return err
	}
	return signalTree(pid, syscall.SIGKILL)
}

const stall, proceed = syscall.SIGSTOP, syscall.SIGCONT

// signalTree signals a server and its children, each of which has a session of its own.
func signalTree(pid int, sig syscall.Signal) error {
	err := syscall.Kill(pid, sig)
	for _, child := range children(pid) {
		if gone := syscall.Kill(child, sig); !errors.Is(gone, syscall.ESRCH) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func children(pid int) (found []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		b, err := os.ReadFile(task) //nolint:gosec // of /proc
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
