package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// sameDiffers lists the answers that Direct and http.Transport may read differently, by the name of
// the case, with the reason. There are none today.
//
// One difference is outside of the table, since it depends on the moment: http.Transport may take
// bytes that came after the end of an answer for the answer to the next request of its pool. It
// puts the connection back before it looks. Direct looks first, so the tests ask it alone what the
// next request gets.
var sameDiffers = map[string]string{}

// sameLimit is the header limit of both ways here.
const sameLimit = 64 << 10

// answering is an instance that says given bytes to a request for /1, and something plain to
// others.
type answering struct {
	path string
	mu   sync.Mutex
	say  string
	end  bool // close the connection afterwards
	seen []string
}

func newAnswering(t testing.TB) *answering {
	t.Helper()
	a := &answering{path: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", a.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { a.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return a
}

func (a *answering) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	var raw strings.Builder
	br := bufio.NewReader(io.TeeReader(c, &raw))
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		a.mu.Lock()
		say, end := a.say, a.end
		a.seen = append(a.seen, raw.String())
		a.mu.Unlock()
		raw.Reset()
		if r.URL.Path != "/1" {
			say, end = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean", false
		}
		if _, err := io.WriteString(c, say); err != nil || end {
			return
		}
	}
}

// ways are the two that must not differ. Each has connections of its own.
func (a *answering) ways() (map[string]http.RoundTripper, func()) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var n net.Dialer
		return n.DialContext(ctx, "unix", a.path)
	}
	h := &http.Transport{DialContext: GuardDial(dial, sameLimit), MaxIdleConnsPerHost: 8, MaxResponseHeaderBytes: sameLimit, DisableCompression: true}
	d := &Direct{Dial: dial, Idle: 8, IdleTimeout: time.Minute, HeaderBytes: sameLimit}
	return map[string]http.RoundTripper{"direct": d, "transport": Guarded{RoundTripper: h, HeaderBytes: sameLimit}}, func() {
		h.CloseIdleConnections()
		d.Close()
	}
}

// outcome is all that somebody can see of an exchange: what the answer is, or that it fails. Errors
// are alike whatever they say.
func outcome(rt http.RoundTripper, method string, wait time.Duration) string {
	var out []string
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	r := request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		out = append(out, fmt.Sprint(code, " ", fields(http.Header(h))))
		return nil
	}}), method, "http://org.1/1")
	res, err := rt.RoundTrip(r)
	if err == nil {
		if err = checkAnswer(r, res); err != nil {
			_ = res.Body.Close()
		}
	}
	if err != nil {
		out = append(out, "fails")
	} else {
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		out = append(out, fmt.Sprintf("%s %d %s %s length %d %v close %v body %q fails %v trailer %s",
			res.Proto, res.StatusCode, res.Status, fields(res.Header), res.ContentLength, res.TransferEncoding, res.Close, b, err != nil, fields(res.Trailer)))
	}
	return strings.Join(out, "\n")
}

// poisoned reports what the requests after an exchange get, if it is not their own answers.
func poisoned(rt http.RoundTripper) error {
	for range 2 {
		res, err := rt.RoundTrip(request(context.Background(), "GET", "http://org.1/2"))
		if err != nil {
			return err
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(b) != "clean" {
			return fmt.Errorf("%d %q %v", res.StatusCode, b, err) //nolint:errorlint // it may be nil
		}
	}
	return nil
}

func fields(h http.Header) string {
	var out []string
	for name, values := range h {
		out = append(out, fmt.Sprintf("%s=%q", name, values))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// quietLog silences what http.Transport says of answers that nobody asked for.
func quietLog(t testing.TB) {
	was := log.Writer()
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(was) })
}

// TestDirectIsHTTPTransport: for any answer the two ways come to the same.
func TestDirectIsHTTPTransport(t *testing.T) {
	quietLog(t)
	cases := sameCases()
	t.Logf("%d cases", len(cases))
	if len(cases) < 130 {
		t.Error("cases are missing")
	}
	t.Run("cases", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				a := newAnswering(t)
				a.say, a.end = c.answer, c.end
				ways, done := a.ways()
				defer done()
				wait := 10 * time.Second
				if c.hangs {
					wait = 300 * time.Millisecond
				}
				got := map[string]string{}
				for name, rt := range ways {
					got[name] = outcome(rt, c.method, wait)
				}
				if err := poisoned(ways["direct"]); err != nil {
					t.Errorf("the next request gets %v", err)
				}
				_, may := sameDiffers[c.name]
				if (got["direct"] != got["transport"]) != may {
					t.Errorf("differs: %v, may: %v\ndirect\n%s\nhttp.Transport\n%s", !may, may, got["direct"], got["transport"])
				}
			})
		}
	})
}

