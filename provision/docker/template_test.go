//go:build linux

package docker

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

const testOrg = registry.OrgID("01a21e22-83f7-7331-a542-62bddc360249")

func templateOf(t testing.TB, s provision.Spec) (*Provider, box) {
	t.Helper()
	p, err := New(Config{Dir: "/var/lib/pizzeria", Image: "app", Agent: []string{"/no/such/agent"}, Command: []string{"/app"}, Tmpfs: []string{"/var/cache/app", "/run"}})
	if err != nil {
		t.Fatal(err)
	}
	p.installation = "installation"
	return p, p.instance(s, resolved{id: "sha256:1", digest: "app@sha256:2"}, 12345, "credential")
}

// TestTemplate: what a container gets.
func TestTemplate(t *testing.T) {
	p, b := templateOf(t, provision.Spec{Ref: provision.Ref{OrgID: testOrg, Generation: 3}, Keys: "/var/lib/pizzeria/keys"})
	c := p.template(b)
	h := c.HostConfig
	if c.Name != "pizzeria-installation-"+string(testOrg)+"-3" || c.Config.User != "12345:12345" || c.Config.Image != "sha256:1" ||
		!slices.Equal(c.Config.Entrypoint, []string{agentAt}) || c.Config.Healthcheck.Test[0] != "NONE" {
		t.Errorf("%+v", c.Config)
	}
	if h.NetworkMode != "none" || h.Privileged || !h.ReadonlyRootfs || !slices.Equal(h.CapDrop, []string{"ALL"}) || len(h.CapAdd) > 0 ||
		!slices.Equal(h.SecurityOpt, []string{"no-new-privileges:true"}) || h.PidMode != "" || h.UsernsMode != "" || h.IpcMode != "private" ||
		h.RestartPolicy.Name != "no" || len(h.Devices) > 0 || len(h.Binds) > 0 || len(h.PortBindings) > 0 || len(h.GroupAdd) > 0 {
		t.Errorf("%+v", h)
	}
	if *h.PidsLimit != defaultPIDs || h.Memory != h.MemorySwap {
		t.Errorf("%+v", h.Resources)
	}
	files := map[string]int64{}
	for _, u := range h.Ulimits {
		files[u.Name] = u.Hard
		if u.Soft != u.Hard {
			t.Errorf("%+v", u)
		}
	}
	if n, bounded := files["nofile"]; !bounded || n < 1 || n > mostFiles || files["core"] != 0 || len(files) != 2 {
		t.Errorf("%v", files)
	}
	const scratch = "rw,exec,nosuid,nodev,size=64m,mode=1777"
	if want := map[string]string{
		"/tmp": "rw,exec,nosuid,nodev,size=256m,mode=1777", "/var/cache/app": scratch, "/run": scratch,
	}; !maps.Equal(h.Tmpfs, want) {
		t.Errorf("%v", h.Tmpfs)
	}
	want := []mount.Mount{
		bind(p.agentFile(), "/pizzeria/agent", true),
		bind("/var/lib/pizzeria/run/docker/"+key(testOrg)+"-3", "/pizzeria/run", false),
		bind("/var/lib/pizzeria/orgs/"+string(testOrg)+"/data", "/data", false),
		bind("/var/lib/pizzeria/orgs/"+string(testOrg)+"/logs", "/pizzeria/logs", false),
		bind("/var/lib/pizzeria/keys", "/pizzeria/keys", true),
	}
	if !reflect.DeepEqual(h.Mounts, want) {
		t.Errorf("%+v", h.Mounts)
	}
}

// FuzzTemplate: nothing that an org can set reaches mounts, privileges, networks or the agent.
func FuzzTemplate(f *testing.F) {
	f.Add("acme", "NAME", "value", "SECRET", "/healthz", "configuration", 1.0)
	f.Add("--privileged", "PIZZERIA_LISTEN=unix:/etc", "x", "--socket", "--", "pizzeria.role", -1.0)
	f.Add("a\x00b", "PIZZERIA_AGENT_CREDENTIAL", "mine", "=", "", "\n", 1e300)
	ref := provision.Ref{OrgID: testOrg, Generation: 3}
	f.Fuzz(func(t *testing.T, slug, name, value, secret, health, configuration string, limit float64) {
		p, plain := templateOf(t, provision.Spec{Ref: ref})
		_, changed := templateOf(t, provision.Spec{
			Ref: ref, Slug: slug, Env: map[string]string{name: value}, Secrets: []string{secret}, Health: health,
			Configuration: configuration, Limits: registry.Limits{
				registry.LimitCPU: limit, registry.LimitMemory: limit, registry.LimitPIDs: limit, registry.LimitDisk: limit,
			},
		})
		want, got := p.template(plain), p.template(changed)
		if n := got.HostConfig.PidsLimit; n == nil || *n < 1 {
			t.Errorf("processes are unlimited")
		}
		if r := got.HostConfig.Resources; r.Memory < leastMemory || r.MemorySwap != r.Memory {
			t.Errorf("memory: %+v", r)
		}
		got.HostConfig.Resources = want.HostConfig.Resources
		if !reflect.DeepEqual(got.HostConfig, want.HostConfig) || got.Name != want.Name || got.NetworkingConfig != nil {
			t.Errorf("%+v", got.HostConfig)
		}
		if h := got.Config.Hostname; h != "instance" && !registry.ValidSlug(h) {
			t.Errorf("host name %q", h)
		}
		for k, v := range want.Config.Labels {
			if k != labelConfiguration && got.Config.Labels[k] != v {
				t.Errorf("label %s: %q", k, got.Config.Labels[k])
			}
		}
		for _, v := range want.Config.Env { // ours are there, once
			k, _, _ := strings.Cut(v, "=")
			same := func(other string) bool { return strings.HasPrefix(other, k+"=") }
			if i := slices.IndexFunc(got.Config.Env, same); k != "HOME" && (got.Config.Env[i] != v || slices.ContainsFunc(got.Config.Env[i+1:], same)) {
				t.Errorf("%s in %q", k, got.Config.Env)
			}
		}
		// Between the options that are ours there are at most one path and one name, each in one word.
		extra := slices.DeleteFunc(slices.Clone(got.Config.Cmd), func(w string) bool { return slices.Contains(want.Config.Cmd, w) })
		for _, w := range extra {
			if !strings.HasPrefix(w, "--health=") && !strings.HasPrefix(w, "--secret=") {
				t.Errorf("argument %q", w)
			}
		}
		got.Config.Hostname, got.Config.Env, got.Config.Labels, got.Config.Cmd = want.Config.Hostname, want.Config.Env, want.Config.Labels, want.Config.Cmd
		if !reflect.DeepEqual(got.Config, want.Config) {
			t.Errorf("%+v", got.Config)
		}
	})
}
