package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pizzaface/pizzeria/internal/licenses"
)

// The packages that a program links differ by platform and, rarely, by CPU.
var platforms = []string{"linux/amd64", "linux/arm64", "linux/386", "darwin/amd64", "darwin/arm64", "windows/amd64"}

// module is a linked module, and the license files of its linked packages.
type module struct {
	path, version, dir string
	files              map[string]bool
}

var (
	licenseFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)`)
	noticeFile  = regexp.MustCompile(`(?i)^(notice|patents|copyright)`)
)

// linked returns the modules of cmd/pizzeria: this one, the standard library,
// and the others by path.
func linked(root string) ([]*module, error) {
	goroot, err := goCommand(nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	self := &module{path: licenses.Self, files: map[string]bool{filepath.Join(root, "LICENSE"): true}}
	std := &module{path: licenses.Std, files: map[string]bool{filepath.Join(strings.TrimSpace(goroot), "LICENSE"): true}}
	found := map[string]*module{}
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		out, err := goCommand([]string{"GOOS=" + goos, "GOARCH=" + goarch, "CGO_ENABLED=0", "GOWORK=off"},
			"list", "-C", root, "-deps", "-json=Dir,Module", "./cmd/pizzeria")
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(strings.NewReader(out)); ; {
			var pkg struct {
				Dir    string
				Module *struct {
					Path, Version, Dir string
					Main               bool
					Replace            *struct{ Version string }
				}
			}
			if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if pkg.Module == nil || pkg.Module.Main {
				continue
			}
			m := found[pkg.Module.Path]
			if m == nil {
				m = &module{path: pkg.Module.Path, version: pkg.Module.Version, dir: pkg.Module.Dir, files: map[string]bool{}}
				if r := pkg.Module.Replace; r != nil {
					m.version = r.Version
				}
				found[m.path] = m
			}
			if err := m.add(pkg.Dir); err != nil {
				return nil, err
			}
		}
	}
	others := slices.SortedFunc(maps.Values(found), func(a, b *module) int { return cmp.Compare(a.path, b.path) })
	return append([]*module{self, std}, others...), nil
}

// add notes the license files of a package, up to the root of its module: a
// package copied from elsewhere brings its license along.
func (m *module) add(dir string) error {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			n := e.Name()
			if e.Type().IsRegular() && (licenseFile.MatchString(n) || noticeFile.MatchString(n)) && !isNoLicense(n) {
				m.files[filepath.Join(dir, n)] = true
			}
		}
		if dir == m.dir || len(dir) <= len(m.dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

// isNoLicense reports whether a file that is named like a license is program text, or the license of
// documentation, which is linked nowhere.
func isNoLicense(name string) bool {
	return filepath.Ext(name) == ".go" || filepath.Ext(name) == ".docs"
}
