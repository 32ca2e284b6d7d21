// Package sockets opens Unix sockets, and files, that are in a directory of somebody else, who may put
// anything there at any time: such as a link to another's socket, or to a file of the server.
package sockets

import (
	"context"
	"fmt"
	"net"
)

// Dial connects to the socket at a path, as Open finds it.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	s, err := Open(path)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: err}
	}
	defer func() { _ = s.Close() }()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", s.Path())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Dialer dials what provision.SplitAddress returns. What CheckPeer refuses is not talked to.
func Dialer(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" {
		return Dial(ctx, address)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := CheckPeer(c); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func notSocket(path string) error { return fmt.Errorf("%s is not a socket", path) }
