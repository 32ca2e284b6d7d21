package endtoend

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// heap is what the server's memory holds after a collection, in bytes.
func (s *server) heap() int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(regexp.MustCompile(`HeapAlloc = (\d+)`).FindStringSubmatch(s.adminGet("/debug/pprof/heap?gc=1&debug=1"))[1], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestFlood: hosts that are no org's, and tokens with keys that nobody has, take constant memory, make no series of metrics, and leave the
// orgs that exist reachable.
func TestFlood(t *testing.T) {
	names := scale.Of(t, "names and keys", 8000, 1_000_000)
	remembered := "cache_size " + scale.Of(t, "are remembered", "2000", "20000") // fewer than there are
	s := startWith(t, remembered, "org_gateway")
	door := freePort(t)
	if out, err := s.reload(s.caddyfile(remembered, 0) + fmt.Sprintf("http://*.%s:%d {\n\torg_gateway\n}\n", domain, door)); err != nil {
		t.Fatal(out)
	}
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	header := base64.RawURLEncoding.EncodeToString
	rng := rand.New(rand.NewPCG(2026, 11))
	var known []time.Duration
	ask := func() {
		began := time.Now()
		if a := ada.fetch("GET", s.url("acme")+"/whoami", ""); a.status != http.StatusOK {
			t.Errorf("an org that exists: %d %s", a.status, a.body)
		}
		known = append(known, time.Since(began))
	}
	p99 := func() time.Duration {
		slices.Sort(known)
		return known[len(known)*99/100]
	}
	for range 200 {
		ask()
	}
	quiet := p99()
	heap := s.heap()
	_, series := s.metric("pizzeria_org_requests_total", "")

	// Two requests with each name: an unknown host, and a token under an unknown key to a known one.
	work := make(chan [2]string, 64)
	var wg sync.WaitGroup
	for range 8 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", door))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			r := bufio.NewReader(c)
			for w := range work {
				for _, q := range []struct {
					request string
					status  int
				}{
					{fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s.%s:%d\r\n\r\n", w[0], domain, door), http.StatusNotFound},
					{fmt.Sprintf("GET / HTTP/1.1\r\nHost: acme.%s:%d\r\nAuthorization: Bearer %s\r\n\r\n", domain, door, w[1]), http.StatusUnauthorized},
				} {
					if _, err := io.WriteString(c, q.request); err != nil {
						t.Error(err)
						continue
					}
					res, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Error(err)
						continue
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode != q.status {
						t.Errorf("%.60q: %d, want %d", q.request, res.StatusCode, q.status)
					}
				}
			}
		})
	}
	began := time.Now()
	known = nil
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range names {
			kid := fmt.Sprintf("%016x", rng.Uint64())
			work <- [2]string{fmt.Sprintf("flood-%d-%s", i, kid[:8]), header([]byte(`{"alg":"ES256","typ":"pizzeria-session+jwt","kid":"`+kid+`"}`)) + "." + header([]byte(`{"sub":"x"}`)) + "." + header(make([]byte, 64))}
		}
		close(work)
		wg.Wait()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(10 * time.Millisecond):
			ask()
		}
	}
	took := time.Since(began)
	grown := s.heap() - heap
	_, after := s.metric("pizzeria_org_requests_total", "")
	if after > series+2 {
		t.Errorf("the flood made %d series", after-series)
	}
	if grown > 16<<20 {
		t.Errorf("the flood takes %d bytes of memory", grown)
	}
	scale.Keep(t, map[string]any{
		"names": names, "requests": 2 * names, "seconds": int(took.Seconds()), "heap_growth_bytes": grown, "known_p99_before_ms": float64(quiet.Microseconds()) / 1000, "known_p99_during_ms": float64(p99().Microseconds()) / 1000,
		"known_requests_during": len(known),
	})
}
