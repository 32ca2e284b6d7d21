package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testRelease is a release of a made-up clone, with programs that are there already.
func testRelease(t *testing.T, t0 target) (r *release, programs []string) {
	t.Helper()
	r = &release{root: t.TempDir(), output: t.TempDir(), version: "v1.2.3", date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, name := range documents {
		if err := os.WriteFile(filepath.Join(r.root, name), []byte("the "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pizzeria", "pizzeria-agent"} {
		path := filepath.Join(r.output, t0.name(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("program "+name), 0o600)); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, path)
	}
	return r, programs
}

// TestArchive: an archive holds programs and documents, and nothing of the machine or the moment.
func TestArchive(t *testing.T) {
	for _, system := range []string{"linux", "windows"} {
		var first []byte
		for range 2 {
			at := target{system, "amd64"}
			r, programs := testRelease(t, at)
			if err := r.archive(at, programs); err != nil {
				t.Fatal(err)
			}
			suffix, entries := ".tar.gz", tarEntries
			if system == "windows" {
				suffix, entries = ".zip", zipEntries
			}
			b, err := os.ReadFile(filepath.Join(r.output, "pizzeria_1.2.3_"+system+"_amd64"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"-rwxr-xr-x pizzeria: program pizzeria", "-rwxr-xr-x pizzeria-agent: program pizzeria-agent"}
			for _, name := range documents {
				want = append(want, fmt.Sprintf("-rw-r--r-- %s: the %s", name, name))
			}
			if got := entries(t, b, r.date); !slices.Equal(got, want) {
				t.Errorf("%s: %q", system, got)
			}
			if first != nil && !bytes.Equal(first, b) {
				t.Errorf("%s: two archives of the same differ", system)
			}
			first = b
		}
	}
}

func tarEntries(t *testing.T, b []byte, date time.Time) (entries []string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil || !h.ModTime.Equal(date) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%+v %v", h, err)
		}
		entries = append(entries, fmt.Sprintf("%s %s: %s", h.FileInfo().Mode(), h.Name, content))
	}
}

func zipEntries(t *testing.T, b []byte, date time.Time) (entries []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		c, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(c)
		if err != nil || !f.Modified.Equal(date) {
			t.Errorf("%+v %v", f, err)
		}
		entries = append(entries, fmt.Sprintf("%s %s: %s", f.Mode(), f.Name, content))
	}
	return entries
}

// TestSums: sha256sum accepts the list.
func TestSums(t *testing.T) {
	at := target{"linux", "arm64"}
	r, programs := testRelease(t, at)
	if err := errors.Join(r.archive(at, programs), r.sums()); err != nil {
		t.Fatal(err)
	}
	archive, err := os.ReadFile(filepath.Join(r.output, "pizzeria_1.2.3_linux_arm64.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.output, "SHA256SUMS"))
	if want := fmt.Sprintf("%x  pizzeria_1.2.3_linux_arm64.tar.gz\n", sha256.Sum256(archive)); err != nil || string(got) != want {
		t.Errorf("%q %v", got, err)
	}
}

// TestSettled: nothing of the machine or the moment is left in a list, and everything else is.
func TestSettled(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got, err := settled([]byte(`{"version":1,"metadata":{"timestamp":"2027-01-01T00:00:00Z","tools":[{"name":"x","hashes":[{"alg":"MD5"}]}],"component":{"purl":"pkg:a@b"}},"components":[{"name":"y","hashes":[1]}]}`), date)
	var kept bytes.Buffer
	if err := json.Compact(&kept, got); err != nil {
		t.Fatal(err)
	}
	want := `{"components":[{"name":"y","hashes":[1]}],"metadata":{"component":{"purl":"pkg:a@b"},"timestamp":"2026-01-02T03:04:05Z","tools":[{"name":"x"}]},"version":1}`
	if err != nil || kept.String() != want {
		t.Errorf("%v %s", err, kept.String())
	}
}

// TestUnits: the packages' units start the program where the packages put it.
func TestUnits(t *testing.T) {
	r, dir := &release{root: "../.."}, t.TempDir()
	if err := r.units(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "pizzeria.service"))
	if err != nil || !strings.Contains(string(b), "ExecStart=/usr/bin/pizzeria run") || strings.Contains(string(b), "/usr/local") {
		t.Errorf("%v %s", err, b)
	}
}

// TestTags: a release has what a build from the manifest has.
func TestTags(t *testing.T) {
	b, err := load("../../xcaddy.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.BuildFlags, "-tags "+tags+" ") {
		t.Errorf("%s, not %s", tags, b.BuildFlags)
	}
}

// TestReleaseRefuses: a release is made of a commit, into a directory that is not there yet.
func TestReleaseRefuses(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	t.Chdir(t.TempDir())
	if err := releaseCommand(nil); err == nil || !strings.Contains(err.Error(), "made of a commit") {
		t.Error(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "a"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	if err := releaseCommand([]string{"-targets", "linux"}); err == nil || !strings.Contains(err.Error(), "no platform") {
		t.Error(err)
	}
	if err := os.WriteFile(".gitignore", []byte("/dist/\n.gitignore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := releaseCommand(nil); !errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
}
