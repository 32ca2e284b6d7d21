package guard

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// served is an HTTP server behind a Guard, as Caddy makes it.
type served struct {
	*httptest.Server
	g       *Guard
	release chan struct{} // what requests of /hold wait for
}

func serve(t *testing.T, l Limits, wrapped bool, handler http.Handler) *served {
	t.Helper()
	s := &served{g: open(t, l), release: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%d cookies, %s", len(r.Header.Get("Cookie")), r.Proto)
	})
	mux.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/session", func(_ http.ResponseWriter, r *http.Request) { SignedIn(r.Context()) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if handler != nil {
		mux.Handle("/", handler)
	}
	s.Server = httptest.NewUnstartedServer(mux)
	if wrapped {
		s.Listener = s.g.Listener(s.Listener)
	}
	gs := s.g.Server(16 << 10)
	s.EnableHTTP2 = true
	s.Config.ConnContext, s.Config.ConnState = gs.ConnContext, gs.ConnState
	s.StartTLS()
	t.Cleanup(func() {
		s.Close()
		s.eventually(t, func() bool {
			s.g.mu.Lock()
			defer s.g.mu.Unlock()
			return len(s.g.addresses) == 0
		})
		s.g.empty(t)
	})
	return s
}

// eventually waits for what the server does after it has answered.
func (s *served) eventually(t *testing.T, f func() bool) {
	t.Helper()
	for range 1000 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond) // between looks at another goroutine's work
	}
	t.Error("it never happened")
}

func (s *served) held() (conns, requests int, heads int64) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	return s.g.conns, s.g.requests, s.g.heads + s.g.kept
}

func (s *served) http1() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}} //nolint:gosec // a server of the test's own
}

func get(t *testing.T, c *http.Client, url string, header http.Header) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

func bomb() http.Header {
	return http.Header{"Cookie": {strings.Repeat("a="+strings.Repeat("x", 3900)+"; ", 250) + "__Host-pizzeria-org=t"}}
}

// TestLoneBomb: somebody whose browser carries a megabyte of cookies gets in, with the cookies that are
// ours and as many others as may stay.
func TestLoneBomb(t *testing.T) {
	t.Parallel()
	s := serve(t, Defaults(), true, nil)
	want := fmt.Sprintf("%d cookies", len("__Host-pizzeria-org=t")+8*len("; a="+strings.Repeat("x", 3900)))
	for _, c := range []*http.Client{s.Client(), s.http1()} {
		for range 3 {
			if status, body := get(t, c, s.URL+"/page", bomb()); status != 200 || !strings.HasPrefix(body, want) {
				t.Errorf("%d %s", status, body)
			}
		}
		var all sync.WaitGroup
		for range 6 { // as many connections of HTTP/1 as a browser opens
			all.Go(func() {
				if status, body := get(t, c, s.URL+"/page", bomb()); status != 200 {
					t.Errorf("at once: %d %s", status, body)
				}
			})
		}
		all.Wait()
		if status, _ := get(t, c, s.URL+"/page", http.Header{"X": {strings.Repeat("x", maxHead)}}); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("another large header: %d", status)
		}
		c.CloseIdleConnections()
	}
	// A listener that is not ours charges nothing for HTTP/1: such heads are small. HTTP/2 is judged all the same.
	s = serve(t, Defaults(), false, nil)
	if status, _ := get(t, s.http1(), s.URL+"/page", bomb()); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("HTTP/1 without our listener: %d", status)
	}
	if status, body := get(t, s.Client(), s.URL+"/page", bomb()); status != 200 || !strings.Contains(body, "HTTP/2") {
		t.Errorf("HTTP/2 without our listener: %d %s", status, body)
	}
}

