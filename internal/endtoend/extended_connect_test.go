package endtoend

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Socket is a WebSocket over HTTP/2 (RFC 8441), frame by frame.
type h2Socket struct {
	t      *testing.T
	conn   *tls.Conn
	framer *http2.Framer
	data   bytes.Buffer // of the stream, not yet read
}

// openH2 asks for a WebSocket and returns the status.
func (s *server) openH2(slug, path string, header ...string) (*h2Socket, string) {
	s.t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &tls.Config{RootCAs: s.root, ServerName: slug + "." + domain, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	h := &h2Socket{t: s.t, conn: conn, framer: http2.NewFramer(conn, conn)}
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.must(h.framer.WriteSettings())
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", s.host(slug), ":path", path, "sec-websocket-version", "13"}, header...)
	for i := 0; i < len(fields); i += 2 {
		h.must(enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	allowed := false
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			return h, err.Error()
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				continue
			}
			v, ok := f.Value(http2.SettingEnableConnectProtocol)
			if allowed = ok && v == 1; !allowed {
				s.t.Fatal("the server does not offer RFC 8441")
			}
			h.must(h.framer.WriteSettingsAck())
			h.must(h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
		case *http2.MetaHeadersFrame:
			return h, f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return h, f.ErrCode.String()
		}
	}
}

func (h *h2Socket) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// read returns the next WebSocket frame's first byte and payload.
func (h *h2Socket) read() (first byte, payload []byte) {
	h.t.Helper()
	for {
		if b := h.data.Bytes(); len(b) >= 2 && len(b) >= 2+int(b[1]) { // short and unmasked, as servers' are here
			n := 2 + int(b[1])
			frame := bytes.Clone(h.data.Next(n))
			return frame[0], frame[2:]
		}
		f, err := h.framer.ReadFrame()
		h.must(err)
		switch f := f.(type) {
		case *http2.DataFrame:
			h.data.Write(f.Data())
			if f.StreamEnded() && h.data.Len() == 0 {
				h.t.Fatal("the stream ended without a word")
			}
		case *http2.RSTStreamFrame:
			h.t.Fatalf("the stream was reset: %v", f.ErrCode)
		}
	}
}

// TestWebSocketOverHTTP2: RFC 8441 is judged as HTTP/1.1 is, and ends with its reason too.
func TestWebSocketOverHTTP2(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.stop()
	s.env = []string{"GODEBUG=http2xconnect=1"} // how Go's HTTP/2 server is told to offer it
	s.run()
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	mia.open(s.url("acme") + "/")
	cookie := orgCookie + "=" + mia.cookie(s.url("acme"), orgCookie)
	for name, c := range map[string]struct {
		slug   string
		header []string
		want   string
	}{
		"nobody":                {"acme", []string{"origin", s.url("acme")}, "401"},
		"a sibling's page":      {"acme", []string{"cookie", cookie, "origin", s.url("globex")}, "403"},
		"no origin":             {"acme", []string{"cookie", cookie}, "403"},
		"another org's session": {"globex", []string{"cookie", cookie, "origin", s.url("globex")}, "401"},
	} {
		if _, status := s.openH2(c.slug, "/echo", c.header...); status != c.want {
			t.Errorf("%s: %s, want %s", name, status, c.want)
		}
	}
	ws, status := s.openH2("acme", "/echo", "cookie", cookie, "origin", s.url("acme"))
	if status != "200" {
		t.Fatalf("own page: %s", status)
	}
	text := append([]byte{0x81, 0x85, 0, 0, 0, 0}, "hello"...) // masked with zeros
	ws.must(ws.framer.WriteData(1, false, text))
	if first, b := ws.read(); first != 0x81 || string(b) != "hello" {
		t.Fatalf("echo: %x %q", first, b)
	}
	var me struct{ User struct{ ID string } }
	mia.call(t, "GET", s.url("")+"/api/v1/me", "", 200, &me)
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/members/"+me.User.ID, "", 200, nil)
	first, b := ws.read()
	if first != 0x88 || len(b) < 2 || int(b[0])<<8|int(b[1]) != 4401 || !strings.Contains(string(b), "membership") {
		t.Errorf("it ends with %x %q", first, b)
	}
}
