package endtoend

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asInstance listens where an instance is to. The context ends when it is told to stop.
func asInstance() (context.Context, context.CancelFunc, net.Listener) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	l, err := net.Listen("unix", strings.TrimPrefix(os.Getenv("PIZZERIA_LISTEN"), "unix:"))
	if err != nil {
		panic(err)
	}
	return ctx, stop, l
}

// raw is an instance that answers with the bytes in the query. What it does then depends on the
// path: /begin and /keep keep the connection, /flood sends WebSocket frames, any other closes it.
// It is this test's own binary.
func raw() {
	ctx, stop, l := asInstance()
	defer stop()
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = c.Close() }()
			br := bufio.NewReader(c)
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			answer := []byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			if say := r.URL.Query().Get("say"); say != "" {
				if answer, err = base64.RawURLEncoding.DecodeString(say); err != nil {
					return
				}
			}
			_, _ = c.Write(answer)
			switch r.URL.Path {
			case "/flood":
				for err == nil {
					_, err = c.Write(append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 1<<16)...))
				}
			case "/begin":
				_, _ = c.Write(make([]byte, 1<<16))
				_, _ = io.Copy(io.Discard, br)
			case "/keep":
				_, _ = io.Copy(io.Discard, br)
			}
		}()
	}
}

// raws makes the instances of an installation raw ones.
func raws(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "provider process {\n\t\t\tcommand " + self + " raw\n\t\t}"
}

func say(path, answer string) string {
	return path + "?say=" + base64.RawURLEncoding.EncodeToString([]byte(answer))
}

// rawServer is an installation with an org of raw instances, and a member of it.
func rawServer(t *testing.T, orgs string) (*server, *person) {
	t.Helper()
	s := startWith(t, raws(t), orgs)
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("acme: %d %s", a.status, a.body)
	}
	return s, ada
}

