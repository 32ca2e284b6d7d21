// Command build makes the distribution from xcaddy.json, which is xcaddy's Builder as JSON, and
// pizzeria-agent beside it. To add a plugin, such as a DNS provider, name it there and build again.
//
// "build release" makes what a release consists of: archives, Debian and RPM packages, container
// images, lists of what is linked (SBOM), and checksums. The same commit gives the same bytes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "release" {
		return releaseCommand(args[1:])
	}
	file := flag.String("f", "xcaddy.json", "the manifest")
	output := flag.String("o", "pizzeria", "the binary to make")
	flag.Parse()
	return build(*file, *output)
}

func build(file, output string) error {
	b, err := load(file)
	if err != nil {
		return err
	}
	if output, err = filepath.Abs(output); err != nil {
		return err
	}
	ctx := context.Background()
	if err := b.Build(ctx, output); err != nil {
		return err
	}
	return buildAgent(ctx, filepath.Dir(file), filepath.Join(filepath.Dir(output), "pizzeria-agent"))
}

// buildAgent makes the agent of the module in a directory, for the same platform.
func buildAgent(ctx context.Context, dir, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", output, "./cmd/agent")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pizzeria-agent: %w", err)
	}
	return nil
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
