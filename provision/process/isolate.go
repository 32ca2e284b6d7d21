//go:build linux || darwin

package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/cgroup"
	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// The limits of an instance whose plan has none, so that a fork bomb ends somewhere.
const defaultPIDs = 4096

// temporary is how many bytes an instance may keep in /tmp, in memory.
const temporary = 256 << 20

// sandboxFile says how an instance is kept apart. It is in the instance's host directory.
const sandboxFile = "sandbox.json"

// apart is how an instance is kept apart.
type apart struct {
	Way sandbox.Way `json:"way"`
	UID int         `json:"uid"`
	PID int         `json:"pid"`   // of the shim, on the host side
	At  string      `json:"start"` // when it was started; see startOf
}

// hostName is where the host directories are, beside the run directories.
const hostName = ".host"

// hostDir is what the host side keeps of an instance that is kept apart: its run directory is the
// org's, which may put there what it likes.
func hostDir(dir string) string {
	return filepath.Join(filepath.Dir(dir), hostName, filepath.Base(dir))
}

// isApart reports whether an instance is, or was, kept apart.
func isApart(dir string) bool {
	_, err := os.Stat(hostDir(dir))
	return err == nil
}

// trustedDir is where the files of a run directory are that the host side relies on.
func trustedDir(dir string) string {
	if isApart(dir) {
		return hostDir(dir)
	}
	return dir
}

