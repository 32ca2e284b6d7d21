//go:build linux

package docker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/hostside"
)

// nobody is the owner of files whose owner has no number here.
const nobody = 65_534

// probe finds out, once, whether the engine sees this machine's directories as they are here, whether
// the agent runs in the image, and which users of this machine those of containers are. A container,
// like that of an instance, writes a log to a directory that was made for it.
func (p *Provider) probe(ctx context.Context, img resolved) (mapping, error) {
	e := p.engine
	e.probing.Lock()
	defer e.probing.Unlock()
	if e.probed != nil {
		return *e.probed, nil
	}
	m, err := p.tryProbe(ctx, img)
	if err == nil {
		e.probed = &m
	}
	return m, err
}

func (p *Provider) tryProbe(ctx context.Context, img resolved) (m mapping, err error) {
	if os.Geteuid() != 0 {
		return m, errors.New("the server needs to be root, to give each org's files to a user of its own: " +
			"it has the rights of root by Docker's socket anyway")
	}
	if err := p.installAgent(); err != nil {
		return m, err
	}
	if err := p.dropProbes(ctx); err != nil {
		return m, err
	}
	name := strings.ToLower(rand.Text())
	dir := filepath.Join(p.c.Dir, "run", "docker", ".probe-"+name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return m, err
	}
	defer func() { _ = hostside.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // whose it is to be is not known yet
		return m, err
	}
	user := lastUser // the highest of all, which must be mapped, too
	if p.c.Root {
		user = 0
	}
	b := box{
		role: roleProbe, name: "pizzeria-probe-" + name, host: "probe", user: user, image: img, grace: 1,
		args: append(append([]string{}, p.c.Agent[1:]...), "--profile", "direct", "--log", logsAt+"/probe.log",
			"--", agentAt, "--version"),
		env: map[string]string{"PIZZERIA_ORG_ID": "probe", "PIZZERIA_ORG_GENERATION": "1"}, mounts: []mount.Mount{bind(dir, logsAt, false)},
	}
	if len(p.c.Agent) > 1 { // the server's own program
		b.args[len(b.args)-1] = "version"
	}
	id, err := p.run(ctx, b)
	if err != nil {
		return m, p.explain(err)
	}
	defer func() { err = errors.Join(err, p.remove(context.WithoutCancel(ctx), id)) }()
	ctx, cancel := about(ctx, startTime)
	defer cancel()
	wait := p.engine.c.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case err := <-wait.Error:
		return m, err
	case r := <-wait.Result:
		if r.StatusCode != 0 {
			return m, fmt.Errorf("the agent %s does not run in the image %s, with exit code %d: %s: it must be a static program, "+
				"and the log may say more", p.c.Agent[0], p.c.Image, r.StatusCode, p.printed(ctx, id))
		}
	}
	uid, err := hostside.OwnerOf(filepath.Join(dir, "probe.log"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, p.elsewhere()
	case err != nil:
		return m, err
	case uid == nobody:
		return m, errors.New("the files of instances belong to nobody here: run the server in the machine's own user namespace (userns_mode: host)")
	}
	m.offset = uid - user
	if p.c.Root && m.offset == 0 {
		return m, errors.New("instances would be root of the machine: start Docker with userns-remap, or leave `user root` out")
	}
	return m, nil
}

// explain says what an error of the engine means for the operator.
func (p *Provider) explain(err error) error {
	if strings.Contains(err.Error(), "bind source path does not exist") || strings.Contains(err.Error(), "invalid mount config") {
		return fmt.Errorf("%w (%w)", p.elsewhere(), err)
	}
	return err
}

// dropProbes removes what probes left that were cut off.
func (p *Provider) dropProbes(ctx context.Context) error {
	all, err := p.find(ctx, labelRole+"="+roleProbe, labelDirectory+"="+p.c.Dir)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.running { // another server's, of this moment
			continue
		}
		if err := p.remove(ctx, f.id); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) elsewhere() error {
	return fmt.Errorf("docker does not find the data directory %s of the server: where the server runs in a container, mount "+
		"the directory at the path that it has on the machine, and name that path with data_dir", p.c.Dir)
}

// agentFile is where the engine finds the agent: a copy, since the program itself may be in the
// server's own container.
func (p *Provider) agentFile() string {
	sum := "missing"
	if i, err := os.Stat(p.c.Agent[0]); err == nil {
		h := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", p.c.Agent[0], i.Size(), i.ModTime()))
		sum = hex.EncodeToString(h[:10])
	}
	return filepath.Join(p.c.Dir, "run", ".programs", sum)
}

func (p *Provider) installAgent() error {
	to := p.agentFile()
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	b, err := os.ReadFile(p.c.Agent[0])
	if err != nil {
		return fmt.Errorf("the agent: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".agent.*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o555), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
