package hostside

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// maxListening is how many addresses are tried: a process takes an argument of 128 KiB.
const maxListening = 1024

// Listening are the addresses of this thread's network at which something listens, at most
// maxListening. The kernel may skip one where others begin and end while it is asked, so it is asked
// several times.
func Listening() (addresses []string) {
	for range 3 {
		for _, file := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
			for _, address := range listeningIn(file) {
				if len(addresses) < maxListening && !slices.Contains(addresses, address) {
					addresses = append(addresses, address)
				}
			}
		}
	}
	return addresses
}

func listeningIn(file string) (addresses []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != "0A" { // LISTEN
			continue
		}
		if address, ok := socketAddress(f[1]); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// socketAddress reads an address of /proc/net/tcp: words in the machine's order, here always little
// endian.
func socketAddress(s string) (string, bool) {
	host, port, _ := strings.Cut(s, ":")
	ip, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(ip)%4 != 0 {
		return "", false
	}
	for i := 0; i < len(ip); i += 4 {
		ip[i], ip[i+1], ip[i+2], ip[i+3] = ip[i+3], ip[i+2], ip[i+1], ip[i]
	}
	at := net.IP(ip)
	if at.IsUnspecified() {
		at = net.IPv4(127, 0, 0, 1)
	}
	return net.JoinHostPort(at.String(), strconv.FormatUint(n, 10)), true
}
