package endtoend

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// Ports below the range from which the kernel takes those of outgoing
// connections (net.ipv4.ip_local_port_range starts at 32768): between freePort and
// the server's start nobody else gets one.
const firstPort, ports = 12000, 20000

var nextPort atomic.Uint32

func init() { nextPort.Store(rand.Uint32N(ports)) }

// freePort returns a port that is free for TCP and UDP and that no other test gets.
func freePort(t *testing.T) int {
	t.Helper()
	for range ports {
		port := firstPort + int(nextPort.Add(1)%ports)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp", address)
		_ = tcp.Close()
		if err != nil {
			continue
		}
		_ = udp.Close()
		return port
	}
	t.Fatal("no port is free")
	return 0
}
