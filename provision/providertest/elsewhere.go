package providertest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// RunElsewhere runs the part of the suite that concerns a provider which starts nothing, and leads
// to instances that somebody else runs. open returns one that leads to addresses, by org; command
// starts Instance.
func RunElsewhere(
	t *testing.T, command []string,
	open func(t *testing.T, addresses map[registry.OrgID]string) provision.Provider,
) {
	for name, test := range map[string]func(*elsewhere){
		"LeadsToInstances": leadsToInstances, "EndsNothing": endsNothing,
		"RefusesTheUnknown": refusesTheUnknown, "SaysWhoAnswers": saysWhoAnswers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&elsewhere{&env{T: t}, command, open})
		})
	}
}

type elsewhere struct {
	*env
	command []string
	open    func(*testing.T, map[registry.OrgID]string) provision.Provider
}

// instance runs a test instance as somebody else would, and returns where.
func (e *elsewhere) instance() (address string, end func()) {
	e.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.Fatal(err)
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		e.Fatal(err)
	}
	cmd := exec.Command(e.command[0], e.command[1:]...) //nolint:gosec // the test's own
	cmd.Env = append(os.Environ(), "PIZZERIA_LISTEN="+address, "PIZZERIA_DATA_DIR="+e.TempDir())
	if err := cmd.Start(); err != nil {
		e.Fatal(err)
	}
	end = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	e.Cleanup(end)
	e.call(provision.Observed{Address: address}, "GET", "/healthz", "")
	return address, end
}

func leadsToInstances(e *elsewhere) {
	acme, globex := registry.OrgID(registry.NewID()), registry.OrgID(registry.NewID())
	first, _ := e.instance()
	second, _ := e.instance()
	e.p = e.open(e.T, map[registry.OrgID]string{acme: first, globex: second}).For("installation")
	booted := map[registry.OrgID]string{}
	for range 2 {
		for _, org := range []registry.OrgID{acme, globex} {
			for generation := range int64(2) {
				id := e.boot(e.ensure(org, generation+1)).ID
				if booted[org] != "" && booted[org] != id {
					e.Errorf("%s is another one", org)
				}
				booted[org] = id
			}
		}
	}
	if booted[acme] == booted[globex] {
		e.Error("two orgs are led to one instance")
	}
	if r, ok := e.p.(provision.Remote); !ok || !r.Elsewhere() {
		e.Error("its instances are not told where to push their heartbeats")
	}
	o, err := e.p.Observe(ctx, provision.Ref{OrgID: acme, Generation: 2})
	if err != nil || !o.Running || !o.Elsewhere || o.Address != first {
		e.Errorf("%+v %v", o, err)
	}
}

func endsNothing(e *elsewhere) {
	org := registry.OrgID(registry.NewID())
	address, _ := e.instance()
	e.p = e.open(e.T, map[registry.OrgID]string{org: address}).For("installation")
	first := e.boot(e.ensure(org, 1))
	e.stop(org, 1)
	if e.boot(e.ensure(org, 2)).ID != first.ID {
		e.Error("it was ended, and is not ours")
	}
}

func refusesTheUnknown(e *elsewhere) {
	e.p = e.open(e.T, nil).For("installation")
	org := registry.OrgID(registry.NewID())
	if _, err := e.p.Ensure(ctx, spec(org, 1)); err == nil || !strings.Contains(err.Error(), string(org)) {
		e.Errorf("an org without an instance: %v", err)
	}
	o, err := e.p.Observe(ctx, provision.Ref{OrgID: org, Generation: 1})
	if err != nil || o.Running || o.Detail == "" {
		e.Errorf("observed: %+v %v", o, err)
	}
	if err := e.p.Stop(ctx, org, 1); err != nil {
		e.Error(err)
	}
}

func saysWhoAnswers(e *elsewhere) {
	org := registry.OrgID(registry.NewID())
	address, end := e.instance()
	e.p = e.open(e.T, map[registry.OrgID]string{org: address}).For("installation")
	e.ensure(org, 1)
	end()
	if o, err := e.p.Ensure(ctx, spec(org, 2)); err == nil {
		e.Errorf("nobody answers: %+v", o)
	}
	log, err := e.p.Logs(ctx, org, 10, false)
	if err != nil {
		e.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	if b, err := io.ReadAll(log); err != nil || !strings.Contains(string(b), "elsewhere") {
		e.Errorf("its log: %q %v", b, err)
	}
	if strings.TrimSpace(e.p.Isolation()) == "" {
		e.Error("nothing is said of isolation")
	}
}
