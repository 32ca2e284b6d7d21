package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

var pizzapiParts = []string{"app", "Redis", "agent", "control plane"}

// consumption is what the processes of one part use.
type consumption struct {
	memory []int // KiB of each, as its proportional set size
	cpu    time.Duration
}

func (c consumption) total() (sum int) {
	for _, n := range c.memory {
		sum += n
	}
	return sum
}

func (c consumption) at(percent int) int {
	if len(c.memory) == 0 {
		return 0
	}
	slices.Sort(c.memory)
	return c.memory[min(len(c.memory)-1, len(c.memory)*percent/100)]
}

// proc is a process, as /proc shows it.
type proc struct {
	parent int
	name   string // of its program
	first  string // word of its command line
	cpu    time.Duration
}

// parts returns what the parts of this installation use.
func (b *pizzapiBench) parts() (map[string]consumption, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	found := map[string]consumption{}
	for pid, p := range all {
		name := ""
		switch {
		case pid == b.ours.Process.Pid:
			name = "control plane"
		case p.first == b.agent:
			name = "agent"
		case !b.below(all, pid):
			continue
		case p.name == "redis-server":
			name = "Redis"
		default:
			name = "app"
		}
		n, err := pss(pid)
		if errors.Is(err, fs.ErrNotExist) { // it has ended
			continue
		}
		if err != nil {
			return nil, err
		}
		c := found[name]
		c.memory, c.cpu = append(c.memory, n), c.cpu+p.cpu
		found[name] = c
	}
	return found, nil
}

// below reports whether a process comes from an agent of this installation.
func (b *pizzapiBench) below(all map[int]proc, pid int) bool {
	for p, ok := all[pid]; ok; p, ok = all[p.parent] {
		if p.first == b.agent {
			return true
		}
	}
	return false
}

const ticks = 100 // a second, in /proc/{pid}/stat

func processes() (map[int]proc, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := map[int]proc{}
	for _, dir := range dirs {
		stat, err1 := os.ReadFile(filepath.Join(dir, "stat"))
		line, err2 := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err1 != nil || err2 != nil {
			continue // it has ended
		}
		// The second field is a name in parentheses that can hold anything; see proc_pid_stat(5).
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		fields := strings.Fields(string(stat[end+1:]))
		pid, err1 := strconv.Atoi(filepath.Base(dir))
		parent, err2 := strconv.Atoi(fields[1])
		user, err3 := strconv.Atoi(fields[11])
		system, err4 := strconv.Atoi(fields[12])
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		first, _, _ := strings.Cut(string(line), "\x00")
		all[pid] = proc{parent, string(stat[open+1 : end]), first, time.Duration(user+system) * time.Second / ticks}
	}
	return all, nil
}
