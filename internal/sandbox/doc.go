// Package sandbox runs a program where it sees nothing of the machine but what it needs.
//
// Start, on the host side, clones a helper program into namespaces of its own (mounts, processes,
// network, IPC, host name, control groups) and hands it a Spec. The helper calls Enter, which builds
// a root directory of the paths of the Spec, gives up every privilege, and becomes the program by
// execve. So the program has the process ID 1 there, and nothing in it outlives it.
//
// There are two ways. Users: the caller is root, and each sandbox has a user ID of its own.
// Namespaces: the caller is anybody, where the kernel lets users have namespaces; all sandboxes then
// have the caller's user ID, and are kept apart by what they see. Probe tells which one works here.
//
// Invariants:
//   - What is not in the Spec is not there: the root is empty to begin with.
//   - Everything but Spec.Write is read-only; no file there is a device or raises privileges.
//   - No capability is left, nor a way to get one: no set-user-ID program, no user namespace.
//   - A system call that is not known to this package fails, as one that the kernel lacks.
//   - The caller's death before the helper has its Spec ends the helper.
//
// It knows nothing of orgs, and does not limit memory, processors or disk: see internal/cgroup.
package sandbox
