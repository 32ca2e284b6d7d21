//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/mount"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	proxySocket = "proxy.sock"
	// proxyUser is no org's.
	proxyUser = firstUser - 1
	// proxyNetwork is the engine's own bridge: proxies listen at no address.
	proxyNetwork = "bridge"
)

// proxyLimits bound what a proxy uses for its instance.
var proxyLimits = registry.Limits{registry.LimitMemory: 128 << 20, registry.LimitPIDs: 64}

func (p *Provider) egressDir(r provision.Ref) string {
	return filepath.Join(p.c.Dir, "run", "docker", ".egress", baseName(r))
}

func (p *Provider) proxyName(r provision.Ref) string { return p.containerName(r) + "-egress" }

// startProxy starts the proxy of an instance, in a container that has a network, of the same image.
// The instance sees its socket alone. It ends with the instance, and not with the server.
func (p *Provider) startProxy(ctx context.Context, r provision.Ref, img resolved, users mapping) error {
	if err := p.endProxy(ctx, r); err != nil {
		return err
	}
	dir := p.egressDir(r)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the instance connects there
		return err
	}
	user := proxyUser
	if p.c.Root {
		user = 0
	}
	if err := os.Lchown(dir, users.uid(user), users.uid(user)); err != nil {
		return err
	}
	b := box{
		role: roleEgress, ref: r, name: p.proxyName(r), host: "egress", user: user, image: img, grace: 1,
		args:   append([]string{"egress", egressAt + "/" + proxySocket}, p.c.Allow...),
		mounts: []mount.Mount{bind(dir, egressAt, false)}, limits: proxyLimits, network: proxyNetwork,
	}
	if len(p.c.Agent) > 1 {
		b.args = append(append([]string{}, p.c.Agent[1:len(p.c.Agent)-1]...), b.args...)
	}
	id, err := p.run(ctx, b)
	if err != nil {
		return fmt.Errorf("the egress proxy: %w", err)
	}
	ctx, cancel := about(ctx, askTime)
	defer cancel()
	for {
		if _, err := os.Lstat(filepath.Join(dir, proxySocket)); err == nil {
			return nil
		}
		running, err := p.find(ctx, labelRole+"="+roleEgress, labelOrg+"="+string(r.OrgID), labelGeneration+"="+strconv.FormatInt(r.Generation, 10))
		if err == nil && (len(running) == 0 || !running[0].running) {
			err = fmt.Errorf("it has ended: %s", p.printed(ctx, id))
		}
		select {
		case <-ctx.Done():
			err = errors.Join(err, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
		if err != nil {
			return fmt.Errorf("the egress proxy: %w", errors.Join(err, p.endProxy(context.WithoutCancel(ctx), r)))
		}
	}
}

// endProxy removes the proxy of an instance, if it has one.
func (p *Provider) endProxy(ctx context.Context, r provision.Ref) error {
	dir := p.egressDir(r)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(p.remove(ctx, p.proxyName(r)), hostside.RemoveAll(dir))
}