// TestGivenBack: whatever a request does, it and its connection count no longer when they are over.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	for _, wrapped := range []bool{true, false} {
		s := serve(t, small(), wrapped, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.Close()
		}))
		for _, c := range []*http.Client{s.Client(), s.http1()} {
			for range 5 { // more than there may be at once
				for _, path := range []string{"/page", "/panic", "/session", "/hijack"} {
					_, _ = get(t, c, s.URL+path, nil)
					c.CloseIdleConnections()
				}
				ctx, cancel := context.WithCancel(t.Context())
				r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/hold", nil)
				go func() {
					s.eventually(t, func() bool { _, n, _ := s.held(); return n > 0 })
					cancel()
				}()
				if res, err := c.Do(r); err == nil {
					_ = res.Body.Close()
				}
				cancel()
				s.eventually(t, func() bool {
					c.CloseIdleConnections() // one is idle when its request's end has been written
					n, requests, _ := s.held()
					return n == 0 && requests == 0
				})
			}
		}
	}
}

// TestSessionFreesConnection: thousands of people who are signed in share an address.
func TestSessionFreesConnection(t *testing.T) {
	t.Parallel()
	for _, wrapped := range []bool{true, false} {
		s := serve(t, small(), wrapped, nil)
		for range 20 {
			c := s.http1()
			if status, body := get(t, c, s.URL+"/session", nil); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			t.Cleanup(c.CloseIdleConnections)
		}
		if n, _, _ := s.held(); n != 0 {
			t.Errorf("%d connections count", n)
		}
		var all []net.Conn
		for range 20 { // strangers
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		s.eventually(t, func() bool { return s.g.refused[refusedConnections].Load() == 16 })
		for _, c := range all {
			_ = c.Close()
		}
	}
}

// h2conn is an HTTP/2 connection that reads nothing but what is asked for, with a window of zero.
type h2conn struct {
	*http2.Framer
	c   net.Conn
	buf bytes.Buffer
	enc *hpack.Encoder
	id  uint32
}

func (s *served) http2(t *testing.T) *h2conn {
	t.Helper()
	c, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // a server of the test's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	h := &h2conn{Framer: http2.NewFramer(c, c), c: c}
	h.enc = hpack.NewEncoder(&h.buf)
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.AllowIllegalWrites = true
	_, err = io.WriteString(c, http2.ClientPreface)
	if err = errors.Join(err, h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize}), h.WriteSettingsAck()); err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a request; fields repeat its last header.
func (h *h2conn) ask(path string, repeat int, name, value string) error {
	h.buf.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "example.com"}, {":path", path}} {
		_ = h.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for range repeat {
		_ = h.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	h.id += 2
	b := h.buf.Bytes()
	n := min(len(b), 16000)
	err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: h.id - 1, BlockFragment: b[:n], EndHeaders: n == len(b), EndStream: true})
	for b = b[n:]; err == nil && len(b) > 0; b = b[n:] {
		n = min(len(b), 16000)
		err = h.WriteContinuation(h.id-1, n == len(b), b[:n])
	}
	return err
}

// answer is the next answer: its status, and whether it ended the stream; or how the connection ended.
func (h *h2conn) answer() (status string, ended bool) {
	_ = h.c.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		f, err := h.ReadFrame()
		if err != nil {
			return err.Error(), true
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status"), f.StreamEnded()
		case *http2.RSTStreamFrame:
			return "reset " + f.ErrCode.String(), true
		case *http2.GoAwayFrame:
			return "go away: " + f.ErrCode.String(), true
		}
	}
}

