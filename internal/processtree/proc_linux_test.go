//go:build linux && !portable

package processtree

import (
	"errors"
	"os/exec"
	"testing"
)

// TestKillKnowsItsProcess: a number that is another process's by now is not killed.
func TestKillKnowsItsProcess(t *testing.T) {
	cmd := exec.Command("cat")
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	earlier := p
	earlier.Start = "1"
	earlier.Kill()
	b := make([]byte, 1)
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(b); err != nil {
		t.Fatalf("another process was killed: %v", err)
	}
	p.Kill()
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
}
