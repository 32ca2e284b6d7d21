package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are system calls that a server does not need, and that are for administrators, or were a
// way out of a sandbox more than once. What a machine does not have of them is left out.
var refused = []string{
	// mounts and namespaces
	"mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
	"mount_setattr", "setns", "unshare", "statmount", "listmount",
	// the kernel: modules, programs in it, its clock, its log, its memory
	"init_module", "finit_module", "delete_module", "create_module", "query_module", "get_kernel_syms", "kexec_load",
	"kexec_file_load", "bpf", "perf_event_open", "syslog", "settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex",
	"reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "sysfs", "_sysctl", "uselib", "ustat", "vserver", "nfsservctl",
	"lookup_dcookie", "iopl", "ioperm", "vm86", "vm86old", "modify_ldt", "set_mempolicy_home_node", "migrate_pages", "move_pages",
	// keys, which are of a user and not of a namespace
	"add_key", "keyctl", "request_key",
	// files by number, and pages of others
	"name_to_handle_at", "open_by_handle_at", "userfaultfd", "process_vm_readv", "process_vm_writev", "kcmp", "ptrace", "process_madvise",
	// queues that check what they do elsewhere than here
	"io_uring_setup", "io_uring_enter", "io_uring_register",
	"vhangup", "personality", "fanotify_init",
}

// namespaces are flags of clone(2).
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// families are those of sockets that a server needs. Others are of hypervisors (VSOCK), which no
// network namespace holds back, or load seldom used parts of the kernel.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

const (
	denied  = seccomp.ActionErrno | seccomp.Action(unix.EPERM)
	unknown = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)
)

// filter makes the kernel refuse system calls of this thread, and of what it executes.
func filter() error {
	program, err := instructions()
	if err != nil {
		return err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble the filter of system calls: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]} //nolint:gosec // some hundreds
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

// instructions is the filter: what is known and not refused is allowed. What is not known fails as
// on a kernel that lacks it, and so does what is called as on another architecture.
func instructions() ([]bpf.Instruction, error) {
	machine, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("filter of system calls: %w", err)
	}
	known := machine.SyscallNames
	there := func(name string) bool { _, ok := known[name]; return ok }
	// clone3 has its flags in memory, where they can change after a look: callers then use clone.
	special := []string{"clone", "clone3", "socket"}
	allowed := slices.DeleteFunc(slices.Sorted(maps.Keys(known)), func(name string) bool {
		return slices.Contains(refused, name) || slices.Contains(special, name)
	})
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionAllow, Names: allowed},
		{Action: denied, Names: slices.DeleteFunc(slices.Clone(refused), func(n string) bool { return !there(n) })},
		// It has to be the last: groups that follow one with conditions compare its arguments.
		{Action: seccomp.ActionAllow, NamesWithCondtions: conditional()},
	}}
	program, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("filter of system calls: %w", err)
	}
	last := len(program) - 1
	if _, ok := program[last].(bpf.RetConstant); !ok {
		return nil, errors.New("filter of system calls: it does not end with its default")
	}
	program[last] = bpf.RetConstant{Val: uint32(unknown)}
	return program, nil
}

// conditional are the calls that are allowed by their first argument.
func conditional() []seccomp.NameWithConditions {
	first := func(name string, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: []seccomp.Condition{{Operation: op, Value: value}}}
	}
	all := []seccomp.NameWithConditions{first("clone", seccomp.BitsNotSet, namespaces)}
	for _, f := range families {
		all = append(all, first("socket", seccomp.Equal, f))
	}
	return all
}