// FuzzDirectIsHTTPTransport: what TestDirectIsHTTPTransport says, for answers that nobody thought
// of.
func FuzzDirectIsHTTPTransport(f *testing.F) {
	quietLog(f)
	for _, c := range sameCases() {
		if len(c.answer) < 4<<10 {
			f.Add(c.method == "HEAD", c.answer)
		}
	}
	a := newAnswering(f)
	f.Fuzz(func(t *testing.T, head bool, answer string) {
		a.mu.Lock()
		a.say, a.end, a.seen = answer, true, nil
		a.mu.Unlock()
		method := "GET"
		if head {
			method = "HEAD"
		}
		ways, done := a.ways()
		defer done()
		got := map[string]string{}
		for name, rt := range ways {
			got[name] = outcome(rt, method, 10*time.Second)
		}
		if err := poisoned(ways["direct"]); err != nil {
			t.Errorf("the next request gets %v", err)
		}
		if got["direct"] != got["transport"] {
			t.Errorf("direct\n%s\nhttp.Transport\n%s", got["direct"], got["transport"])
		}
	})
}

// TestDirectAsksLikeHTTPTransport: the instance gets the same bytes on both ways, and requests that
// one refuses the other refuses.
func TestDirectAsksLikeHTTPTransport(t *testing.T) {
	a := newAnswering(t)
	a.say = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, change := range map[string]func(*http.Request){
		"plain":            func(*http.Request) {},
		"HEAD":             func(r *http.Request) { r.Method = "HEAD" },
		"a query":          func(r *http.Request) { r.URL.RawQuery = "a=b&c=%20d;e" },
		"a raw path":       func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b c", "/a%2fb%20c" },
		"an opaque target": func(r *http.Request) { r.URL.Opaque = "//x/y" },
		"another host":     func(r *http.Request) { r.Host = "acme.d.example:8443" },
		"a strange host":   func(r *http.Request) { r.Host = "a\r\nX: y" },
		"no user agent":    func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
		"many headers": func(r *http.Request) {
			r.Header["Cookie"], r.Header["X-B"] = []string{"a=1", "b=2"}, []string{"", " x\t"}
		},
		"odd case":           func(r *http.Request) { r.Header["x-ODD_case"] = []string{"1"} },
		"Te":                 func(r *http.Request) { r.Header["Te"] = []string{"trailers"} },
		"its own length":     func(r *http.Request) { r.Header["Content-Length"] = []string{"7"} },
		"its own encoding":   func(r *http.Request) { r.Header["Transfer-Encoding"] = []string{"chunked"} },
		"its own host":       func(r *http.Request) { r.Header["Host"] = []string{"evil"} },
		"Connection":         func(r *http.Request) { r.Header["Connection"] = []string{"close"} },
		"accepts gzip":       func(r *http.Request) { r.Header["Accept-Encoding"] = []string{"gzip"} },
		"a range":            func(r *http.Request) { r.Header["Range"] = []string{"bytes=1-2"} },
		"a name with spaces": func(r *http.Request) { r.Header["X A"] = []string{"1"} },
		"no name":            func(r *http.Request) { r.Header[""] = []string{"1"} },
		"a line feed":        func(r *http.Request) { r.Header["X"] = []string{"a\nB: c"} },
		"a NUL":              func(r *http.Request) { r.Header["X"] = []string{"a\x00"} },
		"eight bits":         func(r *http.Request) { r.Header["X"] = []string{"\xe9"} },
		"nil values":         func(r *http.Request) { r.Header["X"] = nil },
	} {
		ways, done := a.ways()
		got := map[string]string{}
		for way, rt := range ways {
			a.mu.Lock()
			a.seen = nil
			a.mu.Unlock()
			r := request(t.Context(), "GET", "http://org.1/1")
			change(r)
			res, err := rt.RoundTrip(r)
			if err != nil {
				got[way] = "fails"
				continue
			}
			_ = res.Body.Close()
			a.mu.Lock()
			got[way] = fmt.Sprintf("%q", a.seen)
			a.mu.Unlock()
		}
		done()
		if got["direct"] != got["transport"] {
			t.Errorf("%s\ndirect         %s\nhttp.Transport %s", name, got["direct"], got["transport"])
		}
	}
}
