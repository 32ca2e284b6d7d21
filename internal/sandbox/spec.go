package sandbox

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Path is a file or directory that a program sees.
type Path struct {
	From string `json:"from"` // where it is on the machine
	At   string `json:"at"`   // and where the program sees it
}

// Same are paths that a program sees where they are.
func Same(paths ...string) []Path {
	out := make([]Path, len(paths))
	for i, p := range paths {
		out[i] = Path{p, p}
	}
	return out
}

// Visible reports whether a program sees a path that is of the system, or of those in Spec.Read.
func Visible(path string, read []string) bool {
	in := func(dir string) bool { return below(dir, path) }
	return slices.ContainsFunc(system, in) || slices.ContainsFunc(read, in)
}

// below reports whether path is dir, or in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// Spec is what a sandbox is made of. All paths are absolute.
type Spec struct {
	// UID is the user and group that the program runs as. It is the caller's own in Namespaces.
	UID int `json:"uid"`
	// Read are files and directories that the program sees, besides those of the system. One that
	// is not there is an error.
	Read []Path `json:"read,omitempty"`
	// Write are directories that it may also change.
	Write []string `json:"write,omitempty"`
	// Hide are directories that it does not see, though one of Read or of the system holds them,
	// but for what of them is in Read or Write itself.
	Hide []string `json:"hide,omitempty"`
	// Home is the home directory of its user.
	Home string `json:"home"`
	// Host is its host name.
	Host string `json:"host"`
	// Network leaves it the machine's network. Otherwise it has a loopback interface of its own.
	Network bool `json:"network,omitempty"`
	// Temporary is how many bytes /tmp and /dev/shm may each hold, in memory.
	Temporary int64 `json:"temporary"`
	// Processes bounds the processes of the user in Namespaces. Zero: no bound.
	Processes int64 `json:"processes,omitempty"`

	Args []string `json:"args"` // the program's path and arguments
	Env  []string `json:"env"`
	Dir  string   `json:"dir"` // where it starts
}

// Way is how programs are kept apart.
type Way string

// The ways.
const (
	Users      Way = "users"      // a user ID each, and namespaces
	Namespaces Way = "namespaces" // namespaces of one user
	None       Way = "none"
)

// Users that sandboxes may have: a range that no distribution or container manager gives out.
const (
	FirstUID = 1_900_000_000
	LastUID  = 1_999_999_999
)

// system are the directories of programs and libraries, as far as they are there.
var system = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
}

// config are the files of /etc that programs and libraries read, as far as they are there. None of
// them holds a secret, or tells of the machine's other services.
var config = []string{
	"/etc/alternatives", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies", "/etc/fonts",
	"/etc/gai.conf", "/etc/host.conf", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/pki/ca-trust", "/etc/pki/tls/certs",
	"/etc/protocols", "/etc/services", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/timezone",
}

// ofNetwork are the files of /etc that only matter where the machine's network is there.
var ofNetwork = []string{"/etc/hosts", "/etc/resolv.conf"}

const dirMode fs.FileMode = 0o755
