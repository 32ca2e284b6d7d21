package guard

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// clients are the cases that the benchmarks compare.
var clients = []struct {
	name     string
	guarded  bool
	signedIn bool
}{{name: "Plain"}, {name: "Stranger", guarded: true}, {name: "SignedIn", guarded: true, signedIn: true}}

// browser is what a browser sends with each request.
func browser() http.Header {
	return http.Header{
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"}, "Accept-Language": {"en-US,en;q=0.5"},
		"Cookie":         {"__Host-pizzeria-org=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln; theme=dark; app=1"},
		"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"none"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
	}
}

var hello = []byte("hello")

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkHandler is what the guard adds to each request.
func BenchmarkHandler(b *testing.B) {
	for _, c := range clients {
		b.Run(c.name, func(b *testing.B) {
			g := New(Defaults())
			defer g.Close()
			var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.signedIn {
					SignedIn(r.Context())
				}
				_, _ = w.Write(hello)
			})
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
			r.Header = browser()
			if c.guarded {
				h = g.Handler(h)
				conn, _ := g.Connect(netip.MustParseAddr("192.0.2.1"), func() error { return nil })
				defer conn.Closed()
				r = r.WithContext(context.WithValue(r.Context(), connKey{}, carrier(conn)))
			}
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkServer is a whole request, client and server, on a connection that stays open.
func BenchmarkServer(b *testing.B) {
	for _, proto := range []string{"http/1.1", "h2"} {
		for _, c := range clients {
			b.Run(proto+"/"+c.name, func(b *testing.B) {
				g := New(Defaults())
				defer g.Close()
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.signedIn {
						SignedIn(r.Context())
					}
					_, _ = w.Write(hello)
				}))
				s.EnableHTTP2 = proto == "h2"
				if c.guarded {
					s.Listener = g.Listener(s.Listener)
					gs := g.Server(0)
					s.Config.ConnContext, s.Config.ConnState = gs.ConnContext, gs.ConnState
				}
				s.StartTLS()
				defer s.Close()
				t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // a server of the test's own
				defer t.CloseIdleConnections()
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.URL, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.Header = browser()
				b.ReportAllocs()
				for b.Loop() {
					res, err := t.RoundTrip(r)
					if err != nil || res.StatusCode != http.StatusOK {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
		}
	}
}
