package intruder

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// patience is how long one try may take.
const patience = 500 * time.Millisecond

// Run tries everything.
func Run(t Targets) (all []Finding) {
	try := func(attack, target string, do func() (got string, err error)) {
		got, err := do()
		if err != nil {
			got = ""
		}
		all = append(all, Finding{attack, target, got})
	}
	for _, path := range t.Sockets {
		try("connect to a socket", path, func() (string, error) { return dial("unix", path) })
		try("connect to a socket by a link", path, func() (string, error) { return byLink(t.Own, path) })
	}
	for _, name := range abstract() {
		try("connect to an abstract socket", name, func() (string, error) { return dial("unix", name) })
	}
	for _, address := range t.Addresses {
		try("connect to an address", address, func() (string, error) { return dial("tcp", address) })
	}
	try("see other network interfaces", "", interfaces)
	for _, path := range t.Files {
		try("open a file", path, func() (string, error) { return open(path) })
		try("open a file by a link", path, func() (string, error) { return linked(t.Own, path) })
		try("write to a file", path, func() (string, error) { return write(path, 0) })
	}
	for _, dir := range t.Directories {
		try("rename its own directory", dir, func() (string, error) { return renamed(dir) })
		try("exchange its own directory with a link", dir, func() (string, error) { return exchanged(t.Own, dir) })
	}
	for _, pid := range t.Processes {
		target := strconv.Itoa(pid)
		try("signal a process", target, func() (string, error) { return "it took the signal", unix.Kill(pid, 0) })
		try("read a process's environment", target, func() (string, error) { return open("/proc/" + target + "/environ") })
		try("see a process's root", target, func() (string, error) { return open("/proc/" + target + "/root/etc") })
	}
	try("see processes of others", "", processes)
	self, _ := os.Executable()
	for _, path := range machine {
		try("open a file of the machine", path, func() (string, error) { return stranger(path, t.Own, self) })
	}
	for _, path := range []string{"/usr/bin/pizzeria-test", "/etc/pizzeria-test", "/pizzeria-test", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"} {
		try("write to the machine", path, func() (string, error) { return write(path, os.O_CREATE) })
	}
	for _, c := range calls(t.Own) {
		try("system call for administrators", c.name, func() (string, error) { return "it is not refused", refused(c.do) })
	}
	return all
}

// machine are files that only the machine's administrator may read, or that tell of others.
var machine = []string{
	"/etc/shadow", "/etc/gshadow", "/etc/ssh", "/root", "/home", "/boot", "/var/lib", "/var/log", "/run/docker.sock", "/var/run/docker.sock",
	"/sys/kernel", "/sys/fs/cgroup", "/proc/kcore", "/proc/keys", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/loop-control",
	"/dev/fuse", "/dev/kvm", "/proc/1/root/home",
}

func dial(network, address string) (string, error) {
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return "", err
	}
	return "it answers", c.Close()
}

// byLink connects through a link in a directory of the org's own.
func byLink(own, path string) (string, error) {
	link := filepath.Join(own, "intruder.link")
	if err := os.Symlink(path, link); err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(link) }()
	return dial("unix", link)
}

func linked(own, path string) (string, error) {
	link := filepath.Join(own, "intruder.link")
	if err := os.Symlink(path, link); err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(link) }()
	return open(link)
}

// open returns something of a file or directory.
func open(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	if names, err := f.Readdirnames(3); err == nil {
		return "it has " + strings.Join(names, ", "), nil
	}
	b := make([]byte, 20)
	n, err := f.Read(b)
	if n == 0 && err != nil {
		return "", err // also /dev/null, by which something is hidden
	}
	return fmt.Sprintf("%d bytes", n), nil
}

// stranger opens a file or directory of the machine. Of a directory it returns what does not only
// lead to files of the org's own.
func stranger(path string, own ...string) (string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return open(path)
	}
	for _, e := range entries {
		at := filepath.Join(path, e.Name())
		if !slices.ContainsFunc(own, func(o string) bool { return o == at || strings.HasPrefix(o, at+"/") }) {
			return "it has " + e.Name(), nil
		}
	}
	return "", io.EOF
}

// write opens a file for writing, and changes nothing.
func write(path string, create int) (string, error) {
	_, before := os.Lstat(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|unix.O_NONBLOCK|create, 0o600)
	if err != nil {
		return "", err
	}
	if errors.Is(before, os.ErrNotExist) {
		_ = os.Remove(path)
	}
	return "it may be written", f.Close()
}

