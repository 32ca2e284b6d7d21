package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestRead: what is read of a group is what its manager says, and nothing of one that is not there.
func TestRead(t *testing.T) {
	requireRoot(t)
	name := fmt.Sprintf("test-%d/read", os.Getpid())
	if _, err := Read(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no group: %v", err)
	}
	g, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}()
	if err := g.Add(cmd.Process.Pid, Limits{}); err != nil {
		t.Fatal(err)
	}
	first, err := g.Usage()
	if err != nil {
		t.Fatal(err)
	}
	var u Usage
	for late := time.Now().Add(time.Minute); u.CPU < first.CPU+50*time.Millisecond; {
		if u, err = Read(name); err != nil || time.Now().After(late) {
			t.Fatalf("%v after %v: %v", u.CPU, first.CPU, err)
		}
	}
	last, err := g.Usage()
	if err != nil || u.CPU > last.CPU || u.Memory <= 0 || u.Memory > last.Memory+1<<20 {
		t.Errorf("%+v, and then %+v: %v", u, last, err)
	}
}

// TestReadVersions: both versions of control groups are read.
func TestReadVersions(t *testing.T) {
	for name, row := range map[string]struct {
		unified bool
		files   map[string]string
	}{
		"1": {false, map[string]string{"memory.usage_in_bytes": "4096\n", "cpuacct.usage": "1500000000\n", "memory.stat": "cache 3000\ntotal_inactive_file 96\n"}},
		"2": {true, map[string]string{"memory.current": "4096\n", "memory.stat": "file 3000\ninactive_file 96\n", "cpu.stat": "nr_periods 7\nusage_usec 1500000\nuser_usec 9\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := places{dir, dir, row.unified}
			if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range row.files {
				if err := os.WriteFile(filepath.Join(dir, "a", file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			u, err := at.read("a")
			if err != nil || u != (Usage{CPU: 1500 * time.Millisecond, Memory: 4000}) {
				t.Errorf("%+v %v", u, err)
			}
			for file := range row.files {
				if err := os.WriteFile(filepath.Join(dir, "a", file), []byte("?\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if u, err := at.read("a"); err == nil {
					t.Errorf("a bad %s is %+v", file, u)
				}
			}
		})
	}
}
