package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/cgroups"
)

// Read returns the CPU and Memory of the group of a name that is there; Memory without files that were
// not used lately, which the kernel forgets when it needs the memory. It reads three files and no more,
// so that thousands of groups can be asked at once.
func Read(name string) (u Usage, err error) {
	at, err := roots()
	if err == nil {
		u, err = at.read(name)
	}
	if err != nil {
		return Usage{}, fmt.Errorf("cgroup: %s: %w", name, err)
	}
	return u, nil
}

// places are the directories of the group of all groups.
type places struct {
	cpu, memory string
	unified     bool // version 2
}

var roots = sync.OnceValues(func() (places, error) {
	g, err := Open("")
	if err != nil {
		return places{}, err
	}
	if cgroups.IsCgroup2UnifiedMode() {
		return places{g.m.Path(""), g.m.Path(""), true}, nil
	}
	return places{g.m.Path("cpuacct"), g.m.Path("memory"), false}, nil
})

func (p places) read(name string) (u Usage, err error) {
	if p.cpu == "" || p.memory == "" {
		return u, errors.ErrUnsupported
	}
	memory, file, cached := "memory.usage_in_bytes", "cpuacct.usage", "total_inactive_file"
	if p.unified {
		memory, file, cached = "memory.current", "cpu.stat", "inactive_file"
	}
	b, err := os.ReadFile(path.Join(p.memory, name, memory))
	if err != nil {
		return u, err
	}
	if u.Memory, err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err != nil {
		return u, err
	}
	if b, err = os.ReadFile(path.Join(p.memory, name, "memory.stat")); err != nil {
		return u, err
	}
	n, err := strconv.ParseInt(field(b, cached), 10, 64)
	if err != nil {
		return u, err
	}
	u.Memory = max(0, u.Memory-n)
	if b, err = os.ReadFile(path.Join(p.cpu, name, file)); err != nil {
		return u, err
	}
	text, unit := strings.TrimSpace(string(b)), time.Nanosecond
	if p.unified {
		text, unit = field(b, "usage_usec"), time.Microsecond
	}
	n, err = strconv.ParseInt(text, 10, 64)
	u.CPU = time.Duration(n) * unit
	return u, err
}

// field returns a value of a file of names and values, one in a line.
func field(file []byte, name string) string {
	_, value, _ := strings.Cut("\n"+string(file), "\n"+name+" ")
	value, _, _ = strings.Cut(value, "\n")
	return value
}
