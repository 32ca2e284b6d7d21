package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// specFD is where the helper reads its Spec.
const specFD = 3

// handover is what Start writes for Enter.
type handover struct {
	Spec
	Inherited int  `json:"inherited"` // how many descriptors the program inherits
	Probe     bool `json:"probe"`     // it says entered, and ends, where the program would begin
}

const entered = "entered\n"

// Enter is the whole of the helper's process: it becomes the program of the Spec that Start hands
// over, and otherwise returns why not: nil after a probe. The program inherits the descriptors from 4 on, as 3 and so on.
func Enter() error {
	runtime.LockOSThread() // privileges are of a thread, and execve keeps those of its caller
	h, err := receive()
	if err != nil {
		return err
	}
	s := h.Spec
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0); err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := unix.Sethostname([]byte(s.Host)); err != nil {
		return fmt.Errorf("sandbox: set the host name: %w", err)
	}
	if !s.Network {
		if err := raiseLoopback(); err != nil {
			return fmt.Errorf("sandbox: bring the loopback interface up: %w", err)
		}
	}
	inherited := unix.Umask(0) // what the root is made of is for the program's user to enter
	if err := buildRoot(s); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	unix.Umask(inherited)
	if err := os.Chdir(s.Dir); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := giveUp(s); err != nil {
		return fmt.Errorf("sandbox: give up privileges: %w", err)
	}
	if h.Probe {
		_, err := os.Stdout.WriteString(entered)
		return err
	}
	if err := unix.Exec(s.Args[0], s.Args, s.Env); err != nil {
		return fmt.Errorf("sandbox: execute %s: %w", s.Args[0], err)
	}
	return nil
}

// receive reads the Spec, and moves what the program inherits to where it expects it.
func receive() (h handover, err error) {
	f := os.NewFile(specFD, "spec")
	b, err := io.ReadAll(f)
	if err != nil {
		return h, fmt.Errorf("sandbox: read the spec: %w", err)
	}
	if len(b) == 0 {
		return h, errors.New("sandbox: whoever started it has ended")
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("sandbox: read the spec: %w", err)
	}
	_ = f.Close()
	for fd := specFD; fd < specFD+h.Inherited; fd++ {
		if err := unix.Dup3(fd+1, fd, 0); err != nil {
			return h, fmt.Errorf("sandbox: pass a descriptor on: %w", err)
		}
	}
	rest := uint(specFD + h.Inherited) //nolint:gosec // a small number
	if err := unix.CloseRange(rest, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return h, fmt.Errorf("sandbox: close what else is inherited: %w", err)
	}
	return h, nil
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// mostFiles bounds the open files of a process, which are memory of the kernel's.
const mostFiles = 1 << 16

// giveUp leaves the thread, and what it executes, no privilege and no way to one.
func giveUp(s Spec) error {
	if s.Processes > 0 {
		limit := unix.Rlimit{Cur: uint64(s.Processes), Max: uint64(s.Processes)} //nolint:gosec // positive
		if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
			return fmt.Errorf("limit processes: %w", err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("limit core dumps: %w", err)
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return err
	}
	files.Max = min(files.Max, mostFiles)
	files.Cur = min(files.Cur, files.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("limit files: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > unix.CAP_SYS_ADMIN {
			break // the kernel knows no more
		}
		if err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if os.Geteuid() != s.UID {
		if err := unix.Setgroups(nil); err != nil {
			return fmt.Errorf("leave groups: %w", err)
		}
		if err := unix.Setresgid(s.UID, s.UID, s.UID); err != nil {
			return fmt.Errorf("become group %s: %w", strconv.Itoa(s.UID), err)
		}
		if err := unix.Setresuid(s.UID, s.UID, s.UID); err != nil {
			return fmt.Errorf("become user %s: %w", strconv.Itoa(s.UID), err)
		}
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return filter()
}
