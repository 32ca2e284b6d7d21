//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Ensure implements provision.Provider.
func (p *Provider) Ensure(ctx context.Context, s provision.Spec) (provision.Observed, error) {
	if !registry.ValidID(string(s.OrgID)) {
		return provision.Observed{}, fmt.Errorf("docker: %q is not an org ID", s.OrgID)
	}
	o, err := p.ensure(ctx, s)
	if err != nil {
		return provision.Observed{}, fmt.Errorf("docker: %w", err)
	}
	return o, nil
}

// refuseDisk returns an error when the org's files are on a disk of the process provider's, which the
// engine may not see: its own directory would be empty.
func (p *Provider) refuseDisk(org registry.OrgID) error {
	image := hostside.DiskImage(p.c.Dir, string(org))
	if _, err := os.Lstat(image); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return fmt.Errorf("the files of the org are on its disk %s, which containers do not get: copy them "+
		"elsewhere, unmount %s, put the copy in its place, and move the image away", image, p.orgDir(org))
}

func (p *Provider) ensure(ctx context.Context, s provision.Spec) (o provision.Observed, err error) {
	unlock, err := p.lock(ctx, s.OrgID)
	if err != nil {
		return o, err
	}
	defer unlock()
	all, err := p.find(ctx, labelOrg+"="+string(s.OrgID))
	if err != nil {
		return o, err
	}
	var ended []found
	for _, f := range all {
		switch {
		case f.installation != p.installation:
			if err := refuseForeign(f); err != nil {
				return o, err
			}
		case f.role == roleInstance && f.running && f.ref == s.Ref:
			return p.observed(s.Ref, f.configuration, f.image), nil
		case f.role == roleInstance && f.running && f.ref.Generation > s.Generation:
			return o, fmt.Errorf("generation %d runs, which is newer than %d: stop it with `docker rm -f %s`",
				f.ref.Generation, s.Generation, f.name)
		case f.ref == s.Ref:
			ended = append(ended, f)
		}
	}
	if err := p.refuseDisk(s.OrgID); err != nil {
		return o, err
	}
	if at := hostside.Running(ctx, filepath.Join(p.c.Dir, "run", key(s.OrgID)+"-*")); at != "" {
		return o, fmt.Errorf("an instance of the process provider runs on the org's files, at %s: stop it with "+
			"`pizzeria down`", at)
	}
	img, err := p.image(ctx, s, ended)
	if err != nil {
		return o, err
	}
	users, err := p.probe(ctx, img)
	if err != nil {
		return o, err
	}
	for _, f := range ended {
		if err := p.remove(ctx, f.id); err != nil {
			return o, err
		}
	}
	user, err := p.prepare(s, users)
	if err != nil {
		return o, err
	}
	if s.Env[provision.RedisVariable] != "" && s.Redis == "" {
		return o, provision.ErrRedisAway
	}
	credential, err := p.newCredential(s.Ref)
	if err != nil {
		return o, err
	}
	if p.c.Egress == EgressAllow {
		if err := p.startProxy(ctx, s.Ref, img, users); err != nil {
			return o, errors.Join(err, p.discard(context.WithoutCancel(ctx), s.Ref, nil))
		}
	}
	if _, err := p.run(ctx, p.instance(s, img, user, credential)); err != nil {
		return o, errors.Join(err, p.discard(context.WithoutCancel(ctx), s.Ref, nil))
	}
	return p.observed(s.Ref, s.Configuration, img.digest), nil
}

// refuseForeign returns an error when a container of another installation runs in the org's place.
func refuseForeign(f found) error {
	if !f.running {
		return nil
	}
	return fmt.Errorf("an instance of another installation, %s, runs in the container %s: put the database of that "+
		"installation back, or stop the instance with `docker rm -f %s`", f.installation, f.name, f.name)
}

// run creates a container and starts it. One that does not start is removed.
func (p *Provider) run(ctx context.Context, b box) (id string, err error) {
	ctx, cancel := about(ctx, startTime)
	defer cancel()
	made, err := p.engine.c.ContainerCreate(ctx, p.template(b))
	if err != nil {
		if cerrdefs.IsConflict(err) {
			err = fmt.Errorf("%w: it was not made here", err)
		}
		return "", err
	}
	if _, err := p.engine.c.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		return "", errors.Join(err, p.remove(context.WithoutCancel(ctx), made.ID))
	}
	return made.ID, nil
}

// remove removes a container, and kills what still runs in it.
func (p *Provider) remove(ctx context.Context, id string) error {
	ctx, cancel := about(ctx, startTime)
	defer cancel()
	_, err := p.engine.c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	for cerrdefs.IsConflict(err) { // somebody else does
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
		_, err = p.engine.c.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// lock waits for the lock of an org's directory, which every change of its containers holds.
func (p *Provider) lock(ctx context.Context, org registry.OrgID) (unlock func(), err error) {
	dir := p.orgDir(org)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			select {
			case <-time.After(5 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = fmt.Errorf("somebody else starts or stops the instance: %w", context.Cause(ctx))
			}
		}
		return nil, errors.Join(err, f.Close())
	}
}

// prepare makes the directories of an instance, which belong to the org's user. The caller has the
// org's lock, and nothing of the org runs in this generation.
func (p *Provider) prepare(s provision.Spec, users mapping) (user int, err error) {
	if err := os.MkdirAll(filepath.Join(p.c.Dir, "run", "docker"), 0o700); err != nil {
		return 0, err
	}
	run, data, logs := p.runDir(s.Ref), filepath.Join(p.orgDir(s.OrgID), "data"), filepath.Dir(p.LogFile(s.OrgID))
	for _, dir := range []string{data, logs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
	}
	if user, err = p.user(s.OrgID, users); err != nil {
		return 0, err
	}
	// Sockets of an earlier run would be in the way of new ones.
	if err := errors.Join(hostside.RemoveAll(run), os.Mkdir(run, 0o700)); err != nil {
		return 0, err
	}
	return user, errors.Join(hostside.Give(logs, users.uid(user)), hostside.Give(run, users.uid(user)))
}

// printed is what a container printed itself, for the messages of errors.
func (p *Provider) printed(ctx context.Context, id string) string {
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	r, err := p.engine.c.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "20"})
	if err != nil {
		return ""
	}
	defer func() { _ = r.Close() }()
	var b strings.Builder
	_, _ = stdcopy.StdCopy(&b, &b, io.LimitReader(r, 64<<10))
	text := b.String()
	return registry.CleanLine(text[max(0, len(text)-500):], 500)
}
