package sockets

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
)

// ErrPeer says that an address is none of an instance's.
var ErrPeer = errors.New("no instance is reached there")

// metadata are the addresses at which clouds tell their machines who they are. Most are link-local.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
}

// CheckAddr refuses the addresses at which clouds give credentials to their machines.
func CheckAddr(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return fmt.Errorf("%w: %s gives out the credentials of this machine", ErrPeer, a)
	}
	return nil
}

// CheckPeer refuses a connection whose other end CheckAddr refuses, or is a listener of this
// process: its admin endpoint, its control plane. Whatever name led there, nothing has been sent
// yet.
func CheckPeer(c net.Conn) error {
	peer, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	to := peer.AddrPort()
	at := to.Addr().Unmap()
	if err := CheckAddr(at); err != nil {
		return err
	}
	if local, ok := c.LocalAddr().(*net.TCPAddr); !ok ||
		!at.IsLoopback() && local.AddrPort().Addr().Unmap() != at {
		return nil // another machine's
	}
	for _, l := range listeners() {
		own, ok := l.(*net.TCPAddr)
		if !ok || own.Port != peer.Port {
			continue
		}
		if ip := own.AddrPort().Addr().Unmap(); ip.IsUnspecified() || ip == at {
			return fmt.Errorf("%w: %s is this server itself", ErrPeer, to)
		}
	}
	return nil
}

// CheckSocket refuses the path of a Unix socket on which this process listens.
func CheckSocket(path string) error {
	there, err := os.Stat(path)
	if err != nil {
		return err
	}
	for _, l := range listeners() {
		own, ok := l.(*net.UnixAddr)
		if !ok {
			continue
		}
		if s, err := os.Stat(own.Name); err == nil && os.SameFile(s, there) {
			return fmt.Errorf("%w: %s is this server itself", ErrPeer, path)
		}
	}
	return nil
}
