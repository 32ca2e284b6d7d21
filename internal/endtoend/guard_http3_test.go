package endtoend

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestStrangersMemoryOverHTTP3: what nothing bounds is not there, unless the operator asked for it.
// The same attack then shows why it is off.
func TestStrangersMemoryOverHTTP3(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		option string
		on     bool
	}{
		"Off": {"", false},
		"On":  {"http3", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, c.option, "org_gateway")
			res, err := s.anonymous().Get(s.url("") + "/sign-in")
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if said := res.Header.Get("Alt-Svc"); (said != "") != c.on {
				t.Errorf("the answer says Alt-Svc: %q", said)
			}
			if warned := strings.Contains(s.out.String(), "serve HTTP/3 without limits"); warned != c.on {
				t.Errorf("does the log warn? %v", warned)
			}
			udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", s.port))
			if (err != nil) != c.on {
				t.Errorf("is the UDP port free? %v", err)
			}
			if err == nil {
				_ = udp.Close()
			}
			const conns = 3
			var accepted atomic.Int64
			before, growth := s.growth(func() {
				var flood sync.WaitGroup
				for range conns {
					flood.Go(func() {
						conn, err := s.quic(domain)
						if err != nil {
							return
						}
						defer func() { _ = conn.CloseWithError(0, "") }()
						accepted.Add(1)
						fillHeads(conn)
					})
				}
				flood.Wait()
			})
			scale.Keep(t, map[string]any{
				"connections": accepted.Load(), "memory_before_bytes": before, "memory_growth_bytes": growth,
			})
			if n := accepted.Load(); c.on && n != conns || !c.on && n > 0 {
				t.Errorf("%d of %d connections are accepted", n, conns)
			}
			if !c.on && growth > strangerMemory {
				t.Errorf("memory grew by %d MiB", growth>>20)
			}
		})
	}
}

// quic opens a QUIC connection, or gives up when nothing answers.
func (s *server) quic(name string) (*quic.Conn, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	return quic.DialAddr(ctx, fmt.Sprintf("127.0.0.1:%d", s.port), &tls.Config{
		RootCAs: s.root, ServerName: name, NextProtos: []string{http3.NextProtoH3}, MinVersion: tls.VersionTLS13,
	}, &quic.Config{HandshakeIdleTimeout: 3 * time.Second})
}

// fillHeads opens all streams that a connection may have, and sends on each a head of 1 MiB but its
// last byte.
func fillHeads(conn *quic.Conn) {
	head := quicvarint.Append([]byte{1}, 1<<20) // a frame of type HEADERS, and its length
	head = append(head, make([]byte, 1<<20-1)...)
	var sent sync.WaitGroup
	for {
		stream, err := conn.OpenStream()
		if err != nil {
			break
		}
		sent.Go(func() {
			_ = stream.SetDeadline(time.Now().Add(20 * time.Second)) // the server may read no more
			_, _ = stream.Write(head)
		})
	}
	sent.Wait()
}
