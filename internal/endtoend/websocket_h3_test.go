package endtoend

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// TestWebSocketOverHTTP3: RFC 9220 is judged as HTTP/1.1 is, and ends with its reason too.
func TestWebSocketOverHTTP3(t *testing.T) {
	t.Parallel()
	s := startWith(t, "http3", "org_gateway")
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	mia := s.invite(ada, "acme", "mia@example.com", "member")
	mia.open(s.url("acme") + "/")
	cookie := orgCookie + "=" + mia.cookie(s.url("acme"), orgCookie)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	open := func(slug string, header map[string]string) (*http3.RequestStream, int) {
		t.Helper()
		conn, err := s.quic(slug + "." + domain)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
		client := (&http3.Transport{}).NewClientConn(conn)
		select {
		case <-client.ReceivedSettings():
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		if !client.Settings().EnableExtendedConnect {
			t.Fatal("the server does not offer RFC 9220")
		}
		stream, err := client.OpenRequestStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SetDeadline(time.Now().Add(patience))
		req := (&http.Request{Method: http.MethodConnect, Proto: "websocket", URL: &url.URL{Scheme: "https", Host: s.host(slug), Path: "/echo"}, Host: s.host(slug), Header: http.Header{"Sec-Websocket-Version": {"13"}}}).WithContext(ctx)
		for k, v := range header {
			req.Header.Set(k, v)
		}
		if err := stream.SendRequestHeader(req); err != nil {
			t.Fatal(err)
		}
		res, err := stream.ReadResponse()
		if err != nil {
			t.Fatal(err)
		}
		return stream, res.StatusCode
	}
	for name, c := range map[string]struct {
		slug   string
		header map[string]string
		want   int
	}{
		"nobody":                {"acme", map[string]string{"Origin": s.url("acme")}, 401},
		"a sibling's page":      {"acme", map[string]string{"Cookie": cookie, "Origin": s.url("globex")}, 403},
		"no origin":             {"acme", map[string]string{"Cookie": cookie}, 403},
		"another org's session": {"globex", map[string]string{"Cookie": cookie, "Origin": s.url("globex")}, 401},
	} {
		if _, status := open(c.slug, c.header); status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
	stream, status := open("acme", map[string]string{"Cookie": cookie, "Origin": s.url("acme")})
	if status != 200 {
		t.Fatalf("own page: %d", status)
	}
	if _, err := stream.Write(append([]byte{0x81, 0x85, 0, 0, 0, 0}, "hello"...)); err != nil { // masked with zeros
		t.Fatal(err)
	}
	br := bufio.NewReader(stream)
	read := func() (first byte, payload []byte) { // short and unmasked, as servers' are here
		t.Helper()
		var head [2]byte
		if _, err := io.ReadFull(br, head[:]); err != nil {
			t.Fatal(err)
		}
		payload = make([]byte, head[1])
		if _, err := io.ReadFull(br, payload); err != nil {
			t.Fatal(err)
		}
		return head[0], payload
	}
	if first, b := read(); first != 0x81 || string(b) != "hello" {
		t.Fatalf("echo: %x %q", first, b)
	}
	var me struct{ User struct{ ID string } }
	mia.call(t, "GET", s.url("")+"/api/v1/me", "", 200, &me)
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/acme/members/"+me.User.ID, "", 200, nil)
	first, b := read()
	if first != 0x88 || len(b) < 2 || int(b[0])<<8|int(b[1]) != 4401 || !strings.Contains(string(b), "membership") {
		t.Errorf("it ends with %x %q", first, b)
	}
}
