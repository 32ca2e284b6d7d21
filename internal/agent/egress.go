//go:build linux || darwin

package agent

import (
	"context"
	"io"
	"net"
	"sync"
)

// forward leads a port of the instance's own network to the proxy of the host side, which has a
// Unix socket: few HTTP clients know how to ask a proxy there.
func (a *Agent) forward(env map[string]string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	a.forwarding = l
	proxy := "http://" + l.Addr().String()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env[name] = proxy
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env[name] = "localhost,127.0.0.1,::1"
	}
	env["NODE_USE_ENV_PROXY"] = "1" // Node heeds the others only then
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.pass(c)
		}
	}()
	return nil
}

func (a *Agent) pass(from net.Conn) {
	defer func() { _ = from.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	var d net.Dialer
	to, err := d.DialContext(ctx, "unix", a.c.Egress)
	cancel()
	if err != nil {
		a.log.say("egress: " + err.Error())
		return
	}
	defer func() { _ = to.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() { copyHalf(to, from) })
	copyHalf(from, to)
	wg.Wait()
}

func copyHalf(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
