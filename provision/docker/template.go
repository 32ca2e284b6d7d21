//go:build linux

package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// Places within a container. Those below own are ours.
const (
	own         = "/pizzeria"
	agentAt     = own + "/agent"
	runAt       = own + "/run"
	keysAt      = own + "/keys"
	logsAt      = own + "/logs"
	egressAt    = own + "/egress"
	redisAt     = own + "/redis"
	defaultData = "/data"
)

const (
	appSocket = "app.sock"
	ownSocket = "agent.sock"
	logName   = "instance.log"
)

// Labels of a container.
const (
	labelInstallation  = "pizzeria.installation"
	labelOrg           = "pizzeria.org"
	labelGeneration    = "pizzeria.generation"
	labelConfiguration = "pizzeria.configuration"
	labelImage         = "pizzeria.image"     // what the image's name led to, for people
	labelDirectory     = "pizzeria.directory" // the data directory
	labelRole          = "pizzeria.role"
)

// The roles.
const (
	roleInstance = "instance"
	roleEgress   = "egress"
	roleProbe    = "probe"
	roleIntruder = "intruder"
)

// The limits of an instance whose plan has none, so that a fork bomb ends somewhere.
const (
	defaultPIDs = 4096
	leastMemory = 6 << 20 // the engine's own
	unlimited   = 1 << 60 // memory: the engine takes no change to none
	cpuPeriod   = 100_000
	mostFiles   = 65536 // that one process has open
)

// box is a container as the provider needs it. What it does not name is the same for all.
type box struct {
	role    string
	ref     provision.Ref
	name    string
	host    string // its own name
	user    int
	image   resolved
	args    []string // of the agent
	env     map[string]string
	mounts  []mount.Mount
	tmpfs   []string
	labels  map[string]string
	limits  registry.Limits
	grace   int    // seconds
	network string // "": none
}

// template is the request that creates a container. Nobody's request reaches more of it than names,
// labels, values of variables and numbers.
func (p *Provider) template(b box) client.ContainerCreateOptions {
	labels := map[string]string{
		labelInstallation: string(p.installation), labelRole: b.role, labelDirectory: p.c.Dir,
		labelOrg: string(b.ref.OrgID), labelGeneration: strconv.FormatInt(b.ref.Generation, 10),
		labelImage: b.image.digest,
	}
	maps.Copy(labels, b.labels)
	env := make([]string, 0, len(b.env))
	for _, name := range slices.Sorted(maps.Keys(b.env)) {
		env = append(env, name+"="+b.env[name])
	}
	tmpfs := map[string]string{"/tmp": "rw,exec,nosuid,nodev,size=256m,mode=1777"}
	for _, at := range b.tmpfs {
		tmpfs[at] = "rw,exec,nosuid,nodev,size=64m,mode=1777"
	}
	network := container.NetworkMode("none")
	if b.network != "" {
		network = container.NetworkMode(b.network)
	}
	restart := container.RestartPolicy{Name: container.RestartPolicyDisabled}
	if b.role == roleEgress { // whose end nobody else would see
		restart.Name = container.RestartPolicyOnFailure
	}
	user := strconv.Itoa(b.user)
	return client.ContainerCreateOptions{
		Name: b.name,
		Config: &container.Config{
			Hostname: b.host, User: user + ":" + user, Env: env, Image: b.image.id, Labels: labels,
			Entrypoint: []string{agentAt}, Cmd: b.args, StopSignal: "SIGTERM", StopTimeout: &b.grace,
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: network, IpcMode: container.IPCModePrivate, CgroupnsMode: container.CgroupnsModePrivate,
			RestartPolicy:  restart,
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges:true"},
			ReadonlyRootfs: true, Tmpfs: tmpfs,
			Mounts: append([]mount.Mount{bind(p.agentFile(), agentAt, true)}, b.mounts...),
			// The agent writes the log. This is for what goes wrong before.
			LogConfig: container.LogConfig{Type: "local", Config: map[string]string{"max-size": "1m", "max-file": "1", "compress": "false"}},
			Resources: resources(b.limits),
		},
	}
}

func bind(from, to string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: from, Target: to, ReadOnly: readOnly,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}

// resources are the limits of a container. Swap is none beyond the memory.
func resources(l registry.Limits) container.Resources {
	pids := int64(defaultPIDs)
	if n, ok := l[registry.LimitPIDs]; ok {
		pids = max(1, int64(n)) // 0 would be unlimited
	}
	memory := int64(unlimited)
	if n, ok := l[registry.LimitMemory]; ok {
		memory = min(unlimited, max(leastMemory, int64(n)))
	}
	quota := int64(-1)
	if n, ok := l[registry.LimitCPU]; ok {
		quota = max(1000, int64(n*cpuPeriod))
	}
	return container.Resources{
		Memory: memory, MemorySwap: memory, CPUPeriod: cpuPeriod, CPUQuota: quota, PidsLimit: &pids,
		Ulimits: []*units.Ulimit{{Name: "core"}, {Name: "nofile", Soft: files(), Hard: files()}},
	}
}

