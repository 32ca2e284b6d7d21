//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/provision"
)

// ensure starts generation 1 with what an instance gets from the control plane.
func (f *fixture) ensure() provision.Observed {
	f.Helper()
	o, err := f.p.Ensure(f.Context(), provision.Spec{
		Ref: f.ref(1), Health: "/boot", Secrets: []string{"PASSWORD"},
		Env: map[string]string{
			"PIZZERIA_ISSUER": "https://d.example", "PIZZERIA_JWKS_FILE": filepath.Join(f.p.c.Dir, "keys", "jwks.json"), "PASSWORD": "hunter22",
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	return o
}

// get asks the instance at its address.
func (f *fixture) get(o provision.Observed, path, assertion string) (status int) {
	f.Helper()
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network, address := provision.SplitAddress(o.Address)
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}
	req, _ := http.NewRequest(http.MethodGet, "http://instance"+path, nil)
	if assertion != "" {
		req.Header.Set("Pizzeria-Assertion", assertion)
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestAttended: the host side reaches each instance's agent, and nobody else does.
func TestAttended(t *testing.T) {
	for _, profile := range []agent.Profile{agent.Direct, agent.Assertion} {
		t.Run(string(profile), func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Profile = profile
			o := f.ensure()
			f.eventually("it answers", func() bool { return f.get(o, "/boot", "") == 200 })
			h, err := f.p.Heartbeat(t.Context(), f.ref(1))
			if err != nil || h.OrgID != f.org || h.Generation != 1 || h.Health != "ok" {
				t.Errorf("%+v %v", h, err)
			}
			m, err := f.p.Metrics(t.Context(), f.ref(1))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(m)
			if err := errors.Join(err, m.Close()); err != nil || !strings.Contains(string(b), `profile="`+string(profile)+`"`) {
				t.Errorf("%s %v", b, err)
			}
			err = f.p.Revoke(t.Context(), f.ref(1), provision.Revocation{Users: nil})
			if unsupported := errors.Is(err, errors.ErrUnsupported); unsupported != (profile == agent.Direct) || err != nil && !unsupported {
				t.Error(err)
			}
			// What the instance writes into its directory is not what the host side uses.
			credential, err := f.p.credential(f.ref(1))
			if err != nil || len(credential) != 64 || strings.HasPrefix(f.p.credentialFile(f.p.runDir(f.ref(1))), f.p.runDir(f.ref(1))) {
				t.Errorf("%q %v", credential, err)
			}
			if again := f.ensure(); again != o {
				t.Errorf("%+v", again)
			}
			if now, err := f.p.newCredential(f.ref(1)); now != credential { // somebody else starts it as well
				t.Errorf("the credential has changed under a running agent: %v", err)
			}
			for _, v := range f.boot(1).Env {
				if strings.Contains(v, credential) {
					t.Error("the app knows the credential")
				}
			}
			if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := f.p.Heartbeat(t.Context(), f.ref(1)); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("a stopped one: %v", err)
			}
			if _, err := os.Stat(f.p.credentialFile(f.p.runDir(f.ref(1)))); err == nil {
				t.Error("the credential is left")
			}
		})
	}
}

// TestNoPort: an instance that listens at a socket is told no PORT: many apps would listen at a file
// of that name. One behind an agent gets a number.
func TestNoPort(t *testing.T) {
	for profile, want := range map[agent.Profile]bool{agent.Direct: false, agent.Bearer: true} {
		f := newFixture(t)
		f.p.c.Profile = profile
		f.ensure()
		env := f.boot(1).Env
		if got := slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PORT=") }); got != want {
			t.Errorf("%s: %q", profile, env)
		}
	}
}

// TestProfileRefuses: with a profile, what the gateway has not signed reaches no app.
func TestProfileRefuses(t *testing.T) {
	f := newFixture(t)
	f.p.c.Profile = agent.Assertion
	o := f.ensure()
	f.eventually("it answers", func() bool { return f.get(o, "/boot", "") == 200 })
	if status := f.get(o, "/boot", "x.y.z"); status != http.StatusUnauthorized {
		t.Error(status)
	}
	f.p.c.Required = true
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	o = f.ensure()
	f.eventually("its health check answers", func() bool { return f.get(o, "/boot", "") == 200 })
	if status := f.get(o, "/file", ""); status != http.StatusUnauthorized {
		t.Error(status)
	}
}

// TestSidecars: they run beside each instance, and end with it.
func TestSidecars(t *testing.T) {
	f := newFixture(t)
	f.p.c.Sidecars = [][]string{{"/bin/sh", "-c", "echo beside $PIZZERIA_RUN_DIR; exec sleep 4006"}}
	f.boot(1)
	f.eventually("the sidecar has started", func() bool {
		b, err := os.ReadFile(f.p.LogFile(f.org))
		return err == nil && strings.Contains(string(b), "beside "+f.p.runDir(f.ref(1)))
	})
	if err := f.p.Stop(t.Context(), f.org, 1); err != nil {
		t.Fatal(err)
	}
	f.eventually("nothing is left", func() bool { return len(processes(t, f.p.c.Dir)) == 0 })
}

// TestEarlierAgents: what an earlier version has started goes on, and has no heartbeats.
func TestEarlierAgents(t *testing.T) {
	f := newFixture(t)
	f.boot(1)
	if err := os.Remove(filepath.Join(f.p.runDir(f.ref(1)), ownSocket)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.p.Heartbeat(t.Context(), f.ref(1)); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// TestLinkedAgentSocket: an instance that puts a link to another's socket in place of its agent's
// leads nobody there.
func TestLinkedAgentSocket(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	f.boot(1)
	other.boot(1)
	socket := filepath.Join(f.p.runDir(f.ref(1)), ownSocket)
	if err := errors.Join(os.Remove(socket), os.Symlink(filepath.Join(other.p.runDir(other.ref(1)), ownSocket), socket)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.p.Heartbeat(t.Context(), f.ref(1)); err == nil || !strings.HasSuffix(err.Error(), "is not a socket") {
		t.Errorf("it was asked: %v", err)
	}
}

// TestLogsAreForPeople: people read what was printed, the file holds JSON without secrets, and what
// an earlier version wrote is read as it is.
func TestLogsAreForPeople(t *testing.T) {
	f := newFixture(t)
	self := f.p.c.Command[0]
	f.p.c.Command = []string{"/bin/sh", "-c", `echo "it is $PASSWORD"; printf '{"a":1}\n'; exec "$0" instance`, self}
	log := f.p.LogFile(f.org)
	if err := errors.Join(os.MkdirAll(filepath.Dir(log), 0o700), os.WriteFile(log, []byte("plain\n{\"time\":\"x\"}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	f.ensure()
	f.eventually("it has printed", func() bool {
		r, err := f.p.Logs(t.Context(), f.org, 100, false)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(string(b), "plain\n{\"time\":\"x\"}\nit is [redacted]\n{\"a\":1}\nbooted ")
	})
	b, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(b), `"stream":"stdout","msg":"it is [redacted]"}`) || strings.Contains(string(b), "hunter22") {
		t.Errorf("%s %v", b, err)
	}
}

// TestPizzaPiNeedsIsolation: PizzaPi listens at every address, so it starts where nobody else reaches
// its network, or where the operator says that they may.
func TestPizzaPiNeedsIsolation(t *testing.T) {
	c := Config{Dir: t.TempDir(), Command: []string{"/bin/true"}, Shim: []string{"/bin/true"}, Profile: agent.PizzaPi}
	for isolation, want := range map[Isolation]bool{IsolationAuto: false, IsolationOn: false, IsolationOff: true} {
		c.Isolation = isolation
		p, err := New(c) // without a helper nothing is isolated
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); (err == nil) != want {
			t.Errorf("isolation %s: %v", isolation, err)
		}
	}
}

// TestOtherProvider: no process starts on files that a container uses.
func TestOtherProvider(t *testing.T) {
	f := newFixture(t)
	dir := filepath.Join(f.p.c.Dir, "run", "docker", key(f.org)+"-7")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, hostside.AppSocket))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(1)}); err == nil || !strings.Contains(err.Error(), "a container runs") {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f.boot(1)
}
