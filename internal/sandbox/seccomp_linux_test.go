package sandbox

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// judge runs the filter on a system call: seccomp_data of seccomp(2), whose words the virtual machine
// of package bpf reads as the network orders them.
func judge(t *testing.T, vm *bpf.VM, machine uint32, nr int, args ...uint64) uint32 {
	t.Helper()
	data := binary.BigEndian.AppendUint32(nil, uint32(nr))
	data = binary.BigEndian.AppendUint32(data, machine)
	data = binary.BigEndian.AppendUint64(data, 0)
	for i := range 6 {
		var arg uint64
		if i < len(args) {
			arg = args[i]
		}
		// The kernel has the low word first.
		data = binary.BigEndian.AppendUint32(data, uint32(arg))
		data = binary.BigEndian.AppendUint32(data, uint32(arg>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

// TestSystemCalls: what is refused, what is allowed, and what the filter does not know.
func TestSystemCalls(t *testing.T) {
	program, err := instructions()
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	own := uint32(machine.ID)
	const allow = unix.SECCOMP_RET_ALLOW
	for name, nr := range machine.SyscallNames {
		want := uint32(allow)
		switch {
		case slices.Contains(refused, name):
			want = uint32(denied)
		case name == "clone3", name == "socket": // of no family
			want = uint32(unknown)
		}
		if got := judge(t, vm, own, nr); got != want {
			t.Errorf("%s: %#x, want %#x", name, got, want)
		}
		if got := judge(t, vm, own^1, nr); got == allow {
			t.Errorf("%s of another architecture is allowed", name)
		}
	}
	if got := judge(t, vm, own, 9999); got != uint32(unknown) {
		t.Errorf("a call that nobody knows: %#x", got)
	}
	clone := machine.SyscallNames["clone"]
	for flags, want := range map[uint64]uint32{
		uint64(unix.SIGCHLD):                      allow,
		unix.CLONE_VM | unix.CLONE_THREAD:         allow,
		unix.CLONE_NEWUSER:                        uint32(unknown),
		unix.CLONE_NEWNS | uint64(unix.SIGCHLD):   uint32(unknown),
		unix.CLONE_NEWNET | 1<<40:                 uint32(unknown),
		unix.CLONE_VM | unix.CLONE_NEWPID | 1<<63: uint32(unknown),
	} {
		if got := judge(t, vm, own, clone, flags); got != want {
			t.Errorf("clone(%#x): %#x, want %#x", flags, got, want)
		}
	}
	for family, want := range map[uint64]uint32{
		unix.AF_UNIX: allow, unix.AF_INET: allow, unix.AF_INET6: allow, unix.AF_NETLINK: allow,
		unix.AF_VSOCK: uint32(unknown), unix.AF_ALG: uint32(unknown), unix.AF_PACKET: uint32(unknown),
		unix.AF_BLUETOOTH: uint32(unknown), unix.AF_INET | 1<<40: uint32(unknown),
	} {
		if got := judge(t, vm, own, machine.SyscallNames["socket"], family); got != want {
			t.Errorf("socket(%d): %#x, want %#x", family, got, want)
		}
	}
	for _, name := range []string{"mount", "unshare", "setns", "ptrace", "bpf", "keyctl", "io_uring_setup", "userfaultfd"} {
		if !slices.Contains(refused, name) {
			t.Errorf("%s is not refused", name)
		}
	}
}
