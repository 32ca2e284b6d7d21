package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The tools that a release takes, at versions that do not change by themselves.
const (
	packager = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0"
	lister   = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0"

	tags = "nobadger,nomysql,nopgx" // as in xcaddy.json
)

// targets are the platforms that releases are for. docs/guide/install.md says what each can do.
var targets = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// release is a release under way.
type release struct {
	root    string    // of the clone
	output  string    // directory to fill
	version string    // v1.2.3
	date    time.Time // of the commit; nothing in a release is newer
	images  []descriptor
}

// target is one platform of a release.
type target struct{ os, arch string }

func (t target) name() string { return t.os + "_" + t.arch }

func releaseCommand(args []string) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	output := f.String("o", "dist", "the directory to make")
	only := f.String("targets", strings.Join(targets, ","), "the platforms, with commas between")
	if err := f.Parse(args); err != nil {
		return err
	}
	r, err := newRelease(*output)
	if err != nil {
		return err
	}
	for t := range strings.SplitSeq(*only, ",") {
		system, arch, ok := strings.Cut(t, "/")
		if !ok {
			return fmt.Errorf("%q is no platform, such as linux/amd64", t)
		}
		if err := r.make(target{system, arch}); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return errors.Join(r.layout(), r.sums())
}

// newRelease finds out what the clone in the working directory is a release of. The output directory
// must not be there: what is left in it would be listed as part of the release.
func newRelease(output string) (*release, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	version := versionOf(root)
	if version == "" {
		return nil, errors.New("a release is made of a commit, and here are uncommitted changes or no git repository")
	}
	stamp, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(stamp)), 10, 64)
	if err != nil {
		return nil, err
	}
	if output, err = filepath.Abs(output); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil { //nolint:gosec // G301
		return nil, err
	}
	if err := os.Mkdir(output, 0o755); err != nil { //nolint:gosec // G301
		return nil, err
	}
	return &release{root: root, output: output, version: version, date: time.Unix(seconds, 0).UTC()}, nil
}

// make makes everything for one platform.
func (r *release) make(t target) error {
	programs, err := r.compile(t)
	if err != nil {
		return err
	}
	if err := r.archive(t, programs); err != nil {
		return err
	}
	if err := r.list(t, programs[0]); err != nil {
		return err
	}
	if t.os != "linux" {
		return nil
	}
	return errors.Join(r.packages(t), r.image(t, programs))
}

// compile builds the programs into a directory of the target. Instances need an agent, and Windows
// runs none.
func (r *release) compile(t target) (programs []string, err error) {
	suffix := ""
	names := []string{"pizzeria", "pizzeria-agent"}
	if t.os == "windows" {
		suffix, names = ".exe", names[:1]
	}
	for _, name := range names {
		output := filepath.Join(r.output, t.name(), name+suffix)
		// The version is stated, since what Go reads from the repository depends on how it was cloned.
		flags := "-s -w -X 'github.com/caddyserver/caddy/v2.CustomVersion=" + r.version + " with Caddy'"
		source := "./cmd/" + strings.TrimPrefix(name, "pizzeria-")
		err := r.run([]string{"GOOS=" + t.os, "GOARCH=" + t.arch, "CGO_ENABLED=0"},
			"go", "build", "-trimpath", "-buildvcs=false", "-tags", tags, "-ldflags", flags, "-o", output, source)
		if err != nil {
			return nil, err
		}
		programs = append(programs, output)
	}
	return programs, nil
}

// name is what the files of a target begin with.
func (r *release) name(t target) string {
	return "pizzeria_" + strings.TrimPrefix(r.version, "v") + "_" + t.name()
}

// run runs a command in the clone, with variables added to its environment.
func (r *release) run(env []string, name string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.root, os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return nil
}
