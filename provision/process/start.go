//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/internal/volume"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Ensure implements provision.Provider.
func (p *Provider) Ensure(ctx context.Context, s provision.Spec) (provision.Observed, error) {
	if !registry.ValidID(string(s.OrgID)) {
		return provision.Observed{}, fmt.Errorf("process: %q is not an org ID", s.OrgID)
	}
	dir := p.runDir(s.Ref)
	if err := p.refuseForeign(dir); err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	if held(dir) {
		return p.await(ctx, s.Ref, nil)
	}
	if err := p.refuseOlder(s.Ref); err != nil {
		return provision.Observed{}, err
	}
	if at := hostside.Running(ctx, filepath.Join(p.c.Dir, "run", "docker", key(s.OrgID)+"-*")); at != "" {
		return provision.Observed{}, fmt.Errorf("process: a container runs on the org's files, at %s: stop it "+
			"with `docker rm -f $(docker ps -q --filter label=pizzeria.org=%s)`", at, s.OrgID)
	}
	if err := p.Check(); err != nil {
		return provision.Observed{}, err
	}
	notice, started, err := p.openDisk(ctx, s)
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	defer started()
	spec, err := p.prepare(s)
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	ended, err := p.start(ctx, s, spec)
	if errors.Is(err, syscall.EWOULDBLOCK) { // another is about to
		return p.await(ctx, s.Ref, nil)
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	awaitShim(dir, ended)
	started()
	o, err := p.await(ctx, s.Ref, ended)
	o.Notice = notice
	return o, err
}

// systemPath is where an instance's programs are looked for.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prepare makes the directories of an instance, and what its shim reads.
func (p *Provider) prepare(s provision.Spec) (shimSpec, error) {
	dir := p.runDir(s.Ref)
	data := filepath.Join(p.orgDir(s.OrgID), "data")
	for _, d := range []string{dir, data, filepath.Dir(p.LogFile(s.OrgID))} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return shimSpec{}, err
		}
	}
	socket := filepath.Join(dir, appSocket)
	env := map[string]string{"PATH": systemPath, "HOME": data, "LANG": "C.UTF-8"}
	maps.Copy(env, s.Env)
	for k, v := range p.c.Env { // the operator's win over what an org sets, and nobody's over the instance contract
		if !strings.HasPrefix(k, "PIZZERIA_") {
			env[k] = v
		}
	}
	env["PIZZERIA_LISTEN"] = "unix:" + socket
	env["PIZZERIA_DATA_DIR"] = data
	if s.Keys != "" {
		env["PIZZERIA_JWKS_FILE"] = filepath.Join(s.Keys, provision.KeysFile)
	}
	env[runDirVariable] = dir
	credential, err := p.newCredential(s.Ref)
	if err != nil {
		return shimSpec{}, err
	}
	return shimSpec{
		OrgID: s.OrgID, Generation: s.Generation, Command: p.c.Command, Env: env, Dir: data,
		Log: p.LogFile(s.OrgID), Socket: socket, Sidecars: p.c.Sidecars, Profile: p.c.Profile,
		Required: p.c.Required, Health: s.Health, Secrets: s.Secrets, Credential: credential, Redis: s.Redis,
	}, nil
}

