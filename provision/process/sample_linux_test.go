//go:build linux && !portable

package process

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pizzaface/pizzeria/provision"
)

// TestSample: the host side counts what an instance uses also while its agent gets no turn, and nothing
// of one that is not there.
func TestSample(t *testing.T) {
	requireLimits(t)
	f := newFixture(t)
	f.p.c.Isolation = IsolationOn
	if s, ok := f.p.Sample(f.ref(1)); ok {
		t.Errorf("of nothing: %+v", s)
	}
	f.greedy(1, nil, `while :; do :; done`)
	agent, err := readApart(f.p.runDir(f.ref(1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(agent.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Kill(agent.PID, unix.SIGCONT) }()
	first, ok := f.p.Sample(f.ref(1))
	var now provision.Sample
	f.eventually("its processor time rises", func() bool {
		now, ok = f.p.Sample(f.ref(1))
		return ok && now.CPU > first.CPU+200*time.Millisecond
	})
	if now.Memory <= 0 {
		t.Errorf("%+v", now)
	}
}
