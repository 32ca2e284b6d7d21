// Command build makes the distribution from xcaddy.json, which is xcaddy's Builder as JSON. To
// add a plugin, such as a DNS provider, name it there and build again.
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
	output := flag.String("o", "pizzeria", "the binary to make")
	flag.Parse()
	if err := build(*file, *output); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(file, output string) error {
	b, err := load(file)
	if err != nil {
		return err
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	return b.Build(context.Background(), output)
}

// load reads a manifest. xcaddy builds in a directory of its own, so load makes relative
// replacements absolute.
func load(file string) (b xcaddy.Builder, err error) {
	f, err := os.Open(file)
	if err != nil {
		return b, err
	}
	defer func() { _ = f.Close() }()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, fmt.Errorf("%s: %w", file, err)
	}
	for i, r := range b.Replacements {
		if !strings.HasPrefix(string(r.New), ".") {
			continue
		}
		dir, err := filepath.Abs(filepath.Join(filepath.Dir(file), string(r.New)))
		if err != nil {
			return b, err
		}
		b.Replacements[i].New = xcaddy.ReplacementPath(dir)
		stamp(&b, string(r.Old), dir)
	}
	return b, nil
}
