package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// startPlain starts plain proxies before the very same upstream, with the same certificates and TLS settings.
func (s *servers) startPlain() error {
	socket, err := s.socket()
	if err != nil {
		return err
	}
	if _, err := s.newOrg(quietOrg); err != nil {
		return err
	}
	both, err := filepath.Glob(filepath.Join(s.dir, "ours/data/run/*/app.sock"))
	if err != nil || len(both) != 2 {
		return errors.New("the second instance has no socket")
	}
	quiet := both[0]
	if quiet == socket {
		quiet = both[1]
	}
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	s.port2, s.tuned2, s.quiet2, s.http2 = ports[0], ports[1], ports[3], ports[4]
	plain := fmt.Sprintf(`{
	http_port %d
	https_port %d
	skip_install_trust
	persist_config off
	admin unix/./admin.sock|0600
	storage file_system ../ours/data/caddy
	log {
		level ERROR
	}
	servers {
		max_header_size 1MiB
	}
}
*.%s {
	reverse_proxy unix/%s
}
*.%s:%d {
	reverse_proxy unix/%s {
		stream_close_delay 24h
		transport http {
			keepalive_idle_conns_per_host %d
		}
	}
}
*.%s:%d {
	reverse_proxy unix/%s
}
http://*.%s:%d {
	reverse_proxy unix/%s
}
`, ports[2], s.port2, domain, socket, domain, s.tuned2, socket, idleConnections, domain, s.quiet2, quiet, domain, s.http2, socket)
	if s.plain, err = s.start("plain", plain); err != nil {
		return err
	}
	for range 100 {
		var c net.Conn
		if c, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.quiet2)); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond) // the server is a process of its own
	}
	return err
}
