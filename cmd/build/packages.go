package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// packages makes the Debian and the RPM package of a target from package/nfpm.yaml.
func (r *release) packages(t target) (err error) {
	staging, err := os.MkdirTemp("", "pizzeria-package")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(staging)) }()
	if err := r.units(staging); err != nil {
		return err
	}
	for _, kind := range []string{"deb", "rpm"} {
		err := r.run([]string{
			"ARCH=" + t.arch, "VERSION=" + r.version, "PROGRAMS=" + filepath.Join(r.output, t.name()), "STAGING=" + staging,
		}, "go", "run", packager, "package", "--config", "cmd/build/package/nfpm.yaml", "--packager", kind,
			"--target", filepath.Join(r.output, r.name(t)+"."+kind))
		if err != nil {
			return err
		}
	}
	return nil
}

// units copies the units of examples/systemd, for programs that a package manager installs.
func (r *release) units(dir string) error {
	for _, name := range []string{"pizzeria.service", "pizzeria.socket"} {
		b, err := os.ReadFile(filepath.Join(r.root, "examples/systemd", name))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(b), "/usr/local/bin/", "/usr/bin/")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // G306
			return err
		}
	}
	return nil
}