// renamed moves a directory away, and back.
func renamed(dir string) (string, error) {
	away := dir + ".intruder"
	if err := os.Rename(dir, away); err != nil {
		return "", err
	}
	return back("it moves", os.Rename(away, dir))
}

// exchanged puts a link where a directory is, and the directory back.
func exchanged(own, dir string) (string, error) {
	link := filepath.Join(own, "intruder.link")
	if err := os.Symlink("/", link); err != nil {
		return "", err
	}
	if own == dir { // it cannot be exchanged with what is in it
		beside := filepath.Join(filepath.Dir(own), "intruder.link")
		if err := os.Rename(link, beside); err != nil {
			return "", errors.Join(err, os.Remove(link))
		}
		link = beside
	}
	defer func() { _ = os.Remove(link) }()
	exchange := func() error {
		return unix.Renameat2(unix.AT_FDCWD, link, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE)
	}
	if err := exchange(); err != nil {
		return "", err
	}
	return back("a link takes its place", exchange())
}

// back says what was done, and that it could not be undone.
func back(did string, err error) (string, error) {
	if err != nil {
		did += ", and cannot be moved back: " + err.Error()
	}
	return did, nil
}

// abstract returns the abstract sockets of this network.
func abstract() (names []string) {
	f, err := os.Open("/proc/net/unix")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if name := fields[len(fields)-1]; strings.HasPrefix(name, "@") {
			names = append(names, name)
		}
	}
	return names
}

func interfaces() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return i.Name, nil
		}
	}
	return "", io.EOF
}

// processes looks for one that is of another user.
func processes() (string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		status, err := os.ReadFile("/proc/" + e.Name() + "/status")
		if err == nil && !strings.Contains(string(status), fmt.Sprintf("\nUid:\t%d\t", os.Getuid())) {
			return "process " + e.Name(), nil
		}
	}
	return "", io.EOF
}

// refused returns nil unless a call is refused, whether or not it then could be done. What it does to
// its thread ends with the thread.
func refused(do func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := do()
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSYS) {
			err = nil
		}
		result <- err
	}()
	return <-result
}

// unlessDone makes a call that fails in any way a refused one: there may be no such user.
func unlessDone(do func() error) func() error {
	return func() error {
		if err := do(); err != nil {
			return unix.EPERM
		}
		return nil
	}
}

type call struct {
	name string
	do   func() error
}

// calls are system calls that lead out of a sandbox. None of them changes anything where it is
// allowed: what it asks for makes no sense.
func calls(own string) []call {
	raw := func(nr uintptr, args ...uintptr) func() error {
		return func() error {
			var a [6]uintptr
			copy(a[:], args)
			if _, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
				return errno
			}
			return nil
		}
	}
	node := filepath.Join(own, "intruder.node")
	return []call{
		{"mount", func() error { return unix.Mount("none", own, "no such file system", 0, "") }},
		{"mknod", func() error {
			defer func() { _ = os.Remove(node) }()
			return unix.Mknod(node, unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0)))
		}},
		{"user namespace", raw(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"mount namespace", raw(unix.SYS_UNSHARE, unix.CLONE_NEWNS)},
		{"chroot", func() error { return unix.Chroot("/") }},
		{"bpf", raw(unix.SYS_BPF, 0, 0, 0)},
		{"perf_event_open", raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0)},
		{"keyctl", func() error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)
			return err
		}},
		{"io_uring_setup", func() error {
			var params [120]byte
			return raw(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))()
		}},
		{"userfaultfd", raw(unix.SYS_USERFAULTFD, 0)},
		{"init_module", raw(unix.SYS_INIT_MODULE, 0, 0, 0)},
		{"reboot", raw(unix.SYS_REBOOT, 0, 0, 0, 0)},
		{"sethostname", raw(unix.SYS_SETHOSTNAME, 0, 1<<20)},
		{"clock_settime", func() error {
			never := unix.Timespec{Nsec: -1}
			return raw(unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&never)))()
		}},
		{"raise a limit", func() error {
			return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30})
		}},
		{"change the user", unlessDone(raw(unix.SYS_SETRESUID, 0, 0, 0))},
		{"change the group", unlessDone(raw(unix.SYS_SETRESGID, 0, 0, 0))},
		{"take a capability", func() error {
			all := [2]unix.CapUserData{{Effective: ^uint32(0), Permitted: ^uint32(0)}, {Effective: ^uint32(0), Permitted: ^uint32(0)}}
			return unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &all[0])
		}},
		{"raw socket", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
			if err == nil {
				_ = unix.Close(fd)
			}
			return err
		}},
	}
}