// TestHTTP2Bombs: heads that HPACK makes large are refused before the server decodes them, and what is
// refused ends at once though the client's window is zero.
func TestHTTP2Bombs(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 3900)
	l := Defaults()
	l.Requests = 5
	s := serve(t, l, true, nil)
	for _, c := range []struct {
		what        string
		repeat      int
		name, value string
		want        string
	}{
		{"more than a megabyte", 400, "cookie", value, "go away: ENHANCE_YOUR_CALM"},
		{"of anything", 400, "x", value, "go away: ENHANCE_YOUR_CALM"},
		{"many tiny fields", 40_000, "x", "", "go away: ENHANCE_YOUR_CALM"},
		{"a header of HTTP/1", 1, "connection", "x", "go away: PROTOCOL_ERROR"},
		{"TE", 1, "te", "x", "go away: PROTOCOL_ERROR"},
		{"no cookies", 30, "x", value, "431"},
		{"none too many", 1, "cookie", value, "200"},
		{"a bomb of cookies", 260, "cookie", value, "200"},
	} {
		h := s.http2(t)
		if err := h.ask("/page", c.repeat, c.name, c.value); err != nil {
			t.Fatal(err)
		}
		if status, ended := h.answer(); status != c.want || ended != (c.want != "200") {
			t.Errorf("%s: %s, ended: %v", c.what, status, ended)
		}
		_ = h.c.Close()
	}
	s.eventually(t, func() bool { n, _, _ := s.held(); return n == 0 })

	// Pages that the window holds back count until they are over; what comes then is refused, and ends.
	h := s.http2(t)
	for range 5 {
		if err := h.ask("/page", 260, "cookie", value); err != nil {
			t.Fatal(err)
		}
		if status, _ := h.answer(); status != "200" {
			t.Fatal(status)
		}
	}
	for range 20 {
		if err := h.ask("/page", 260, "cookie", value); err != nil {
			t.Fatal(err)
		}
		if status, ended := h.answer(); status != "503" || !ended {
			t.Fatalf("%s, ended: %v", status, ended)
		}
	}
	_, requests, heads := s.held()
	if requests != 5 || heads > 5*(MaxCookies+2000) {
		t.Errorf("%d requests hold %d bytes of headers", requests, heads)
	}
}

