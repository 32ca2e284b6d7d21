// Package docker runs instances as containers of the Docker engine on this machine.
//
// One container per generation of an org. Its first process is the agent (internal/agent), which is
// mounted into the operator's image; the image's command and the sidecars are its children. The
// container has no network: the agent, or the app, listens on a Unix socket in a directory that is
// mounted into the container, and the gateway dials it there (internal/sockets).
//
// Flow of Ensure: lock the org, look at all its containers, get the image, prove by a probe that the
// engine sees this machine's directories, give the org's user its directories, create, start. A start
// that fails removes its container.
//
// Files, below the data directory:
//
//	orgs/{org}/data               the instance's own; never removed here
//	orgs/{org}/logs               its output, written by the agent
//	run/docker/{key}-{generation} the sockets
//	run/docker/.credentials       for the agents' sockets
//	run/.programs                 the agent, where the engine finds it
//
// Invariants:
//   - What a container gets is a fixed template (template.go). A request changes names, labels, values
//     of variables and the numbers of limits, and neither mounts, privileges nor networks.
//   - The name and the labels of a container say installation, org and generation. What has another
//     installation is never adopted or stopped.
//   - A change of an org's containers holds the lock of its directory.
//   - The restart policy is "no": with one of Docker's, a crash would be repeated without the
//     reconciler's back-off, and nobody would be told. Instances outlive the engine by its live-restore,
//     and without that the reconciler starts them again.
//   - The owner of an org's data directory is the record of its user, below 65,536 within the container,
//     so that it is mapped by userns-remap.
//
// It does not publish ports, build images, or talk to an engine on another machine.
package docker
