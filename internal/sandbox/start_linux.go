package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Helper is the command that calls Enter and nothing else.
type Helper []string

// Start makes a sandbox, and the program of s in it. The program inherits files as descriptors from
// 3 on, and out as standard output and error. placed is called with the process's ID before it does
// anything, such as to put it into a control group. The caller waits for it.
func (h Helper) Start(way Way, s Spec, placed func(pid int) error, out *os.File, files ...*os.File) (*exec.Cmd, error) {
	return h.start(way, handover{Spec: s, Inherited: len(files)}, placed, out, files...)
}

func (h Helper) start(
	way Way, what handover, placed func(pid int) error, out *os.File, files ...*os.File,
) (*exec.Cmd, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	defer func() { _ = w.Close() }()
	cmd := exec.Command(h[0], h[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", out, out
	cmd.Env = []string{"HOME=/"} // some programs complain without
	cmd.ExtraFiles = append([]*os.File{r}, files...)
	cmd.SysProcAttr = attributes(way, what)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("sandbox: make namespaces: %w", err)
	}
	err = placed(cmd.Process.Pid)
	if err == nil {
		err = json.NewEncoder(w).Encode(what)
	}
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), ignoreExit(cmd.Wait()))
	}
	return cmd, nil
}

func attributes(way Way, what handover) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
			unix.CLONE_NEWCGROUP,
	}
	if !what.Network {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	if way == Namespaces {
		a.Cloneflags |= unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: what.UID, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: what.UID, HostID: os.Getegid(), Size: 1}}
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE}
	}
	return a
}

func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

// probeUID is a user that nothing is of.
const probeUID = LastUID

// probeTime is how long a try may take.
const probeTime = 10 * time.Second

// Probe tries which way works on this machine: None, with the reason, when none does.
func (h Helper) Probe() (way Way, why error) {
	way, uid := Namespaces, os.Geteuid()
	if uid == 0 {
		way, uid = Users, probeUID
	}
	if err := h.try(way, uid); err != nil {
		return None, err
	}
	return way, nil
}

func (h Helper) try(way Way, uid int) error {
	said, err := os.CreateTemp("", "sandbox")
	if err != nil {
		return err
	}
	defer func() { _ = said.Close() }()
	if err := os.Remove(said.Name()); err != nil {
		return err
	}
	s := Spec{UID: uid, Home: "/", Host: "probe", Dir: "/", Temporary: 1 << 20}
	cmd, err := h.start(way, handover{Spec: s, Probe: true}, func(int) error { return nil }, said)
	if err != nil {
		return err
	}
	force := time.AfterFunc(probeTime, func() { _ = cmd.Process.Kill() })
	defer force.Stop()
	err = cmd.Wait()
	b := make([]byte, 500)
	n, _ := said.ReadAt(b, 0)
	if err == nil && !strings.HasSuffix(string(b[:n]), entered) { // another program, or an earlier version
		err = errors.New("the helper does not know how")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(b[:n])))
	}
	return nil
}
