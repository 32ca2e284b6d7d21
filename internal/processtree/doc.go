// Package processtree starts processes and ends everything that comes from them.
//
// On Linux the calling process becomes the parent of all orphans below it (a child subreaper, or
// PID 1 of a container): it waits for them while the tree runs, and End kills until it has no child
// left, since then there is no descendant either. The kernel kills what was started directly when
// the calling process dies. Elsewhere a guard process leads the process group of each, and only
// process groups end (tree_portable.go).
//
// It also reads /proc (proc_linux.go), to tell processes apart and to measure them.
package processtree