func readApart(dir string) (a apart, err error) {
	b, err := os.ReadFile(filepath.Join(hostDir(dir), sandboxFile))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// group is the control group of an instance.
func (p *Provider) group(dir string) (*cgroup.Group, error) { return cgroup.Open(p.groupName(dir)) }

func (p *Provider) groupName(dir string) string {
	sum := sha256.Sum256([]byte(p.c.Dir))
	return hex.EncodeToString(sum[:5]) + "/" + filepath.Base(dir)
}

// startApart starts the shim of a run directory where it sees nothing but what it needs. The caller
// holds the lock, which the shim inherits.
func (p *Provider) startApart(m means, dir string, s provision.Spec, spec shimSpec, lock *os.File) (ended <-chan struct{}, err error) {
	if s.Env[provision.RedisVariable] != "" && s.Redis == "" && p.c.Egress != EgressOpen {
		return nil, provision.ErrRedisAway
	}
	uid, err := p.user(m.way, s.OrgID)
	if err != nil {
		return nil, err
	}
	if p.c.Egress == EgressAllow {
		if spec.Egress, err = p.startProxy(m, dir); err != nil {
			return nil, err
		}
		if err := writeJSON(filepath.Join(dir, specFile), spec); err != nil {
			return nil, err
		}
	}
	for _, own := range []string{dir, spec.Dir, filepath.Dir(spec.Log)} {
		if err := hostside.Give(own, uid); err != nil {
			return nil, err
		}
	}
	if err := p.noteUser(s.OrgID, uid); err != nil {
		return nil, err
	}
	inside, err := p.sandboxSpec(uid, dir, s, spec)
	if err != nil {
		return nil, err
	}
	if m.way == sandbox.Namespaces {
		inside.Processes = pids(s.Limits)
	}
	out, err := os.OpenFile(filepath.Join(hostDir(dir), "sandbox.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	if err := closeInherited(); err != nil {
		return nil, err
	}
	placed := func(pid int) error {
		if err := p.bound(m, dir, pid, s.Limits); err != nil {
			return err
		}
		at, err := startOf(pid)
		if err != nil {
			return err
		}
		return writeJSON(filepath.Join(hostDir(dir), sandboxFile), apart{m.way, uid, pid, at})
	}
	cmd, err := p.c.Sandbox.Start(m.way, inside, placed, out, lock)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { // reaps it, should it end before the gateway
		defer close(done)
		_ = cmd.Wait()
	}()
	return done, nil
}

// bound puts an instance into its control group.
func (p *Provider) bound(m means, dir string, pid int, l registry.Limits) error {
	if m.limits == (cgroup.Enforced{}) {
		return nil
	}
	g, err := p.group(dir)
	if err != nil {
		return err
	}
	if err := g.Remove(); err != nil { // what an earlier run left
		return err
	}
	return g.Add(pid, groupLimits(l))
}

func groupLimits(l registry.Limits) cgroup.Limits {
	return cgroup.Limits{CPU: l[registry.LimitCPU], Memory: int64(l[registry.LimitMemory]), PIDs: pids(l)}
}

func pids(l registry.Limits) int64 {
	if n, ok := l[registry.LimitPIDs]; ok {
		return int64(n)
	}
	return defaultPIDs
}

// sandboxSpec is what an instance sees.
func (p *Provider) sandboxSpec(uid int, dir string, s provision.Spec, spec shimSpec) (sandbox.Spec, error) {
	agent, err := p.executable(p.c.Shim[0])
	if err != nil {
		return sandbox.Spec{}, err
	}
	read := append([]sandbox.Path{agent}, sandbox.Same(p.c.Files...)...)
	if filepath.IsAbs(spec.Command[0]) {
		program, err := p.executable(spec.Command[0])
		if err != nil {
			return sandbox.Spec{}, err
		}
		read = append(read, program)
	}
	if s.Keys != "" {
		read = append(read, sandbox.Same(s.Keys)...)
	}
	if spec.Egress != "" {
		read = append(read, sandbox.Same(filepath.Dir(spec.Egress))...)
	}
	if spec.Redis != "" {
		read = append(read, sandbox.Same(filepath.Dir(spec.Redis))...)
	}
	args := append(append([]string{}, p.c.Shim...), dir, inheritedLock)
	return sandbox.Spec{
		UID: uid, Read: read, Write: []string{dir, spec.Dir, filepath.Dir(spec.Log)}, Hide: []string{p.c.Dir},
		Home: spec.Dir, Host: nameOf(s.Slug), Network: p.c.Egress == EgressOpen, Temporary: temporary,
		Args: args, Dir: dir,
		Env: []string{"PATH=" + systemPath, "HOME=" + dir},
	}, nil
}

func nameOf(slug string) string {
	if slug == "" {
		return "instance"
	}
	return slug
}

// executable is where a program is, so that every user may execute it: a copy of one that is for its
// owner alone.
func (p *Provider) executable(path string) (sandbox.Path, error) {
	i, err := os.Stat(path)
	if err != nil {
		return sandbox.Path{}, err
	}
	if os.Geteuid() != 0 || i.Mode().Perm()&0o005 == 0o005 {
		return sandbox.Path{From: path, At: path}, nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", path, i.Size(), i.ModTime()))
	shared := filepath.Join(p.c.Dir, "run", ".programs", hex.EncodeToString(sum[:10]))
	if _, err := os.Stat(shared); errors.Is(err, fs.ErrNotExist) {
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(shared), 0o700)
		}
		if err == nil {
			err = writeFile(shared, b)
		}
		if err != nil {
			return sandbox.Path{}, err
		}
	}
	// Always: who made the copy may have been cut off before.
	if err := os.Chmod(shared, 0o555); err != nil { //nolint:gosec // a program
		return sandbox.Path{}, err
	}
	return sandbox.Path{From: shared, At: path}, nil
}

// Limit implements provision.Limiter.
func (p *Provider) Limit(ctx context.Context, r provision.Ref, l registry.Limits) error {
	disk, group := p.limitDisk(ctx, r.OrgID, l), p.limitGroup(r, l)
	if errors.Is(disk, errors.ErrUnsupported) && (group == nil || errors.Is(group, errors.ErrUnsupported)) {
		return group
	}
	if errors.Is(group, errors.ErrUnsupported) {
		return disk
	}
	return errors.Join(disk, group)
}

func (p *Provider) limitGroup(r provision.Ref, l registry.Limits) error {
	dir := p.runDir(r)
	if p.means().limits == (cgroup.Enforced{}) || !isApart(dir) {
		return errors.ErrUnsupported
	}
	g, err := p.group(dir)
	if err != nil {
		return err
	}
	return g.Set(groupLimits(l))
}

// Use implements provision.Meter.
func (p *Provider) Use(r provision.Ref) map[registry.LimitName]float64 {
	use := map[registry.LimitName]float64{}
	if g, err := p.group(p.runDir(r)); err == nil && p.means().limits != (cgroup.Enforced{}) {
		if u, err := g.Usage(); err == nil {
			use[registry.LimitMemory], use[registry.LimitPIDs] = float64(u.Memory), float64(u.PIDs)
		}
	}
	if n, err := p.volume(r.OrgID).Used(); err == nil {
		use[registry.LimitDisk] = float64(n)
	}
	return use
}

// Sample implements provision.Sampler, by the instance's control group.
func (p *Provider) Sample(r provision.Ref) (s provision.Sample, ok bool) {
	if p.means().limits == (cgroup.Enforced{}) {
		return s, false
	}
	u, err := cgroup.Read(p.groupName(p.runDir(r)))
	return provision.Sample{CPU: u.CPU, Memory: u.Memory}, err == nil
}

// outOfMemory reports whether an instance that ended had used its memory up.
func (p *Provider) outOfMemory(dir string) bool {
	g, err := p.group(dir)
	if err != nil {
		return false
	}
	u, err := g.Usage()
	return err == nil && u.Killed > 0
}

// forget removes what the host side keeps of an instance that has ended.
func (p *Provider) forget(dir string) error {
	if !isApart(dir) {
		return nil
	}
	endProxy(dir)
	var errs []error
	if g, err := p.group(dir); err == nil && os.Geteuid() == 0 {
		errs = append(errs, g.Remove())
	}
	to, err := p.moveAway(hostDir(dir)) // at once: nobody takes a lock in it meanwhile
	if err == nil {
		err = hostside.RemoveAll(to)
	}
	return errors.Join(append(errs, err)...)
}

// forgetGone forgets what a crash left between the removal of a run directory and forget. It has the
// lock: somebody may be about to start there.
func (p *Provider) forgetGone() {
	entries, err := os.ReadDir(filepath.Join(p.c.Dir, "run", hostName))
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(p.c.Dir, "run", e.Name())
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		l, err := lock(dir)
		if err != nil {
			continue
		}
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			_ = p.forget(dir)
		}
		_ = l.Close()
	}
}

// endApart ends an instance that is kept apart and does not end by itself: with its first process
// all of them end.
func endApart(dir string) {
	a, err := readApart(dir)
	if err != nil || !held(dir) {
		return
	}
	killProcess(a.PID, a.At)
}

// awaitGone returns when nothing runs any more of an instance that was kept apart, whose lock is free:
// a first process that is killed lets go of the lock before the others have ended, and ends itself
// after them.
func awaitGone(ctx context.Context, dir string) error {
	a, err := readApart(dir)
	if err != nil { // it was not started
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leftoversEnd)
	defer cancel()
	for !ended(a.PID, a.At) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("what an earlier run left in %s does not end: %w", dir, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
