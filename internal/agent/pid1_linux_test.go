//go:build linux && !portable

package agent

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestFirstProcess: as PID 1 of a container, the agent reaps orphans and ends everything.
func TestFirstProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	c := runCommand(t, instance, "--listen", "unix:$DIR/app.sock", "--", "$SELF", "escape")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	c.start()
	c.logged("listening")
	if c.logged("child=") == "" || !strings.HasPrefix(c.lines()[0].Msg, "child=") {
		t.Error(c.log)
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := c.status(); status != 0 {
		t.Errorf("%d %s", status, &c.stderr)
	}
}
