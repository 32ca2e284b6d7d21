package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// layer is a part of a file system under way. Nothing in it is of this machine or this moment.
type layer struct {
	tar  *tar.Writer
	date time.Time
	made map[string]bool // directories
}

// newLayer returns a layer, compressed, and the digest of what it is uncompressed.
func newLayer(date time.Time, fill func(l *layer) error) (content []byte, sum string, err error) {
	var b bytes.Buffer
	z, h := gzip.NewWriter(&b), sha256.New()
	l := &layer{tar: tar.NewWriter(io.MultiWriter(z, h)), date: date, made: map[string]bool{}}
	err = errors.Join(fill(l), l.tar.Close(), z.Close())
	return b.Bytes(), fmt.Sprintf("sha256:%x", h.Sum(nil)), err
}

func (l *layer) directory(name string, mode int64, owner int) error {
	if name == "." || l.made[name] {
		return nil
	}
	l.made[name] = true
	return errors.Join(l.directory(path.Dir(name), 0o755, 0), l.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner, ModTime: l.date, Format: tar.FormatUSTAR,
	}))
}

// begin begins a file. Its content is written next.
func (l *layer) begin(name string, mode, size int64) error {
	return errors.Join(l.directory(path.Dir(name), 0o755, 0), l.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: l.date, Format: tar.FormatUSTAR,
	}))
}

func (l *layer) text(name, content string) error {
	if err := l.begin(name, 0o644, int64(len(content))); err != nil {
		return err
	}
	_, err := io.WriteString(l.tar, content)
	return err
}

func (l *layer) file(name, from string, mode int64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := l.begin(name, mode, info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(l.tar, f)
	return err
}

// authorities are the public certificate authorities that the server has built in, for other programs.
// Those that are trusted under conditions are left out, which a file cannot state.
func authorities() string {
	var b strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return b.String()
}