// start starts the shim of an instance, kept apart as this machine can.
func (p *Provider) start(ctx context.Context, s provision.Spec, spec shimSpec) (ended <-chan struct{}, err error) {
	dir, m := p.runDir(s.Ref), p.means()
	if m.way == sandbox.None {
		if err := p.refuseDowngrade(dir, spec.Dir, m.why); err != nil {
			return nil, err
		}
		if err := p.takeBack(ctx, dir, spec); err != nil {
			return nil, err
		}
		if err := p.write(dir, s, spec); err != nil {
			return nil, err
		}
		return p.spawn(dir)
	}
	if !isApart(dir) {
		alone, err := patiently(lockIn, dir) // no shim that is not kept apart starts meanwhile
		if err != nil {
			return nil, err
		}
		defer func() { _ = alone.Close() }()
		if err := endLeftovers(ctx, dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(hostDir(dir), 0o700); err != nil {
		return nil, err
	}
	l, err := patiently(lockIn, hostDir(dir))
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	now := time.Now()
	if err := os.Chtimes(l.Name(), now, now); err != nil { // see began
		return nil, err
	}
	if spec.Command, err = program(spec.Command); err != nil {
		return nil, err
	}
	if err := awaitGone(ctx, dir); err != nil {
		return nil, err
	}
	// What an earlier run of the org left in its directory is not for the server to write to.
	if err := emptyRun(dir); err != nil {
		return nil, err
	}
	if err := p.shareDisk(s.OrgID, dir); err != nil {
		return nil, err
	}
	if err := p.write(dir, s, spec); err != nil {
		return nil, err
	}
	return p.startApart(m, dir, s, spec, l)
}

// emptyRun makes the run directory of an instance that has ended a new one.
func emptyRun(dir string) error {
	if err := volume.Unbind(dir); err != nil {
		return err
	}
	if err := hostside.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o700)
}

// program is a command with the path of its program.
func program(command []string) ([]string, error) {
	path, err := exec.LookPath(command[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the command: %w", err)
	}
	return append([]string{path}, command[1:]...), nil
}

// write writes what the shim of a run directory reads, and what tells of it.
func (p *Provider) write(dir string, s provision.Spec, spec shimSpec) error {
	err := errors.Join(p.label(dir), writeFile(filepath.Join(trustedDir(dir), configFile), []byte(s.Configuration)))
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, exitFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeJSON(filepath.Join(dir, specFile), spec)
}

// takeBack makes the server's user the owner of the directories of an instance that was kept apart,
// and is not any more. What the org left there that leads elsewhere goes: its shim is now as trusted
// as the server.
func (p *Provider) takeBack(ctx context.Context, dir string, spec shimSpec) error {
	if isApart(dir) { // until nothing of the org is left there to be trusted
		l, err := patiently(lockIn, hostDir(dir))
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }()
		if err := awaitGone(ctx, dir); err != nil {
			return err
		}
		if err := emptyRun(dir); err != nil {
			return err
		}
		if err := p.forget(dir); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	logs := filepath.Dir(spec.Log)
	uid, err := hostside.OwnerOf(logs)
	if err != nil || !isOrgs(uid) {
		return err
	}
	if err := errors.Join(os.Lchown(logs, 0, 0), os.Lchown(spec.Dir, 0, 0)); err != nil {
		return err
	}
	entries, err := os.ReadDir(logs)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			err = errors.Join(err, hostside.RemoveAll(filepath.Join(logs, e.Name())))
		}
	}
	return err
}

// refuseOlder returns an error when a newer instance of the org runs: whoever asks
// has lost its lease, or the registry was restored from a backup.
func (p *Provider) refuseOlder(r provision.Ref) error {
	refs, err := p.refs()
	if err != nil {
		return err
	}
	for _, other := range refs {
		if other.OrgID == r.OrgID && other.Generation > r.Generation && held(p.runDir(other)) {
			return fmt.Errorf("process: generation %d runs, which is newer than %d: "+
				"`pizzeria down` stops it", other.Generation, r.Generation)
		}
	}
	return nil
}

// awaitShim waits until a shim that was just spawned holds its lock, or has
// ended. It does so also when the caller's context has ended: a shim that List
// does not see yet would be stopped by nobody.
func awaitShim(dir string, ended <-chan struct{}) {
	for end := time.Now().Add(shimStart); !held(dir) && time.Now().Before(end); {
		select {
		case <-ended:
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}

const shimStart = 5 * time.Second

// spawn starts a shim in a session of its own, so that it outlives the gateway
// and its terminal. ended is closed when it has ended.
func (p *Provider) spawn(dir string) (ended <-chan struct{}, err error) {
	out, err := os.OpenFile(filepath.Join(dir, "shim.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.c.Shim[0], append(p.c.Shim[1:len(p.c.Shim):len(p.c.Shim)], dir)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := closeInherited(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the shim: %w", err)
	}
	done := make(chan struct{})
	go func() { // reaps it, should it end before the gateway
		defer close(done)
		_ = cmd.Wait()
	}()
	return done, nil
}

// lostAfter is how long nobody may hold the lock of an instance that another starts.
const lostAfter = time.Second

// await waits until the shim answers, or has ended. ended is closed when the shim that the caller
// started has; it is nil for one that another starts or has started.
func (p *Provider) await(ctx context.Context, r provision.Ref, ended <-chan struct{}) (provision.Observed, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	dir := p.runDir(r)
	for seen := time.Now(); ; {
		if _, err := call(ctx, dir, request{Op: opStatus}); err == nil {
			return p.observed(r), nil
		}
		if held(dir) {
			seen = time.Now()
		} else if isClosed(ended) || time.Since(seen) > lostAfter {
			if e, err := readExit(dir); err == nil {
				return provision.Observed{}, fmt.Errorf("the instance ended at once: %s", e)
			}
			if isApart(dir) {
				return provision.Observed{}, fmt.Errorf("process: the sandbox cannot be made: %s", tail(p.note(dir)))
			}
		}
		select {
		case <-ctx.Done():
			return provision.Observed{}, fmt.Errorf("process: the shim does not answer: %w: %s", ctx.Err(), tail(p.note(dir)))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// note is what the shim of a run directory, or what starts it, says of its failure.
func (*Provider) note(dir string) []byte {
	if b, err := os.ReadFile(filepath.Join(hostDir(dir), "sandbox.log")); err == nil && len(b) > 0 {
		return b
	}
	b, _ := sockets.ReadFile(filepath.Join(dir, "shim.log"), mostAnswer)
	return b
}

func tail(b []byte) string { return strings.TrimSpace(string(b[max(0, len(b)-500):])) }
