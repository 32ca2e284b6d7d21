package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// list writes which modules a program links, as CycloneDX.
func (r *release) list(t target, program string) error {
	output := filepath.Join(r.output, r.name(t)+".cdx.json")
	if err := r.run(nil, "go", "run", lister, "bin", "-json", "-noserial", "-version", r.version, "-output", output, program); err != nil {
		return err
	}
	b, err := os.ReadFile(output)
	if err != nil {
		return err
	}
	if b, err = settled(b, r.date); err != nil {
		return err
	}
	return os.WriteFile(output, b, 0o644) //nolint:gosec // G306
}

// settled returns a list without what differs between two runs: the time, and checksums of the tool,
// which is built on each machine.
func settled(list []byte, date time.Time) ([]byte, error) {
	var bom, metadata map[string]json.RawMessage
	if err := json.Unmarshal(list, &bom); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(bom["metadata"], &metadata); err != nil {
		return nil, err
	}
	var tools []map[string]json.RawMessage
	if err := json.Unmarshal(metadata["tools"], &tools); err != nil {
		return nil, err
	}
	for _, tool := range tools {
		delete(tool, "hashes")
	}
	var err error
	if metadata["tools"], err = json.Marshal(tools); err != nil {
		return nil, err
	}
	if metadata["timestamp"], err = json.Marshal(date); err != nil {
		return nil, err
	}
	if bom["metadata"], err = json.Marshal(metadata); err != nil {
		return nil, err
	}
	return json.MarshalIndent(bom, "", "  ")
}
