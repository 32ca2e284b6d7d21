//go:build linux || darwin

package agent

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
)

const (
	loopback  = "127.0.0.1"
	portTries = 20
)

// port is a loopback port that the app is told to listen at.
//
// No other agent in the same network tells its app the same one: otherwise one that is slow to
// listen could get another's requests. The claim is an abstract Unix socket, which Linux keeps for
// each network namespace and removes with the process.
type port struct {
	number int
	claim  net.Listener // nil where there are no abstract sockets
}

func (p *port) String() string  { return strconv.Itoa(p.number) }
func (p *port) address() string { return net.JoinHostPort(loopback, p.String()) }

func (p *port) release() {
	if p.claim != nil {
		_ = p.claim.Close()
	}
}

// reservePort claims a free port, or the wanted one.
func reservePort(wanted string) (*port, error) {
	if wanted != "" {
		n, err := strconv.ParseUint(wanted, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("PORT is %q: it must be a number from 1 to 65535", wanted)
		}
		return claimPort(int(n))
	}
	var p *port
	var err error
	for range portTries {
		if p, err = freePort(); err == nil {
			return p, nil
		}
	}
	return nil, err
}

func freePort() (*port, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	return claimPort(l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of a TCP listener
}

func claimPort(number int) (*port, error) {
	p := &port{number: number}
	if runtime.GOOS != "linux" {
		return p, nil
	}
	var err error
	if p.claim, err = net.Listen("unix", "@pizzeria-agent/port/"+p.String()); err != nil {
		return nil, fmt.Errorf("port %d is another app's", number)
	}
	return p, nil
}
