package endtoend

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// strangerMemory is what an address without a session may take of the front door, in bytes.
const strangerMemory = 64 << 20

var residentSet = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// memory is what the server's process occupies, in bytes; 0 where the system does not say.
func (s *server) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := residentSet.FindSubmatch(b)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

// growth is by how much the server's memory grew while something was done, at most.
func (s *server) growth(during func()) (before, growth int64) {
	s.t.Helper()
	if before = s.memory(); before == 0 {
		s.t.Skip("this system does not say how much memory a process has")
	}
	peak, stop := before, make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			peak = max(peak, s.memory())
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	during()
	close(stop)
	watch.Wait()
	return before, max(peak, s.memory()) - before
}

// descriptors is how many files and sockets the server has open; 0 where the system does not say.
func (s *server) descriptors() int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(entries)
}

// raw opens a connection from an address of the loopback network.
func (s *server) raw(from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 20 * time.Second}
	return d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
}

// from is a client at an address of the loopback network, which makes a new connection for each request.
func (s *server) from(address string) *http.Client {
	c := s.anonymous()
	t := c.Transport.(*http.Transport)
	t.DisableKeepAlives = true
	t.DialContext = func(context.Context, string, string) (net.Conn, error) { return s.raw(address) }
	return c
}

// replaced reloads the config with one part replaced.
func (s *server) replaced(global, old, with string) {
	s.t.Helper()
	config := s.caddyfile(global, 0)
	if !strings.Contains(config, old) {
		s.t.Fatalf("the config has no %q", old)
	}
	if out, err := s.reload(strings.Replace(config, old, with, 1)); err != nil {
		s.t.Fatal(out)
	}
}

