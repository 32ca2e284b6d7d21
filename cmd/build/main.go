// Command build makes the distribution from xcaddy.json, which is xcaddy's
// Builder as JSON: add a plugin there, such as a DNS provider, and build again.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	file := flag.String("f", "xcaddy.json", "the manifest")
	output := flag.String("o", "caddy", "the binary to make")
	flag.Parse()
	if err := build(*file, *output); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(file, output string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var b xcaddy.Builder
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// xcaddy builds in a directory of its own, so paths are made absolute here.
	for i, r := range b.Replacements {
		if p := string(r.New); strings.HasPrefix(p, ".") {
			abs, err := filepath.Abs(filepath.Join(filepath.Dir(file), p))
			if err != nil {
				return err
			}
			b.Replacements[i].New = xcaddy.ReplacementPath(abs)
		}
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	return b.Build(context.Background(), output)
}
