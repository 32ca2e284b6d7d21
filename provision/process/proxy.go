//go:build linux || darwin

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pizzaface/pizzeria/internal/hostside"
	"github.com/pizzaface/pizzeria/internal/sandbox"
)

const (
	proxyFile   = "proxy.json" // in the host directory
	proxyName   = "egress"     // of its directory there, and socket
	proxySocket = "proxy.sock"
	// proxyUser is no org's.
	proxyUser  = sandbox.FirstUID - 1
	proxyStart = 5 * time.Second
)

// startProxy starts the proxy of an instance, which ends with it and not with the server. It is in a
// sandbox of its own, with the machine's network. It returns the proxy's socket.
func (p *Provider) startProxy(m means, dir string) (socket string, err error) {
	endProxy(dir)
	at := filepath.Join(hostDir(dir), proxyName)
	if err := errors.Join(hostside.RemoveAll(at), os.Mkdir(at, 0o755)); err != nil { //nolint:gosec // the instance connects there
		return "", err
	}
	uid := os.Geteuid()
	if m.way == sandbox.Users {
		uid = proxyUser
		if err := os.Lchown(at, uid, uid); err != nil {
			return "", err
		}
	}
	program, err := p.executable(p.c.Proxy[0])
	if err != nil {
		return "", err
	}
	socket = filepath.Join(at, proxySocket)
	args := append(append(append([]string{}, p.c.Proxy...), socket), p.c.Allow...)
	out, err := os.OpenFile(filepath.Join(hostDir(dir), "proxy.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Close() }()
	cmd, err := p.c.Sandbox.Start(m.way, sandbox.Spec{
		UID: uid, Read: []sandbox.Path{program}, Write: []string{at}, Hide: []string{p.c.Dir}, Home: "/", Host: "egress",
		Network: true, Temporary: 1 << 20, Args: args, Dir: "/",
	}, func(pid int) error {
		start, err := startOf(pid)
		if err != nil {
			return err
		}
		return writeJSON(filepath.Join(hostDir(dir), proxyFile), apart{Way: m.way, UID: uid, PID: pid, At: start})
	}, out)
	if err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for late := time.After(proxyStart); ; {
		if _, err := os.Lstat(socket); err == nil {
			return socket, nil
		}
		select {
		case err := <-ended:
			note, _ := os.ReadFile(out.Name())
			return "", fmt.Errorf("the egress proxy: %w: %s", errors.Join(errors.New("it has ended"), err), tail(note))
		case <-late:
			return "", errors.New("the egress proxy does not start")
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// endProxy ends the proxy of an instance, if it has one.
func endProxy(dir string) {
	b, err := os.ReadFile(filepath.Join(hostDir(dir), proxyFile))
	if err != nil {
		return
	}
	var a apart
	if json.Unmarshal(b, &a) == nil {
		killProcess(a.PID, a.At)
	}
}