// files is how many files a process may have open. An engine that may not raise its own limit could
// start nothing with a higher one: it is on this machine, and has what this process has.
func files() int64 {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return mostFiles
	}
	return int64(min(l.Max, mostFiles)) //nolint:gosec // bounded
}

// instance is the container of an instance.
func (p *Provider) instance(s provision.Spec, img resolved, user int, credential string) box {
	data := p.dataAt(img)
	mounts := []mount.Mount{
		bind(p.runDir(s.Ref), runAt, false),
		bind(p.orgDir(s.OrgID)+"/data", data, false),
		bind(p.orgDir(s.OrgID)+"/logs", logsAt, false),
	}
	env := map[string]string{}
	if !img.sets("HOME") {
		env["HOME"] = data
	}
	for k, v := range s.Env {
		if k != "" && !strings.ContainsAny(k, "=\x00") { // it would be another variable
			env[k] = v
		}
	}
	for k, v := range p.c.Env { // the operator's win over what an org sets, and nobody's over the instance contract
		if !strings.HasPrefix(k, "PIZZERIA_") {
			env[k] = v
		}
	}
	delete(env, "PIZZERIA_JWKS_FILE") // where it is, is said here
	if s.Keys != "" {
		mounts = append(mounts, bind(s.Keys, keysAt, true))
		env["PIZZERIA_JWKS_FILE"] = path.Join(keysAt, provision.KeysFile)
	}
	if p.c.Egress == EgressAllow {
		mounts = append(mounts, bind(p.egressDir(s.Ref), egressAt, true))
	}
	if s.Redis != "" {
		mounts = append(mounts, bind(path.Dir(s.Redis), redisAt, true))
	}
	env["PIZZERIA_ORG_ID"], env["PIZZERIA_ORG_GENERATION"] = string(s.OrgID), strconv.FormatInt(s.Generation, 10)
	env["PIZZERIA_LISTEN"] = "unix:" + path.Join(runAt, appSocket)
	env["PIZZERIA_DATA_DIR"] = data
	env["PIZZERIA_AGENT_CREDENTIAL"] = credential
	return box{
		role: roleInstance, ref: s.Ref, name: p.containerName(s.Ref), host: hostName(s.Slug), user: user,
		image: img, args: p.agentArgs(s, img), env: env, mounts: mounts, tmpfs: p.c.Tmpfs, limits: s.Limits,
		labels: map[string]string{labelConfiguration: s.Configuration}, grace: p.graceSeconds(),
	}
}

// agentArgs are the agent's arguments in the container of an instance.
func (p *Provider) agentArgs(s provision.Spec, img resolved) []string {
	args := append(slices.Clone(p.c.Agent[1:]), "--profile", string(p.c.Profile), "--grace", p.c.Grace.String(),
		"--socket", path.Join(runAt, ownSocket), "--log", path.Join(logsAt, logName))
	if p.c.Required {
		args = append(args, "--required")
	}
	if s.Health != "" {
		args = append(args, "--health="+s.Health)
	}
	if p.c.Egress == EgressAllow {
		args = append(args, "--egress", path.Join(egressAt, proxySocket))
	}
	if s.Redis != "" {
		args = append(args, "--redis", path.Join(redisAt, path.Base(s.Redis)))
	}
	for _, name := range s.Secrets {
		args = append(args, "--secret="+name)
	}
	for _, command := range p.c.Sidecars {
		words, _ := json.Marshal(command) // strings
		args = append(args, "--sidecar="+string(words))
	}
	command := p.c.Command
	if len(command) == 0 {
		command = img.command
	}
	return append(append(args, "--"), command...)
}

// dataAt is where the data directory is in the container.
func (p *Provider) dataAt(img resolved) string {
	switch {
	case p.c.Data != "":
		return p.c.Data
	case len(img.volumes) == 1:
		return img.volumes[0]
	}
	return defaultData
}

// checkImage returns an error when an instance would lose what the image keeps, or has nothing to run.
func (p *Provider) checkImage(img resolved) error {
	for _, v := range img.volumes {
		if at := p.dataAt(img); v != at && !slices.Contains(p.c.Tmpfs, v) {
			return fmt.Errorf("the image %s keeps data in %s: say `data %s`, and where nothing needs to be kept, `tmpfs %s`",
				p.c.Image, strings.Join(img.volumes, " and "), img.volumes[0], v)
		}
	}
	if len(p.c.Command) == 0 && len(img.command) == 0 {
		return fmt.Errorf("the image %s has neither entrypoint nor command: name one with `command`", p.c.Image)
	}
	return nil
}

// graceSeconds is how long the engine waits for the agent, which itself waits for the app.
func (p *Provider) graceSeconds() int { return int(p.c.Grace.Seconds()) + 5 }

func hostName(slug string) string {
	if !registry.ValidSlug(slug) {
		return "instance"
	}
	return slug
}