// TestHalfOpenConnections: an address that opens connections and sends nothing takes none from others.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	s := start(t)
	n := scale.Of(t, "half-open connections", 1500, 18_000)
	before := s.descriptors()
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for range n {
		c, err := s.raw("127.0.0.2")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		_, _ = c.Write([]byte{0x16, 3, 1, 2, 0, 1}) // the first bytes of a handshake
	}
	s.eventually("the surplus is closed", func() bool {
		refused, _ := s.metric("pizzeria_guard_refused_total", `reason="connections"`)
		return int(refused) >= n-256
	})
	if most := s.descriptors(); before > 0 && most > before+300 {
		t.Errorf("%d descriptors are open, %d before", most, before)
	}
	if _, err := s.from("127.0.0.3").Get(s.url("") + "/sign-in"); err != nil {
		t.Errorf("another address: %v", err)
	}
	// The same address gets in as soon as one of the silent connections may end.
	s.eventually("the same address gets in", func() bool {
		res, err := s.from("127.0.0.2").Get(s.url("") + "/sign-in")
		return err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

// TestPeopleBehindOneAddress: connections that carried a session do not count, also where strangers have used up theirs.
func TestPeopleBehindOneAddress(t *testing.T) {
	t.Parallel()
	const limit = "limits {\n connections 20\n requests 10\n }"
	s := startWith(t, limit, "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	var all []*websocket.Conn
	for range scale.Of(t, "WebSockets", 100, 9000) {
		ws, err := s.dial(ada, s.url("acme"))
		if err != nil {
			t.Fatalf("after %d: %v", len(all), err)
		}
		defer func() { _ = ws.CloseNow() }()
		all = append(all, ws)
	}
	var strangers []net.Conn
	for range 60 {
		c, err := s.raw("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		strangers = append(strangers, c)
	}
	s.eventually("strangers are refused", func() bool {
		n, _ := s.metric("pizzeria_guard_refused_total", `reason="connections"`)
		return n >= 40
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, ws := range all {
		if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		if _, b, err := ws.Read(ctx); err != nil || string(b) != "hello" {
			t.Fatalf("%d: %q %v", i, b, err)
		}
	}
	if a := ada.fetch("GET", s.url("acme")+"/whoami", ""); a.status != http.StatusOK { // on a connection that is open
		t.Errorf("%d %s", a.status, a.body)
	}
	_ = strangers
}

// TestProxiesAreExempt: with the PROXY protocol its addresses count, and a trusted proxy's connections do not.
func TestProxiesAreExempt(t *testing.T) {
	t.Parallel()
	const limit = "limits {\n connections 5\n }"
	s := startWith(t, limit, "org_gateway")
	s.replaced(limit, "org_connections\n", "proxy_protocol {\n allow 127.0.0.0/8\n }\n org_connections\n")
	said := func(client string) net.Conn {
		c, err := s.raw("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "PROXY TCP4 %s 127.0.0.1 1234 %d\r\n", client, s.port)
		return c
	}
	for range 20 {
		_, _ = said("192.0.2.1").Write([]byte{0x16, 3, 1, 2, 0, 1})
	}
	s.eventually("an address that the proxy names is refused", func() bool {
		n, _ := s.metric("pizzeria_guard_refused_total", `reason="connections"`)
		return n == 15
	})
	c := tls.Client(said("192.0.2.2"), &tls.Config{RootCAs: s.root, ServerName: domain})
	if status := plainGet(t, c, s.host(""), ""); status != http.StatusOK {
		t.Errorf("another one: %d", status)
	}

	s.replaced(limit, "listener_wrappers", "trusted_proxies static 127.0.0.4/32\n listener_wrappers")
	for range 20 { // all stay open
		conn, err := s.raw("127.0.0.4")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c := tls.Client(conn, &tls.Config{RootCAs: s.root, ServerName: domain})
		if status := plainGet(t, c, s.host(""), "X-Forwarded-For: 192.0.2.3\r\n"); status != http.StatusOK {
			t.Fatalf("a trusted proxy: %d", status)
		}
	}
}

// plainGet asks for the page to sign in over HTTP/1.1, and leaves the connection open.
func plainGet(t *testing.T, c net.Conn, host, header string) int {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprintf(c, "GET /sign-in HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, header); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(c, line); err != nil {
		t.Fatal(err)
	}
	status, _ := strconv.Atoi(string(line[len("HTTP/1.1 "):]))
	return status
}

// TestLoneCookieBomb: a person in whose browser a sibling org put a megabyte of cookies signs in and works, over each protocol.
func TestLoneCookieBomb(t *testing.T) {
	t.Parallel()
	s := start(t)
	ada := s.admin()
	s.org(ada, "acme")
	bomb := map[string]string{"Cookie": strings.Repeat("a="+strings.Repeat("x", 4000)+"; ", 255) + "z=z", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	transports := map[string]*http.Transport{"HTTP/2.0": s.transport(), "HTTP/1.1": s.transport()}
	transports["HTTP/1.1"].ForceAttemptHTTP2, transports["HTTP/1.1"].TLSClientConfig.NextProtos = false, []string{"http/1.1"}
	for proto, transport := range transports {
		p := s.person()
		p.c.Transport = transport
		if a := p.do("GET", s.url("")+"/sign-in", nil, bomb); a.status != 200 {
			t.Errorf("%s, the page to sign in: %d %.200s", proto, a.status, a.body)
		}
		p.c.Jar = ada.c.Jar
		for range 3 {
			if a := p.do("GET", s.url("acme")+"/whoami", nil, bomb); a.status != 200 || !strings.Contains(a.body, `"org_slug":"acme"`) {
				t.Errorf("%s, the org: %d %.200s", proto, a.status, a.body)
			}
		}
	}
}

// TestStrangersMemory: whatever one address without a session sends and holds, the server's memory stays within a
// bound, and others are served.
func TestStrangersMemory(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 3900)
	tiny := make([]hpack.HeaderField, 12_000)
	for i := range tiny {
		tiny[i] = hpack.HeaderField{Name: "t" + strconv.Itoa(i), Sensitive: true}
	}
	for _, c := range []struct {
		name   string
		fields []hpack.HeaderField
		http1  int // bytes of tiny headers in a head that does not end
	}{
		{name: "Pages"}, // the window holds them back
		{name: "CookieBombs", fields: slices.Repeat([]hpack.HeaderField{{Name: "cookie", Value: value}}, 260)},
		{name: "TooManyHeaders", fields: slices.Repeat([]hpack.HeaderField{{Name: "cookie", Value: value}}, 400)},
		{name: "ForbiddenHeaders", fields: slices.Concat(slices.Repeat([]hpack.HeaderField{{Name: "cookie", Value: value}}, 260), []hpack.HeaderField{{Name: "connection", Value: "x"}})},
		{name: "TinyFields", fields: tiny},
		{name: "TinyHeadersOfHTTP1", http1: 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			conns := scale.Of(t, "connections", 100, 1000)
			sent := make(chan net.Conn, conns)
			before, growth := s.growth(func() {
				var flood sync.WaitGroup
				limit := make(chan struct{}, 16)
				for range conns {
					limit <- struct{}{}
					flood.Go(func() {
						defer func() { <-limit }()
						conn, err := s.raw("127.0.0.2")
						if err != nil {
							return
						}
						sent <- conn
						_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // the server may read no more
						if c.http1 > 0 {
							s.tinyHeaders(conn, c.http1)
						} else {
							s.bomb(conn, 100, c.fields)
						}
					})
				}
				flood.Wait()
				res, err := s.from("127.0.0.3").Get(s.url("") + "/sign-in")
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("another address: %v %v", res, err)
				}
			})
			close(sent)
			for conn := range sent {
				_ = conn.Close()
			}
			scale.Keep(t, map[string]any{"connections": conns, "memory_before_bytes": before, "memory_growth_bytes": growth})
			if growth > strangerMemory && buildFlags == nil { // the race detector multiplies it
				t.Errorf("memory grew by %d MiB", growth>>20)
			}
			s.eventually("all is given back", func() bool {
				return regexp.MustCompile(`(?m)^pizzeria_guard_heads_bytes 0$`).MatchString(s.adminGet("/metrics"))
			})
		})
	}
}

// tinyHeaders sends a request head of many short headers, without its end.
func (s *server) tinyHeaders(conn net.Conn, size int) {
	c := tls.Client(conn, &tls.Config{RootCAs: s.root, ServerName: domain, NextProtos: []string{"http/1.1"}})
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET /sign-in HTTP/1.1\r\nHost: %s\r\n", s.host(""))
	for i := 36 * 36 * 36; b.Len() < size-1000; i++ {
		b.WriteString(strconv.FormatInt(int64(i), 36) + ":\r\n")
	}
	_, _ = c.Write(b.Bytes())
}

// bomb opens streams on an HTTP/2 connection whose window is zero, each with these fields.
func (s *server) bomb(conn net.Conn, streams int, fields []hpack.HeaderField) {
	c := tls.Client(conn, &tls.Config{RootCAs: s.root, ServerName: domain, NextProtos: []string{"h2"}})
	_, err := io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	err = errors.Join(err, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize}), f.WriteSettingsAck())
	if err != nil {
		return
	}
	go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	for id := uint32(1); int(id) < 2*streams; id += 2 {
		b.Reset()
		for _, h := range slices.Concat([]hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: s.host("")}, {Name: ":path", Value: "/sign-in"}}, fields) {
			_ = enc.WriteField(h)
		}
		part := b.Next(16000)
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: part, EndStream: true, EndHeaders: b.Len() == 0})
		for err == nil && b.Len() > 0 {
			part = b.Next(16000)
			err = f.WriteContinuation(id, b.Len() == 0, part)
		}
		if err != nil {
			return
		}
	}
}
