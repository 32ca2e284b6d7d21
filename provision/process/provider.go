//go:build linux || darwin

package process

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/processtree"
	"github.com/pizzaface/pizzeria/internal/sandbox"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Provider runs instances as processes. It keeps no state of its own.
type Provider struct {
	c            Config
	installation registry.InstallationID
	ofAll        bool // see OfAll
}

// maxSocketPath is the shortest limit of the supported systems: 104 bytes with the final NUL on
// macOS. Linux allows 4 more.
const maxSocketPath = 103

// New checks the config.
func New(c Config) (*Provider, error) {
	if len(c.Command) == 0 || len(c.Shim) == 0 {
		return nil, errors.New("process: the command is missing")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	c.Dir = dir
	if err := agent.CheckProfile(c.Profile); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	if c.Profile == agent.Direct {
		c.Profile = ""
	}
	p := &Provider{c: c}
	longest := filepath.Join(p.runDir(provision.Ref{OrgID: registry.OrgID(registry.NewID()), Generation: 999_999}), appSocket)
	if over := len(longest) - maxSocketPath; over > 0 {
		return nil, fmt.Errorf("process: the data directory %s is %d characters too long for the Unix sockets below it: use a shorter path", dir, over)
	}
	return p, nil
}

// Name implements provision.Provider.
func (*Provider) Name() string { return "process" }

// Grace implements provision.Provider.
func (p *Provider) Grace() time.Duration { return p.c.Grace }

// Enforces implements provision.Provider.
func (p *Provider) Enforces(name registry.LimitName) bool {
	m := p.means()
	switch name {
	case registry.LimitCPU:
		return m.limits.CPU
	case registry.LimitMemory:
		return m.limits.Memory
	case registry.LimitPIDs:
		return m.limits.PIDs || m.way == sandbox.Namespaces
	}
	return false
}

// Configuration implements provision.Provider.
func (p *Provider) Configuration() string { return fingerprint(p.c, p.means().way) }

// fingerprint tells configurations apart by what an instance keeps of them.
func fingerprint(c Config, way sandbox.Way) string {
	command := slices.Clone(c.Command)
	if command[0] == c.Self {
		command[0] = "" // this program, wherever it lies: `go run` builds it somewhere else each time
	}
	kept := []any{command, c.Env}
	if c.Profile != "" || c.Required || len(c.Sidecars) > 0 { // otherwise as in earlier versions
		kept = append(kept, c.Profile, c.Required, c.Sidecars)
	}
	if way != sandbox.None {
		kept = append(kept, way, c.Files, c.Egress, c.Allow)
	}
	b, _ := json.Marshal(kept) // strings in lists and maps, which have an order in JSON
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Place implements provision.Keeper.
func (p *Provider) Place() string { return p.c.Dir }

// Isolation implements provision.Provider.
func (p *Provider) Isolation() string {
	network := "and a network of its own"
	switch p.c.Egress {
	case EgressAllow:
		network = "and a network of its own, with a proxy to " + strings.Join(p.c.Allow, ", ")
	case EgressOpen:
		network = "and the server's network, where it reaches whatever listens without asking who it is"
	}
	switch p.means().way {
	case sandbox.Users:
		return "each org's instance has its own user, file system and processes, " + network
	case sandbox.Namespaces:
		return "each org's instance has its own file system and processes, " + network +
			"; all have the server's user, so a fault of the kernel is all that separates them. Run the server as root to give each its own"
	}
	return "processes of one user share a file system and a network: all orgs are one trust domain. Use it for development, or where every org trusts every other"
}

// Limits implements provision.Limited.
func (p *Provider) Limits() string {
	said := processtree.Limits
	if m := p.means(); m.way == sandbox.None && p.c.Isolation != IsolationOff {
		said = strings.TrimPrefix(said+"; instances are not isolated: "+m.why.Error(), "; ")
	}
	return said
}

// key is an org's ID in 26 characters, since socket paths are short.
func key(org registry.OrgID) string {
	id, err := uuid.Parse(string(org))
	if err != nil {
		return "invalid"
	}
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}

func (p *Provider) runDir(r provision.Ref) string {
	return filepath.Join(p.c.Dir, "run", key(r.OrgID)+"-"+strconv.FormatInt(r.Generation, 10))
}

// LogFile is where an org's instance writes its output.
func (p *Provider) LogFile(org registry.OrgID) string {
	return filepath.Join(p.c.Dir, "orgs", string(org), "logs", "instance.log")
}

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
		return p.await(ctx, s.Ref)
	}
	if err := p.refuseOlder(s.Ref); err != nil {
		return provision.Observed{}, err
	}
	if err := p.Check(); err != nil {
		return provision.Observed{}, err
	}
	spec, err := p.prepare(s)
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	ended, err := p.start(ctx, s, spec)
	if errors.Is(err, syscall.EWOULDBLOCK) { // another is about to
		return p.await(ctx, s.Ref)
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	awaitShim(dir, ended)
	return p.await(ctx, s.Ref)
}

// systemPath is where an instance's programs are looked for.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prepare makes the directories of an instance, and what its shim reads.
func (p *Provider) prepare(s provision.Spec) (shimSpec, error) {
	dir := p.runDir(s.Ref)
	data := filepath.Join(p.c.Dir, "orgs", string(s.OrgID), "data")
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
		Required: p.c.Required, Health: s.Health, Secrets: s.Secrets, Credential: credential,
	}, nil
}

