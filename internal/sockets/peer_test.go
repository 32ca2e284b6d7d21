//go:build unix

package sockets_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// TestNobodyReachesUs: what this process listens on is not dialled as an instance, by whatever
// name; another process is.
func TestNobodyReachesUs(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Logf("%s: %v", listen, err)
			continue
		}
		t.Cleanup(func() { _ = l.Close() })
		_, port, _ := net.SplitHostPort(l.Addr().String())
		hosts := []string{"127.0.0.1", "localhost"}
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && listen != "127.0.0.1:0" && !n.IP.IsLinkLocalUnicast() &&
				(n.IP.To4() != nil || listen == "[::]:0") {
				hosts = append(hosts, n.IP.String())
			}
		}
		for _, host := range hosts {
			c, err := sockets.Dialer(t.Context(), "tcp", net.JoinHostPort(host, port))
			if c != nil {
				_ = c.Close()
			}
			if !errors.Is(err, sockets.ErrPeer) {
				t.Errorf("%s at %s: %v", listen, host, err)
			}
		}
	}
}

// TestOthersAreReached: a port of another process on this machine is dialled, also with a port that
// this process listens on elsewhere.
func TestOthersAreReached(t *testing.T) {
	if address := os.Getenv("SOCKETS_TEST_LISTEN"); address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(l.Addr().String() + "\n")
		_, _ = l.Accept()
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "TestOthersAreReached")
	cmd.Env = append(os.Environ(), "SOCKETS_TEST_LISTEN=127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	b := make([]byte, 100)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSpace(string(b[:n]))
	_, port, _ := net.SplitHostPort(address)
	if l, err := net.Listen("tcp", "127.0.0.2:"+port); err == nil { // not on every system
		defer func() { _ = l.Close() }()
	}
	c, err := sockets.Dialer(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestCheckAddr(t *testing.T) {
	for _, a := range []string{"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "fd00:ec2::254"} {
		if err := sockets.CheckAddr(netip.MustParseAddr(a)); !errors.Is(err, sockets.ErrPeer) {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"10.0.0.1", "127.0.0.1", "::1", "fd00:ec2::253", "192.0.2.1", "169.253.1.1"} {
		if err := sockets.CheckAddr(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestCheckSocket(t *testing.T) {
	dir := t.TempDir()
	own := listen(t, dir, "own")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{own, link} {
		if err := sockets.CheckSocket(path); !errors.Is(err, sockets.ErrPeer) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := sockets.CheckSocket(filepath.Join(dir, "none")); err == nil {
		t.Error("nothing is there")
	}
	if err := sockets.CheckSocket(dir); err != nil {
		t.Error(err)
	}
}
