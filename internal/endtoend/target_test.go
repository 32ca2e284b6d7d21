package endtoend

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// statusH2 sends one request with these fields over HTTP/2, as they are, and returns the status or
// why the stream was reset.
func (s *server) statusH2(sni string, fields ...string) string {
	s.t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &tls.Config{RootCAs: s.root, ServerName: sni, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	if framer.WriteSettings() != nil || framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}) != nil {
		s.t.Fatal("the request cannot be sent")
	}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return err.Error()
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return f.ErrCode.String()
		}
	}
}

// TestRequestTargets: a target that is no path on the host is refused, before a matcher of the
// config can be led past, on org hosts and on the control plane, over HTTP/1.1 and HTTP/2.
func TestRequestTargets(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `route {
		org
		@admin path /admin*
		org_auth @admin {
			role owner
		}
		org_auth
		@odd header X-Odd *
		rewrite @odd {header.X-Odd}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	s.org(ada, "acme")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	if a := mia.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("acme: %d %s", a.status, a.body)
	}
	c := &scene{server: s, miaOrg: mia.cookie(s.url("acme"), orgCookie)}
	sni := "acme." + domain
	for target, want := range map[string]int{
		"/whoami": 200, "http://" + sni + "/whoami": 200, "https://" + sni + "/whoami": 200, "http://" + sni: 200,
		"/admin": 403, "http://" + sni + "/admin": 403, "HTTPS://" + sni + "/admin?x": 403,
		"x:/admin": 400, "x:admin": 400, "x:http://" + sni + "/admin": 400, "http:/admin": 400, "http:" + sni + "/admin": 400, "ftp://" + sni + "/admin": 400, "https://ada@" + sni + "/admin": 400,
		"x:http://evil.example/.pizzeria/callback?state=x": 400, "/whoami#x": 400, "/whoami?\xa0HTTP/1.0": 400, "*": 400, "/whoami%00": 400,
	} {
		if code, body := c.raw(sni, c.request("GET", target, sni)); code != want {
			t.Errorf("%s: %d %.200s", target, code, body)
		}
	}
	// A rewrite of the config that lets a client write the target lets it write paths alone.
	for path, want := range map[string]int{"/whoami": 200, "whoami": 502} {
		if code, body := c.raw(sni, c.request("GET", "/", sni, "X-Odd: "+path)); code != want {
			t.Errorf("rewritten to %s: %d %.200s", path, code, body)
		}
	}
	for _, target := range []string{"x:/healthz", "x:http://evil.example/", "http:/healthz", "ftp://" + domain + "/healthz", "/healthz#x", "/healthz?\xa0"} {
		if code, body := c.raw(domain, "GET "+target+" HTTP/1.1\r\nHost: "+domain+"\r\nConnection: close\r\n\r\n"); code != 400 {
			t.Errorf("%s at the control plane: %d %.200s", target, code, body)
		}
	}
	for host, want := range map[string]int{domain: 200, domain + fmt.Sprintf(":%d", s.port): 200, domain + ":0": 421, domain + ":65536": 421, domain + ":": 421} {
		if code, body := c.raw(domain, "GET /healthz HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); code != want {
			t.Errorf("Host %s at the control plane: %d %.200s", host, code, body)
		}
	}
	// Some of these the HTTP/2 server itself refuses, by its version.
	own := []string{":method", "GET", ":scheme", "https", "cookie", orgCookie + "=" + c.miaOrg, "sec-fetch-site", "same-origin"}
	for _, x := range []struct {
		path, want string
		more       []string
	}{
		{"/whoami", "200", nil}, {"/whoami", "200", []string{"host", sni}}, {"/whoami", "400", []string{"host", "globex." + domain}}, {"/whoami?a HTTP/1.0", "400", nil},
		{"x:/admin", "400", nil}, {"https://" + sni + "/whoami", "400", nil}, {"https://globex." + domain + "/whoami", "400", nil}, {"*", "400", nil},
	} {
		fields := append([]string{":authority", sni, ":path", x.path}, own...)
		if got := s.statusH2(sni, append(fields, x.more...)...); got != x.want && (x.want != "400" || got != "PROTOCOL_ERROR") {
			t.Errorf("HTTP/2, %s %v: %s", x.path, x.more, got)
		}
	}
}