// start starts the shim of an instance, kept apart as this machine can.
func (p *Provider) start(ctx context.Context, s provision.Spec, spec shimSpec) (ended <-chan struct{}, err error) {
	dir, m := p.runDir(s.Ref), p.means()
	if m.way == sandbox.None {
		if err := p.takeBack(dir, spec); err != nil {
			return nil, err
		}
		if err := p.write(dir, s, spec); err != nil {
			return nil, err
		}
		return p.spawn(dir)
	}
	if err := endLeftovers(ctx, dir); err != nil { // of one that was not kept apart
		return nil, err
	}
	if err := os.MkdirAll(hostDir(dir), 0o700); err != nil {
		return nil, err
	}
	l, err := lockPatiently(dir)
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
	// What an earlier run of the org left in its directory is not for the server to write to.
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, err
	}
	if err := p.write(dir, s, spec); err != nil {
		return nil, err
	}
	return p.startApart(m, dir, s, spec, l)
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
func (p *Provider) takeBack(dir string, spec shimSpec) error {
	if isApart(dir) {
		if err := errors.Join(p.forget(dir), os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	logs := filepath.Dir(spec.Log)
	uid, err := ownerOf(logs)
	if err != nil || !isOrgs(uid) {
		return err
	}
	if err := errors.Join(os.Lchown(logs, 0, 0), os.Lchown(spec.Dir, 0, 0)); err != nil {
		return err
	}
	entries, err := os.ReadDir(logs)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			err = errors.Join(err, os.RemoveAll(filepath.Join(logs, e.Name())))
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

// await waits until the shim answers, or has ended.
func (p *Provider) await(ctx context.Context, r provision.Ref) (provision.Observed, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	dir := p.runDir(r)
	for {
		if _, err := call(ctx, dir, request{Op: opStatus}); err == nil {
			return p.observed(r), nil
		}
		if e, err := readExit(dir); err == nil && !held(dir) {
			return provision.Observed{}, fmt.Errorf("the instance ended at once: %s", e)
		}
		if isApart(dir) && !held(dir) {
			return provision.Observed{}, fmt.Errorf("process: the sandbox cannot be made: %s", tail(p.note(dir)))
		}
		select {
		case <-ctx.Done():
			return provision.Observed{}, fmt.Errorf("process: the shim does not answer: %w: %s", ctx.Err(), tail(p.note(dir)))
		case <-time.After(5 * time.Millisecond):
		}
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

func (p *Provider) observed(r provision.Ref) provision.Observed {
	dir := p.runDir(r)
	// One that cannot be read is another one.
	configuration, _ := os.ReadFile(filepath.Join(trustedDir(dir), configFile))
	return provision.Observed{
		Running: true, Address: "unix/" + filepath.Join(dir, appSocket), Configuration: string(configuration),
	}
}

// Observe implements provision.Provider.
func (p *Provider) Observe(_ context.Context, r provision.Ref) (provision.Observed, error) {
	dir := p.runDir(r)
	if err := p.refuseForeign(dir); err != nil {
		return provision.Observed{Detail: err.Error()}, nil
	}
	if held(dir) {
		return p.observed(r), nil
	}
	e, err := readExit(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return provision.Observed{Detail: "it is not there"}, nil
	}
	if err != nil {
		return provision.Observed{}, fmt.Errorf("process: %w", err)
	}
	return provision.Observed{Detail: registry.CleanLine(e.String(), 500) + p.whyKilled(dir)}, nil
}

// whyKilled says more of an end than the instance's shim knows.
func (p *Provider) whyKilled(dir string) string {
	if isApart(dir) && p.outOfMemory(dir) {
		return "; it used more memory than its limit"
	}
	return ""
}

// Stop implements provision.Provider.
func (p *Provider) Stop(ctx context.Context, org registry.OrgID, upTo int64) error {
	refs, err := p.refs()
	if err != nil {
		return err
	}
	for _, r := range refs {
		if r.OrgID != org || r.Generation > upTo {
			continue
		}
		dir := p.runDir(r)
		foreign, err := p.foreign(dir)
		switch {
		case err == nil && foreign:
			err = p.refuseForeign(dir) // it cannot share the org's data with another
		case err == nil:
			err = p.stop(ctx, dir)
		}
		if err != nil {
			return fmt.Errorf("process: %w", err)
		}
	}
	return nil
}

func (p *Provider) stop(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.Grace+10*time.Second)
	defer cancel()
	// A shim that does not do it, since it stands still itself, takes its instance along.
	force := time.AfterFunc(p.c.Grace+shimStart, func() { killShim(dir) })
	defer force.Stop()
	for {
		// Removing is done under the lock: a shim that was just started finds nothing to run.
		l, err := lock(dir)
		if err == nil {
			if !isApart(dir) {
				err = endLeftovers(ctx, dir)
			}
			if err != nil {
				return errors.Join(err, l.Close())
			}
			reapAdopted()
			return errors.Join(p.discard(dir), l.Close())
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		// An error is a shim that has just ended, or is about to listen: the lock tells.
		within, done := context.WithTimeout(ctx, p.c.Grace+shimStart)
		_, _ = call(within, dir, request{Op: opStop, GraceMS: p.c.Grace.Milliseconds()})
		done()
		select {
		case <-ctx.Done():
			return fmt.Errorf("the shim in %s does not end: %w", dir, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// goneDir keeps run directories between their disappearing, which is atomic, and their removal.
const goneDir = ".gone"

func (p *Provider) discard(dir string) error {
	gone := filepath.Join(p.c.Dir, "run", goneDir)
	if err := os.MkdirAll(gone, 0o700); err != nil {
		return err
	}
	to := filepath.Join(gone, uuid.NewString())
	if err := os.Remove(p.credentialFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(dir, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.RemoveAll(to), p.forget(dir))
}

// List implements provision.Provider. What an instance left behind counts as the instance.
func (p *Provider) List(context.Context) ([]provision.Seen, error) {
	_ = os.RemoveAll(filepath.Join(p.c.Dir, "run", goneDir)) // left by a crash
	p.forgetGone()
	refs, err := p.refs()
	if err != nil {
		return nil, err
	}
	reapAdopted()
	var seen []provision.Seen
	ended := map[string]provision.Ref{}
	for _, r := range refs {
		if dir := p.runDir(r); held(dir) {
			foreign, err := p.adopt(dir)
			if err != nil {
				return nil, fmt.Errorf("process: %w", err)
			}
			seen = append(seen, provision.Seen{Ref: r, Observed: p.observed(r), Foreign: foreign})
		} else if foreign, err := p.foreign(dir); err == nil && !foreign && !isApart(dir) { // nothing outlives a sandbox
			ended[dir] = r
		}
	}
	left, _, err := leftovers(slices.Collect(maps.Keys(ended))...)
	for dir, r := range ended {
		if len(left[dir]) > 0 {
			seen = append(seen, provision.Seen{Ref: r, Observed: provision.Observed{
				Detail: "its shim ended, and processes of it are left",
			}})
		}
	}
	return seen, err
}

// refs returns every instance with a run directory, running or not.
func (p *Provider) refs() ([]provision.Ref, error) {
	entries, err := os.ReadDir(filepath.Join(p.c.Dir, "run"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	var refs []provision.Ref
	for _, e := range entries {
		k, gen, ok := strings.Cut(e.Name(), "-")
		b, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(k))
		n, err2 := strconv.ParseInt(gen, 10, 64)
		if !ok || err != nil || err2 != nil || len(b) != 16 {
			continue
		}
		refs = append(refs, provision.Ref{OrgID: registry.OrgID(uuid.UUID(b).String()), Generation: n})
	}
	return refs, nil
}

func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(path, b)
}

// writeFile replaces a file as a whole.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // others may write the same
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
