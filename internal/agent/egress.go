//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"

	"github.com/pizzaface/pizzeria/provision"
)

// forward leads a port of the instance's own network to the proxy of the host side, which has a
// Unix socket: few HTTP clients know how to ask a proxy there.
func (a *Agent) forward(env map[string]string) error {
	at, err := a.lead("egress", a.c.Egress)
	if err != nil {
		return err
	}
	proxy := "http://" + at
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		env[name] = proxy
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env[name] = "localhost,127.0.0.1,::1"
	}
	env["NODE_USE_ENV_PROXY"] = "1" // Node heeds the others only then
	return nil
}

// forwardRedis leads a port to the Redis of instances: few clients take a URL of a Unix socket.
func (a *Agent) forwardRedis(env map[string]string) error {
	u, err := url.Parse(env[provision.RedisVariable])
	if err != nil || u.User == nil {
		return errors.New(provision.RedisVariable + " is not a URL with user and password")
	}
	at, err := a.lead("redis", a.c.Redis)
	if err != nil {
		return err
	}
	env[provision.RedisVariable] = (&url.URL{Scheme: "redis", User: u.User, Host: at, Path: "/0"}).String()
	return nil
}

// lead leads a port of the loopback interface to a socket, and returns its address.
func (a *Agent) lead(what, socket string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return "", err
	}
	a.forwarding = append(a.forwarding, l)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.pass(c, what, socket)
		}
	}()
	return l.Addr().String(), nil
}

func (a *Agent) pass(from net.Conn, what, socket string) {
	defer func() { _ = from.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	var d net.Dialer
	to, err := d.DialContext(ctx, "unix", socket)
	cancel()
	if err != nil {
		a.log.say(what + ": " + err.Error())
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
