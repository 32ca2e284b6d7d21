//go:build linux

package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
)

// put puts something into an instance's directories, as the instance itself can: see the test box.
func (f *fixture) put(words ...string) {
	f.Helper()
	if out, code := f.inside(1, append([]string{"put"}, words...)...); code != 0 {
		f.Fatalf("put %s: %s", words, out)
	}
}

// within bounds what must not wait for an instance.
func (f *fixture) within(what string, do func(ctx context.Context)) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		f.Fatalf("it waits for the instance: %s", what)
	}
}

// TestOwnDirectory: an instance may put into its directories what it likes, as the org's user and as
// root of mapped users. The server follows no link there, waits for nothing, and believes nothing that
// matters.
func TestOwnDirectory(t *testing.T) {
	eachMapping(t, func(f *fixture) {
		victim := f.another(f.T)
		was := victim.boot(1).ID
		secret := filepath.Join(f.p.c.Dir, "secret.key")
		if err := os.WriteFile(secret, []byte("basil"), 0o600); err != nil {
			f.Fatal(err)
		}
		address := f.ensure(1).Address
		f.boot(1)

		f.logLeadsNowhere(secret, victim)
		f.socketsLeadNowhere(address, victim)
		f.agentIsNotBelieved(victim)
		if all, err := f.p.List(f.Context()); err != nil || len(all) != 2 || !all[0].Running || !all[1].Running {
			f.Errorf("%+v %v", all, err)
		}

		// Its directories get another owner, and its sockets are removed.
		f.put("directory", defaultData+"/in", "--", "exchanged", defaultData+"/in", victim.p.orgDir(victim.org)+"/data",
			"--", "link", defaultData+"/link", secret, "--", "pipe", defaultData+"/pipe",
			"--", "nothing", path.Join(logsAt, logName), "--", "link", logsAt+"/link", secret,
			"--", "link", runAt+"/others", victim.p.runDir(victim.ref(1)), "--", "pipe", runAt+"/pipe")
		if _, err := f.e.Client.ContainerKill(f.Context(), f.p.containerName(f.ref(1)), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
			f.Fatal(err)
		}
		f.ended()
		data, logs := f.p.orgDir(f.org)+"/data", filepath.Dir(f.p.LogFile(f.org))
		if err := errors.Join(os.Lchown(data, 0, 0), os.Lchown(logs, 0, 0)); err != nil { // as another provider leaves them
			f.Fatal(err)
		}
		f.within("a start", func(ctx context.Context) {
			if _, err := f.p.Ensure(ctx, provision.Spec{Ref: f.ref(1), Slug: "acme"}); err != nil {
				f.Errorf("start: %v", err)
			}
		})
		f.boot(1)
		own := f.owner(data)
		for path, want := range map[string]int{
			secret: 0, victim.p.orgDir(victim.org) + "/data": victim.owner(filepath.Dir(victim.p.LogFile(victim.org))),
			data + "/in": own, data + "/link": own, data + "/pipe": own, logs: own,
		} {
			if now := f.owner(path); now != want {
				f.Errorf("%s belongs to %d, not to %d", path, now, want)
			}
		}

		f.put("link", runAt+"/others", victim.p.runDir(victim.ref(1)))
		f.within("a stop", func(ctx context.Context) {
			if err := f.p.Stop(ctx, f.org, 1); err != nil {
				f.Errorf("stop: %v", err)
			}
		})
		if _, err := os.Lstat(f.p.runDir(f.ref(1))); err == nil {
			f.Error("its sockets are left")
		}
		if b, err := os.ReadFile(secret); err != nil || string(b) != "basil" {
			f.Errorf("a file of the server is now %q: %v", b, err)
		}
		if now := victim.boot(1).ID; now != was {
			f.Error("the other instance was stopped")
		}
	})
}

func (f *fixture) owner(path string) int {
	f.Helper()
	uid, err := hostside.OwnerOf(path)
	if err != nil {
		f.Fatal(err)
	}
	return uid
}

// logLeadsNowhere: the log is a link to a file of the server's or another org's, or never ends.
func (f *fixture) logLeadsNowhere(secret string, victim *fixture) {
	f.Helper()
	log := path.Join(logsAt, logName)
	for what, to := range map[string]string{"link": secret, "link of the other's": victim.p.LogFile(victim.org), "pipe": "", "directory": ""} {
		kind, _, _ := strings.Cut(what, " ")
		f.put(kind, log, to)
		f.within("its log is a "+what, func(ctx context.Context) {
			r, err := f.p.Logs(ctx, f.org, 10, false)
			if err != nil {
				return
			}
			b, _ := io.ReadAll(r)
			_ = r.Close()
			if len(b) > 0 {
				f.Errorf("the log is a %s, and the server reads %q", what, b)
			}
		})
	}
}

