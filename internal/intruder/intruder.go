package intruder

import (
	"encoding/json"
	"fmt"
	"io"
)

// Targets are what is tried. All of it must be there, so that a failed try says something.
type Targets struct {
	Sockets   []string `json:"sockets,omitempty"`   // paths of others' and the server's sockets
	Addresses []string `json:"addresses,omitempty"` // host:port of the server and of metadata services
	Files     []string `json:"files,omitempty"`     // files and directories of others and the server
	Processes []int    `json:"processes,omitempty"` // others' and the server's, by their IDs on the machine
	Own       string   `json:"own"`                 // the org's data directory
	// Directories are the org's own, which it must not move: the server relies on where they are.
	Directories []string `json:"directories,omitempty"`
}

// Finding is what a try got.
type Finding struct {
	Attack string `json:"attack"` // what was tried
	Target string `json:"target,omitempty"`
	Got    string `json:"got,omitempty"` // what it reached; empty: nothing
}

// Held reports whether nothing was reached.
func (f Finding) Held() bool { return f.Got == "" }

// Main reads Targets, tries everything, and writes a list of Findings. Both are JSON.
func Main(targets string, out io.Writer) error {
	var t Targets
	if err := json.Unmarshal([]byte(targets), &t); err != nil {
		return fmt.Errorf("read the targets: %w", err)
	}
	return json.NewEncoder(out).Encode(Run(t))
}