// TestOddAnswers: an instance's odd answers become a problem, on both ways to it, and leave nothing
// behind. What is counted is the status that was answered.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	s, ada := rawServer(t, "org_gateway")
	hint := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	asked := 0
	for name, answer := range map[string]string{
		"status 000":          "HTTP/1.1 000 x\r\nContent-Length: 2\r\n\r\nhi",
		"status 000, chunked": "HTTP/1.1 000 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
		"status 099":          "HTTP/1.1 099 x\r\n\r\n",
		"101":                 "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a hint alone":        hint,
		"a hint, nonsense":    hint + "nonsense\r\n\r\n",
		"a hint, 000":         hint + "HTTP/1.1 000 x\r\n\r\n",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := ada.fetch(method, s.url("acme")+say("/", answer), "")
			if a.status != http.StatusBadGateway || !strings.Contains(a.body, "does not answer") {
				t.Errorf("%s, %s: %d %q", name, method, a.status, a.body)
			}
			asked++
		}
	}
	// reverse_proxy panics when an answer breaks off.
	before, _ := s.metric("pizzeria_org_requests_total", `code="2xx"`)
	res, err := http.ReadResponse(s.ask(say("/", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi"), ada.cookie(s.url("acme"), orgCookie), ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("half an answer passes for a whole one: %q", b)
	}
	s.eventually("it is counted", func() bool {
		n, _ := s.metric("pizzeria_org_requests_total", `code="2xx"`)
		return n == before+1
	})
	if n := s.gauge("pizzeria_open_streams"); n != 0 {
		t.Errorf("%v streams are left", n)
	}
	for _, class := range []string{"1xx", "other"} {
		if n, _ := s.metric("pizzeria_org_requests_total", `code="`+class+`"`); n != 0 {
			t.Errorf("%v requests count as %s", n, class)
		}
	}
	if n, _ := s.metric("pizzeria_org_requests_total", `code="5xx"`); int(n) != asked {
		t.Errorf("%v of %d count as 5xx", n, asked)
	}
	if strings.Contains(s.out.String(), "panic") {
		t.Errorf("something panics: %s", tail(s.out.String(), 4000))
	}
}

// TestCutInFlight: what a member has in flight ends with the membership, on both ways to the
// instance: a download, a request whose answer has not begun, and a WebSocket whose client reads
// nothing.
func TestCutInFlight(t *testing.T) {
	t.Parallel()
	for _, direct := range []string{"on", "off"} {
		s, ada := rawServer(t, "route {\n\t\torg\n\t\torg_auth\n\t\treverse_proxy {\n\t\t\tdynamic org\n\t\t\ttransport org {\n\t\t\t\tdirect "+direct+"\n\t\t\t}\n\t\t}\n\t}")
		mia := s.invite(ada, "acme", "mia@example.com", "member")
		if a := mia.open(s.url("acme") + "/"); a.status != 200 {
			t.Fatalf("acme: %d %s", a.status, a.body)
		}
		cookie := mia.cookie(s.url("acme"), orgCookie)

		download := s.ask(say("/begin", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), cookie, "")
		if b, err := download.Peek(12); err != nil || string(b) != "HTTP/1.1 200" {
			t.Fatalf("%q %v", b, err)
		}
		waiting := s.ask(say("/keep", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), cookie, "")
		if b, err := waiting.Peek(12); err != nil || string(b) != "HTTP/1.1 103" {
			t.Fatalf("%q %v", b, err)
		}
		stuck := s.ask(say("/flood", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"), cookie,
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: "+s.url("acme")+"\r\n")
		if b, err := stuck.Peek(12); err != nil || string(b) != "HTTP/1.1 101" {
			t.Fatalf("%q %v", b, err)
		}

		if out, err := s.cli("", "member", "remove", "acme", "mia@example.com"); err != nil {
			t.Fatal(out, err)
		}
		if res, err := http.ReadResponse(download, nil); err != nil {
			t.Error(err)
		} else if b, err := io.ReadAll(res.Body); err == nil || errors.Is(err, os.ErrDeadlineExceeded) || len(b) > 1<<16 {
			t.Errorf("direct %s: the download ends after %d bytes with %v", direct, len(b), err)
		}
		if hint, err := http.ReadResponse(waiting, nil); err != nil || hint.StatusCode != http.StatusEarlyHints {
			t.Errorf("direct %s: %v %v", direct, hint, err)
		}
		if res, err := http.ReadResponse(waiting, nil); err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("direct %s: %v %v", direct, res, err)
		}
		s.eventually("the stuck client's connection is closed", func() bool { return s.gauge("pizzeria_open_streams") == 0 })
		if _, err := io.Copy(io.Discard, stuck); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("direct %s: the WebSocket is open", direct)
		}
	}
}

// ask sends a request over a connection of its own, and returns what comes back.
func (s *server) ask(path, cookie, lines string) *bufio.Reader {
	s.t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &tls.Config{RootCAs: s.root, ServerName: "acme." + domain, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(55 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\nSec-Fetch-Site: same-origin\r\n%s\r\n", path, s.host("acme"), orgCookie, cookie, lines); err != nil {
		s.t.Fatal(err)
	}
	return bufio.NewReader(conn)
}

// gauge is the value of a metric without labels.
func (s *server) gauge(name string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.adminGet("/metrics")) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return f
		}
	}
	s.t.Fatalf("no metric %s", name)
	return 0
}

// TestDirectOff: an instance gets the same request whether it comes directly or by http.Transport,
// and no wish for gzip that the client did not have.
func TestDirectOff(t *testing.T) {
	t.Parallel()
	s := startWith(t, mirrors(t), `route {
		org
		org_auth
		reverse_proxy /off {
			dynamic org
			transport org {
				direct off
			}
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("acme: %d %s", a.status, a.body)
	}
	got := map[string]http.Header{}
	for _, path := range []string{"/on", "/off"} {
		res, err := http.ReadResponse(s.ask(path, ada.cookie(s.url("acme"), orgCookie), "Accept: text/plain\r\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var m mirrored
		if err := json.NewDecoder(res.Body).Decode(&m); err != nil || m.URI != path {
			t.Fatalf("%s: %d %+v %v", path, res.StatusCode, m, err)
		}
		got[path] = m.Header
	}
	if !reflect.DeepEqual(got["/on"], got["/off"]) || got["/on"].Get("Accept") != "text/plain" || got["/on"].Get("Accept-Encoding") != "" {
		t.Errorf("direct\n%v\nhttp.Transport\n%v", got["/on"], got["/off"])
	}
}
