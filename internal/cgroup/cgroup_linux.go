package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/cgroups"
	v1 "github.com/opencontainers/cgroups/fs"
	v2 "github.com/opencontainers/cgroups/fs2"
	"golang.org/x/sys/unix"
)

// Limits are the bounds of a group. Zero: none.
type Limits struct {
	CPU    float64 // cores
	Memory int64   // bytes, swap included
	PIDs   int64   // processes and threads
}

// Enforced says which limits this machine can hold a group to.
type Enforced struct{ CPU, Memory, PIDs bool }

// Usage is what a group uses.
type Usage struct {
	CPU    time.Duration // since it was made
	Memory int64         // bytes
	PIDs   int64
	Killed int64 // processes that were ended since memory was used up
}

// above is the group of all groups.
const above = "/pizzeria"

// controllers are the hierarchies of version 1 that a group is in. The others are left alone.
var controllers = []string{"cpu", "cpuacct", "cpu,cpuacct", "memory", "pids"}

// Group is a control group, which may not be there.
type Group struct {
	name string
	at   string // its directory, in one hierarchy
	m    cgroups.Manager
}

// Open returns the group of a name, which may hold slashes. It makes nothing.
func Open(name string) (*Group, error) {
	config := &cgroups.Cgroup{
		Path: path.Join(above, name), Resources: &cgroups.Resources{SkipDevices: true},
	}
	m, err := manager(config)
	if err != nil {
		return nil, fmt.Errorf("cgroup: %s: %w", name, err)
	}
	at := m.Path("pids")
	if at == "" {
		at = m.Path("memory")
	}
	return &Group{name, at, m}, nil
}

func manager(config *cgroups.Cgroup) (cgroups.Manager, error) {
	if cgroups.IsCgroup2UnifiedMode() {
		return v2.NewManager(config, "")
	}
	all, err := v1.NewManager(config, nil)
	if err != nil {
		return nil, err
	}
	paths := all.GetPaths()
	for name := range paths {
		if !slices.Contains(controllers, name) {
			delete(paths, name)
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("no hierarchy of control groups is mounted")
	}
	return v1.NewManager(config, paths)
}

// Add makes the group if it is not there, with limits, and moves a process into it. What the
// process starts from then on is in the group.
func (g *Group) Add(pid int, l Limits) error {
	if err := g.m.Apply(pid); err != nil {
		return fmt.Errorf("cgroup: %s: %w", g.name, err)
	}
	return g.Set(l)
}

// Set changes the limits of a group that is there.
func (g *Group) Set(l Limits) error {
	r := resources(l)
	err := g.m.Set(r)
	if errors.Is(err, fs.ErrNotExist) && r.Memory > 0 { // a kernel without accounting of swap
		r = resources(l)
		r.MemorySwap = 0
		err = g.m.Set(r)
	}
	if err != nil {
		return fmt.Errorf("cgroup: limit %s: %w", g.name, err)
	}
	return nil
}

// period is over which processor time is counted, in microseconds.
const period = 100_000

func resources(l Limits) *cgroups.Resources {
	none := int64(-1)
	r := &cgroups.Resources{
		SkipDevices: true, Memory: -1, MemorySwap: -1, PidsLimit: &none, CpuQuota: -1, CpuPeriod: period,
	}
	if l.CPU > 0 {
		r.CpuQuota = int64(max(1000, math.Ceil(l.CPU*period)))
	}
	if l.Memory > 0 {
		r.Memory, r.MemorySwap = l.Memory, l.Memory
	}
	if l.PIDs > 0 {
		r.PidsLimit = &l.PIDs
	}
	return r
}

// Usage returns what a group uses that is there.
func (g *Group) Usage() (u Usage, err error) {
	s, err := g.m.Stats(&cgroups.StatsOptions{
		Controllers: cgroups.CPU | cgroups.Memory | cgroups.Pids,
	})
	if err != nil {
		return u, fmt.Errorf("cgroup: %s: %w", g.name, err)
	}
	killed, _ := g.m.OOMKillCount() // a kernel may not count them
	return Usage{
		CPU:    time.Duration(clamp(s.CpuStats.CpuUsage.TotalUsage)),
		Memory: clamp(s.MemoryStats.Usage.Usage), PIDs: clamp(s.PidsStats.Current), Killed: clamp(killed),
	}, nil
}

func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) } //nolint:gosec // bounded

// Remove ends every process of the group, and the group. One that is not there is removed.
func (g *Group) Remove() error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		pids, err := cgroups.GetAllPids(g.at) // the manager's own method looks at devices
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			pids, err = nil, nil
		}
		if err != nil {
			return fmt.Errorf("cgroup: %s: %w", g.name, err)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if len(pids) == 0 {
			break
		}
		time.Sleep(wait)
	}
	gone, err := Open(g.name) // a manager forgets where its group was
	if err != nil {
		return err
	}
	paths := maps.Clone(gone.m.GetPaths())
	if err := gone.m.Destroy(); err != nil {
		return fmt.Errorf("cgroup: remove %s: %w", g.name, err)
	}
	for _, at := range paths { // those above go with the last one in them
		for at = path.Dir(at); path.Base(at) != path.Base(above); at = path.Dir(at) {
			if unix.Rmdir(at) != nil {
				break
			}
		}
	}
	return nil
}

// Supported tries what this machine can hold groups to.
func Supported() (e Enforced, err error) {
	if os.Geteuid() != 0 {
		return e, errors.New("control groups are for root")
	}
	g, err := Open("try-" + strconv.Itoa(os.Getpid()))
	if err != nil {
		return e, err
	}
	if err := g.m.Apply(-1); err != nil {
		return e, fmt.Errorf("cgroup: %w", err)
	}
	defer func() { _ = g.m.Destroy() }()
	try := func(l Limits) bool {
		err = errors.Join(err, g.Set(l))
		return err == nil
	}
	e.CPU, e.Memory, e.PIDs = try(Limits{CPU: 1}), try(Limits{Memory: 1 << 30}), try(Limits{PIDs: 100})
	return e, err
}