// TestHTTP2LargeFrame: a frame is not read whole when it is larger than HTTP/2's default.
func TestHTTP2LargeFrame(t *testing.T) {
	t.Parallel()
	s := serve(t, small(), true, nil)
	h := s.http2(t)
	if _, err := h.c.Write([]byte{0x0f, 0xff, 0xff, byte(http2.FrameData), 0, 0, 0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	if status, _ := h.answer(); status != "go away: FRAME_SIZE_ERROR" {
		t.Error(status)
	}
}

// TestHTTP2ControlFrames: floods of frames that cost nothing end the connection.
func TestHTTP2ControlFrames(t *testing.T) {
	t.Parallel()
	s := serve(t, small(), true, nil)
	for name, send := range map[string]func(*h2conn) error{
		"PING":       func(h *h2conn) error { return h.WritePing(false, [8]byte{}) },
		"SETTINGS":   func(h *h2conn) error { return h.WriteSettings() },
		"empty DATA": func(h *h2conn) error { return h.WriteData(1, false, nil) },
	} {
		h := s.http2(t)
		if name == "empty DATA" {
			if err := h.ask("/page", 0, "", ""); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 * controlBurst {
			if send(h) != nil {
				break
			}
		}
		for {
			status, _ := h.answer()
			if status == "200" || strings.HasPrefix(status, "reset") {
				continue
			}
			if status != "go away: ENHANCE_YOUR_CALM" {
				t.Errorf("%s: %s", name, status)
			}
			break
		}
		_ = h.c.Close()
	}
}

// TestUnreadAnswers: a client that sends and does not read is read no further, so that its answers do not pile up.
func TestUnreadAnswers(t *testing.T) {
	t.Parallel()
	g := open(t, small())
	c, _ := connect(t, g, "192.0.2.1", true)
	ours, theirs := net.Pipe() // a write waits for its reader
	r := newHeadReader(ours, c, 1<<20, false)
	ping := []byte{0, 0, 8, byte(http2.FramePing), 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}
	var sent atomic.Int32
	go func() {
		for {
			if _, err := theirs.Write(ping); err != nil {
				return
			}
			sent.Add(1)
		}
	}()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = r.Write(ping)
	}()
	for r.writing.Load() == nil {
		runtime.Gosched()
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for range 3 * maxUnwritten {
			if _, err := io.ReadFull(r, make([]byte, len(ping))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for sent.Load() < maxUnwritten || r.frames.Load() <= maxUnwritten {
		runtime.Gosched()
	}
	if n := sent.Load(); n > maxUnwritten+1 {
		t.Errorf("%d frames are read while an answer waits", n)
	}
	if _, err := io.ReadFull(theirs, make([]byte, len(ping))); err != nil {
		t.Fatal(err)
	}
	<-wrote
	<-read // it goes on
	_ = ours.Close()
	_ = theirs.Close()
	c.Closed()
	g.empty(t)
}

// TestHTTP2Free: a connection that carried a session is read without a charge, and keeps working.
func TestHTTP2Free(t *testing.T) {
	t.Parallel()
	l := small()
	l.Heads, l.AllHeads = 64<<10, 8<<20 // for the first ones, which come one by one
	s := serve(t, l, true, nil)
	for i := range 30 {
		if status, body := get(t, s.Client(), s.URL+[]string{"/page", "/session"}[min(i/3, 1)], bomb()); status != 200 {
			t.Fatalf("%d: %d %s", i, status, body)
		}
	}
	if n, r, heads := s.held(); n != 0 || r != 0 || heads != 0 {
		t.Errorf("%d connections, %d requests, %d bytes", n, r, heads)
	}
}

// TestHTTP1TinyHeaders: many short headers are charged before they are parsed.
func TestHTTP1TinyHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, Defaults(), true, nil)
	var b strings.Builder
	b.WriteString("GET /page HTTP/1.1\r\nHost: example.com\r\n")
	for i := 0; b.Len() < 900_000; i++ {
		fmt.Fprintf(&b, "x%x:\r\n", i)
	}
	var all []*tls.Conn
	for range 3 { // none is whole: they stay
		c, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // a server of the test's own
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		go func() { _, _ = io.WriteString(c, b.String()) }()
	}
	s.eventually(t, func() bool { _, _, n := s.held(); return n >= (900_000-freeHead)*http1Cost })
	if _, _, n := s.held(); n > (900_000*http1Cost)+s.g.limits.Load().Heads*2 {
		t.Errorf("%d bytes are charged: more than one passes", n)
	}
	for _, c := range all {
		_ = c.NetConn().Close()
	}
}

// FuzzHeadReader: what the reader hands on is what came, to the byte, as long as it hands anything on.
func FuzzHeadReader(f *testing.F) {
	var seed bytes.Buffer
	seed.WriteString(http2.ClientPreface)
	fr := http2.NewFramer(&seed, nil)
	_ = fr.WriteSettings()
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82, 0x87, 0x84}, EndHeaders: true, PadLength: 3, Priority: http2.PriorityParam{Weight: 1}})
	_ = fr.WriteData(1, true, []byte("body"))
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x82}})
	_ = fr.WriteContinuation(3, true, []byte{0x87, 0x84})
	f.Add(seed.Bytes(), 7)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		g := New(small())
		defer g.Close()
		c, _ := connect(t, g, "192.0.2.1", true)
		a, b := net.Pipe()
		go func() {
			defer func() { _ = b.Close() }()
			step := max(1, step%100)
			for rest := in; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := b.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		r := newHeadReader(a, c, 1<<20, true)
		out, err := io.ReadAll(r)
		_ = a.Close()
		if !bytes.HasPrefix(in, out) {
			t.Errorf("%x became %x", in, out)
		}
		var ours http2.ConnectionError
		if !errors.As(err, &ours) && len(out) < len(in)-frameHeaderLen-maxFrame {
			t.Errorf("%d of %d bytes arrive: %v", len(out), len(in), err)
		}
		c.Closed()
		g.empty(t)
	})
}
