//go:build linux

package docker

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/moby/moby/client/pkg/versions"

	"github.com/pizzaface/pizzeria/internal/intruder"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// harmless are files that containers show of the kernel, and of their own control group.
var harmless = []string{"/sys/kernel", "/sys/fs/cgroup"}

// known reports what an attack gets that gives nothing, or that the guide tells of.
func (f *fixture) known(a intruder.Finding) bool {
	switch {
	case slices.Contains(harmless, a.Target):
		return true
	case a.Target == "io_uring_setup": // Docker's own profile refuses it since version 25
		return versions.LessThan(f.e.Client.ClientVersion(), "1.44")
	case f.p.c.Root: // it is root already
		return a.Target == "change the user" || a.Target == "change the group"
	}
	return false
}

// TestIntruder: an instance reaches no other, nor the server, nor the machine, and does not move its own
// directories; as the org's user, and as root of mapped users. What is tried works where nothing is
// isolated.
func TestIntruder(t *testing.T) {
	eachMapping(t, func(f *fixture) {
		f.ensure(1)
		other := f.another(f.T)
		other.boot(1)
		victim := other.ref(1)
		control := f.listen()
		found, err := f.p.Intrude(f.Context(), f.ref(1), victim)
		if err != nil || len(found) < 50 {
			f.Fatalf("%d tries, %v", len(found), err)
		}
		for _, a := range found {
			if !a.Held() && !f.known(a) {
				f.Errorf("%s %s: %s", a.Attack, a.Target, a.Got)
			}
		}
		own := f.TempDir()
		targets, err := json.Marshal(f.p.targets(resolved{volumes: []string{own}}, victim))
		if err != nil {
			f.Fatal(err)
		}
		out, err := exec.Command(f.p.c.Agent[0], "intruder", string(targets)).Output() //nolint:gosec // a test's
		var got []intruder.Finding
		if err != nil || json.Unmarshal(out, &got) != nil {
			f.Fatalf("%v: %s", err, out)
		}
		log := f.p.LogFile(victim.OrgID)
		for attack, target := range map[string]string{
			"connect to a socket": filepath.Join(f.p.runDir(victim), appSocket), "connect to an address": control,
			"open a file": log, "write to a file": f.p.credentialFile(victim), "signal a process": strconv.Itoa(os.Getpid()),
			"rename its own directory": own, "exchange its own directory with a link": own,
		} {
			if !slices.ContainsFunc(got, func(a intruder.Finding) bool { return a.Attack == attack && a.Target == target && !a.Held() }) {
				f.Errorf("it does not work even without isolation: %s %s", attack, target)
			}
			tried := func(a intruder.Finding) bool { return a.Attack == attack && (a.Target == target || target == own) }
			if !slices.ContainsFunc(found, tried) {
				f.Errorf("the instance does not try: %s %s", attack, target)
			}
		}
	})
}

// TestTargets: an instance is told to try every kind of thing that another one and the server have.
func TestTargets(t *testing.T) {
	p, _ := open(t, Config{Dir: t.TempDir(), Host: "unix:///run/engine.sock", Image: "app", Agent: []string{"/agent"}}).
		For(registry.InstallationID(registry.NewID())).(*Provider)
	at := provision.Ref{OrgID: registry.OrgID(registry.NewID()), Generation: 1}
	got := p.targets(resolved{volumes: []string{"/files"}}, at)
	want := intruder.Targets{
		Own:         "/files",
		Sockets:     []string{p.runDir(at) + "/" + appSocket, p.runDir(at) + "/" + ownSocket, "/run/engine.sock", p.c.Dir + "/admin.sock"},
		Files:       []string{p.c.Dir, p.runDir(at), p.orgDir(at.OrgID) + "/data", p.LogFile(at.OrgID), p.credentialFile(at)},
		Processes:   []int{os.Getpid()},
		Directories: []string{"/files", logsAt, runAt},
	}
	for _, address := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80"} {
		if !slices.Contains(got.Addresses, address) {
			t.Errorf("it does not try %s", address)
		}
	}
	got.Addresses = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it tries %+v, not %+v", got, want)
	}
}

// listen listens at an address of this machine's loopback interface, and at the same one in the engine's
// network, which is the machine's otherwise.
func (f *fixture) listen() (address string) {
	f.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = l.Close() })
	return f.e.Listen(f, l.Addr().String()).Addr().String()
}
