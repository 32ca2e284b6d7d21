package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// documents are in each archive, beside the programs.
var documents = []string{"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "Caddyfile"}

// archive packs the programs and the documents: as .zip for Windows, otherwise as .tar.gz. All that
// differs between two machines, such as times and owners, is set.
func (r *release) archive(t target, programs []string) (err error) {
	suffix := ".tar.gz"
	if t.os == "windows" {
		suffix = ".zip"
	}
	f, err := os.Create(filepath.Join(r.output, r.name(t)+suffix))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	add, finish := r.tarball(f)
	if t.os == "windows" {
		add, finish = r.zip(f)
	}
	for _, program := range programs {
		if err := addFile(add, program, 0o755); err != nil {
			return err
		}
	}
	for _, name := range documents {
		if err := addFile(add, filepath.Join(r.root, name), 0o644); err != nil {
			return err
		}
	}
	return finish()
}

// adder adds a file to an archive, and returns where its content goes.
type adder func(name string, mode os.FileMode, size int64) (io.Writer, error)

func addFile(add adder, path string, mode os.FileMode) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w, err := add(filepath.Base(path), mode, info.Size())
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func (r *release) tarball(f io.Writer) (adder, func() error) {
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	add := func(name string, mode os.FileMode, size int64) (io.Writer, error) {
		return w, w.WriteHeader(&tar.Header{
			Name: name, Mode: int64(mode), Size: size, ModTime: r.date, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg,
		})
	}
	return add, func() error { return errors.Join(w.Close(), z.Close()) }
}

func (r *release) zip(f io.Writer) (adder, func() error) {
	w := zip.NewWriter(f)
	add := func(name string, mode os.FileMode, _ int64) (io.Writer, error) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: r.date}
		h.SetMode(mode)
		return w.CreateHeader(h)
	}
	return add, w.Close
}

// sums writes the checksums of all files, as sha256sum does.
func (r *release) sums() error {
	files, err := filepath.Glob(filepath.Join(r.output, "pizzeria*"))
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", h.Sum(nil), filepath.Base(file))
	}
	return os.WriteFile(filepath.Join(r.output, "SHA256SUMS"), []byte(b.String()), 0o644) //nolint:gosec // G306
}