// socketsLeadNowhere: its socket is a link to another's, or to one of the machine's, or no socket.
func (f *fixture) socketsLeadNowhere(address string, victim *fixture) {
	f.Helper()
	socket := path.Join(runAt, appSocket)
	for what, to := range map[string]string{
		"link of the other's": filepath.Join(victim.p.runDir(victim.ref(1)), appSocket), "link of the engine's": strings.TrimPrefix(f.p.c.Host, "unix://"),
		"pipe": "", "directory": "",
	} {
		kind, _, _ := strings.Cut(what, " ")
		f.put(kind, socket, to)
		f.within("its socket is a "+what, func(ctx context.Context) {
			if b, err := get(ctx, address, "/boot"); err == nil {
				f.Errorf("its socket is a %s, and answers %s", what, b)
			}
		})
	}
	if _, err := sockets.Open(filepath.Join(victim.p.runDir(victim.ref(1)), appSocket)); err != nil {
		f.Errorf("what it led to is not there: %v", err)
	}
}

// agentIsNotBelieved: the agent's socket is a link to another's, or of somebody who says that they are
// another org's, and much more.
func (f *fixture) agentIsNotBelieved(victim *fixture) {
	f.Helper()
	refused := func(what string) {
		f.Helper()
		f.within(what, func(ctx context.Context) {
			if h, err := f.p.Heartbeat(ctx, f.ref(1)); err == nil {
				f.Errorf("%s, and the server believes %+v", what, h)
			}
		})
	}
	socket := path.Join(runAt, ownSocket)
	f.put("link", socket, filepath.Join(victim.p.runDir(victim.ref(1)), ownSocket))
	// With the other's credential what the link leads to would answer.
	mine, err := os.ReadFile(f.p.credentialFile(f.ref(1)))
	if err != nil {
		f.Fatal(err)
	}
	stolen, err := os.ReadFile(victim.p.credentialFile(victim.ref(1)))
	if err == nil {
		err = os.WriteFile(f.p.credentialFile(f.ref(1)), stolen, 0o600)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.within("metrics of the other", func(ctx context.Context) {
		if r, err := f.p.Metrics(ctx, f.ref(1)); err == nil {
			_ = r.Close()
			f.Error("its agent's socket is a link, and the server follows it")
		}
	})
	if err := os.WriteFile(f.p.credentialFile(f.ref(1)), mine, 0o600); err != nil {
		f.Fatal(err)
	}
	f.put("pipe", socket)
	refused("its agent's socket is a pipe")

	f.lie(fmt.Sprintf(`{"org_id":%q,"generation":1,"health":"ok"}`, victim.org))
	refused("its agent says that it is another's")
	f.lie(fmt.Sprintf(`{"org_id":%q,"generation":1,"version":%q}`, f.org, strings.Repeat("x", 100<<10)))
	refused("its agent says more than it may")
	f.within("its agent's metrics have no end", func(ctx context.Context) {
		r, err := f.p.Metrics(ctx, f.ref(1))
		if err != nil {
			f.Error(err)
			return
		}
		defer func() { _ = r.Close() }()
		if n, err := io.Copy(io.Discard, r); err != nil || n > 5<<20 {
			f.Errorf("the server reads %d bytes: %v", n, err)
		}
	})
}

// lie puts a liar in the agent's place.
func (f *fixture) lie(heartbeat string) {
	f.Helper()
	exec, err := f.e.Client.ExecCreate(f.Context(), f.p.containerName(f.ref(1)), client.ExecCreateOptions{
		Cmd: []string{"/box", "lie", path.Join(runAt, ownSocket), heartbeat},
	})
	if err == nil {
		_, err = f.e.Client.ExecStart(f.Context(), exec.ID, client.ExecStartOptions{Detach: true})
	}
	if err != nil {
		f.Fatal(err)
	}
	f.eventually("the liar listens", func() bool {
		s, err := sockets.Dial(f.Context(), filepath.Join(f.p.runDir(f.ref(1)), ownSocket))
		if err == nil {
			_ = s.Close()
		}
		return err == nil
	})
}
