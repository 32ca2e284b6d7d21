//go:build linux

package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"crypto/rand"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/provision"
)

// maxFindings is how many bytes of findings are read.
const maxFindings = 1 << 20

// Intrude runs the intruder where an org's instance is, against another org's and the server, and
// returns what it got. Both run.
func (p *Provider) Intrude(ctx context.Context, from, at provision.Ref) ([]intruder.Finding, error) {
	there, err := p.engine.c.ContainerInspect(ctx, p.containerName(from), client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	img, err := p.inspect(ctx, there.Container.Image)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	users, err := p.probe(ctx, img)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	uid, err := hostside.OwnerOf(filepath.Join(p.orgDir(from.OrgID), "data"))
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	t := p.targets(img, at)
	found, err := p.tryAll(ctx, from, img, uid-users.offset, t)
	if err != nil {
		return nil, fmt.Errorf("docker: the intruder: %w", err)
	}
	return found, nil
}

// targets are what an instance must not reach.
func (p *Provider) targets(img resolved, at provision.Ref) intruder.Targets {
	data := filepath.Join(p.orgDir(at.OrgID), "data")
	t := intruder.Targets{
		Own: p.dataAt(img),
		Sockets: []string{
			filepath.Join(p.runDir(at), appSocket), filepath.Join(p.runDir(at), ownSocket),
			strings.TrimPrefix(p.c.Host, "unix://"), filepath.Join(p.c.Dir, "admin.sock"),
		},
		Files:     []string{p.c.Dir, p.runDir(at), data, p.LogFile(at.OrgID), p.credentialFile(at)},
		Addresses: append(hostside.Listening(), "169.254.169.254:80", "[fd00:ec2::254]:80"),
		Processes: []int{os.Getpid()},

		Directories: []string{p.dataAt(img), logsAt, runAt},
	}
	return t
}

// tryAll runs the intruder in a container like that of an instance.
func (p *Provider) tryAll(ctx context.Context, from provision.Ref, img resolved, user int, t intruder.Targets) ([]intruder.Finding, error) {
	what, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	b := p.instance(provision.Spec{Ref: from}, img, user, "")
	b.role, b.name = roleIntruder, p.containerName(from)+"-intruder-"+strings.ToLower(rand.Text())
	b.args = []string{"intruder", string(what)}
	if len(p.c.Agent) > 1 {
		b.args = append(append([]string{}, p.c.Agent[1:len(p.c.Agent)-1]...), b.args...)
	}
	id, err := p.run(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.remove(context.WithoutCancel(ctx), id) }()
	ctx, cancel := about(ctx, startTime)
	defer cancel()
	wait := p.engine.c.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case err := <-wait.Error:
		return nil, err
	case r := <-wait.Result:
		if r.StatusCode != 0 {
			return nil, fmt.Errorf("it ended with exit code %d: %s", r.StatusCode, p.printed(ctx, id))
		}
	}
	logs, err := p.engine.c.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&bounded{&out, maxFindings}, &bounded{new(bytes.Buffer), 0}, logs); err != nil {
		return nil, err
	}
	var found []intruder.Finding
	return found, json.Unmarshal(out.Bytes(), &found)
}

// bounded is a buffer that takes no more than so many bytes.
type bounded struct {
	*bytes.Buffer
	left int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("the container says too much")
	}
	return b.Buffer.Write(p)
}
