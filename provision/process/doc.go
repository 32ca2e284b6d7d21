// Package process runs instances as processes on this machine, each under a
// shim of its own that outlives the gateway.
//
// The shim is the agent (internal/agent), or this same program, started in a session of its own. It
// holds a lock (so an instance exists once), the log pipe, a control socket and the exit status; the
// instance dies with it. The provider finds a running shim by its lock, so a restarted gateway
// adopts what it finds.
//
// What an instance starts ends with it. On Linux the shim is the parent of all orphans below it
// (internal/processtree); what a killed shim leaves behind that is not isolated is found by its
// environment (leftovers_linux.go). Elsewhere only the process group ends.
//
// Files, below the data directory:
//
//	orgs/{org}/data            the instance's own; never removed here
//	orgs/{org}/logs            its output, rotated at 10 MiB, 3 old ones kept
//	run/{key}-{generation}/    lock, spec.json, exit.json, ctl.sock, app.sock
//
// Isolation: on Linux the shim of an instance, and so all of it, is in a sandbox (internal/sandbox)
// where it sees the system's programs and its own directories alone. As root each org has a user of
// its own, the owner of its data, and a control group that holds it to its limits. The run directory
// is then the org's, which may put there what it likes: what the host side relies on is in
// run/.host/{key}-{generation} (lock, configuration, sandbox.json), and it follows no link in the
// rest. Where a machine cannot, all instances are one trust domain, and Isolation says so.
package process
