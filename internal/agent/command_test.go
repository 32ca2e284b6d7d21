//go:build linux || darwin

package agent

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// command is the agent as a program of its own.
type command struct {
	*fixture
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

var instance = []string{"PIZZERIA_ORG_ID=acme-id", "PIZZERIA_ORG_GENERATION=3", "PIZZERIA_ISSUER=https://d.example"}

func runCommand(t *testing.T, env []string, args ...string) *command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pza")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &command{fixture: &fixture{T: t, dir: dir, log: &buffer{}, client: dialing("unix", filepath.Join(dir, "app.sock"))}}
	for i, a := range args {
		args[i] = strings.NewReplacer("$SELF", self, "$DIR", dir).Replace(a)
	}
	c.cmd = exec.Command(self, args...)
	c.cmd.Env = append(env, "AGENT_TEST=command", "GORACE=atexit_sleep_ms=0", "PATH="+os.Getenv("PATH"), "PIZZERIA_JWKS_FILE=/no/such/file")
	c.cmd.Stdout, c.cmd.Stderr = c.log, &c.stderr
	return c
}

func (c *command) start() {
	c.Helper()
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = c.cmd.Process.Kill() })
}

func (c *command) status() int {
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// TestCommand: the agent runs an app, passes signals on, and ends as the app does.
func TestCommand(t *testing.T) {
	c := runCommand(t, append(instance, "TOKEN=hunter22", "PASSWORD=hunter22", credentialVariable+"=hunter33"),
		"--listen", "unix:$DIR/app.sock", "--secret", "PASSWORD", "--sidecar", "sleep 4005", "--socket", "$DIR/agent.sock",
		"--", "$SELF", "print", "signals")
	c.start()
	c.logged("listening")
	c.logged("the password is [redacted]")
	if status, s := c.get("/", nil); status != 200 || s.URI != "/" {
		t.Errorf("%d %+v", status, s)
	}
	if status, _ := c.get("/", as("x")); status != 401 {
		t.Error(status)
	}
	res, err := c.client.Get("http://app/environment")
	if err != nil {
		t.Fatal(err)
	}
	var env bytes.Buffer
	_, _ = env.ReadFrom(res.Body)
	res.Body.Close()
	if strings.Contains(env.String(), "hunter33") || !strings.Contains(env.String(), "TOKEN=hunter22") {
		t.Error("the app's environment is", env.String())
	}
	c.own, c.T = dialing("unix", filepath.Join(c.dir, "agent.sock")), t
	if status, _ := c.ask(http.MethodGet, "/heartbeat", "", "hunter33"); status != 200 {
		t.Error(status)
	}
	if err := c.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	c.logged("got user defined signal 1")
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := c.status(); status != 0 {
		t.Errorf("%d %s", status, &c.stderr)
	}
}

// TestExitStatus: the exit status is the app's, or says what is wrong.
func TestExitStatus(t *testing.T) {
	for _, row := range []struct {
		env    []string
		args   string
		status int
		says   string
	}{
		{instance, "--listen unix:$DIR/app.sock -- $SELF fail", 7, ""},
		{instance, "--listen unix:$DIR/app.sock -- sh -c kill$IFS-9$IFS$$", 128 + 9, ""},
		{instance, "--listen unix:$DIR/app.sock -- /no/such/program", 1, "no such file"},
		{instance, "--listen unix:$DIR/app.sock", 2, "the command is missing"},
		{instance, "-- $SELF", 2, "PIZZERIA_LISTEN"},
		{instance, "--profile x -- $SELF", 2, "unknown profile"},
		{instance, "--x -- $SELF", 2, "-x"},
		{instance, "--listen unix:$DIR/app.sock --socket $DIR/agent.sock -- $SELF", 2, "credential"},
		{instance[:1], "-- $SELF", 2, "not set: PIZZERIA_ORG_GENERATION, PIZZERIA_ISSUER"},
		{append(instance[:2:2], "PIZZERIA_ISSUER=x", "PIZZERIA_ORG_GENERATION=y"), "-- $SELF", 2, "PIZZERIA_ORG_GENERATION"},
		{instance[:2], "--profile direct -- $SELF fail", 7, ""},
		{instance, `--sidecar ["x -- $SELF`, 2, "JSON"},
		{nil, "--help", 0, ""},
		{nil, "--version", 0, ""},
	} {
		c := runCommand(t, row.env, strings.Fields(row.args)...)
		c.start()
		if status := c.status(); status != row.status || !strings.Contains(c.stderr.String(), row.says) {
			t.Errorf("%s: %d %s", row.args, status, &c.stderr)
		}
	}
}

// TestCommandLog: the log goes to a file, and the words of a sidecar in JSON may have spaces.
func TestCommandLog(t *testing.T) {
	c := runCommand(t, instance, "--listen", "unix:$DIR/app.sock", "--log", "$DIR/logs/app.log",
		"--sidecar", `["sh", "-c", "echo 'two words'; exec sleep 4006"]`, "--", "$SELF", "print")
	c.start()
	c.eventually("the log has it all", func() bool {
		b, _ := os.ReadFile(filepath.Join(c.dir, "logs", "app.log"))
		return bytes.Contains(b, []byte(`"msg":"two words"`)) && bytes.Contains(b, []byte("listening"))
	})
	if out := c.log.String(); out != "" {
		t.Errorf("on standard output: %s", out)
	}
}

// TestHidden: the app cannot read the environment of the agent, where the credential is.
func TestHidden(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it shows processes of the same user")
	}
	c := runCommand(t, append(instance, credentialVariable+"=hunter33"), "--listen", "unix:$DIR/app.sock", "--socket", "$DIR/agent.sock", "--", "$SELF", "print")
	if os.Geteuid() == 0 { // who may read everything
		if err := errors.Join(os.Chown(c.dir, 65533, 65533), copyTo(c.cmd.Path, filepath.Join(c.dir, "agent"))); err != nil {
			t.Fatal(err)
		}
		c.cmd.Path = filepath.Join(c.dir, "agent")
		c.cmd.Args[len(c.cmd.Args)-2] = c.cmd.Path
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	}
	c.start()
	c.logged("listening")
	i, err := os.Stat(fmt.Sprintf("/proc/%d/environ", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := i.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
		t.Errorf("its environment belongs to %d", st.Uid)
	}
}

func copyTo(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// TestHelpNamesEveryOption: there is no option that the help does not explain.
func TestHelpNamesEveryOption(t *testing.T) {
	help := fmt.Sprintf(usage, "pizzeria-agent")
	options(new(invocation)).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(help, "--"+f.Name+" ") {
			t.Errorf("--%s is missing", f.Name)
		}
	})
}
