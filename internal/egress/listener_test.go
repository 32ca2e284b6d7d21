package egress

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBounds: an instance has so many connections, and a server that it asks so much of a header, and
// neither fills the proxy's log.
func TestBounds(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(os.Stderr)
	target := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/header":
			w.Header().Set("Large", strings.Repeat("x", 2*maxHeader))
		case "/cut":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	target.Start()
	defer target.Close()
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "proxy.sock")
	go func() { _ = Listen(socket, []string{"127.0.0.0/8"}) }()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	ask := func(path string) (status int, err error) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return 0, err
		}
		open = append(open, c)
		if _, err := fmt.Fprintf(c, "GET %s%s HTTP/1.1\r\nHost: x\r\n\r\n", target.URL, path); err != nil {
			return 0, err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Body.Close()
	}
	eventually := func(what, path string, want int) {
		t.Helper()
		for range 800 {
			if status, err := ask(path); err == nil && status == want {
				return
			}
			time.Sleep(5 * time.Millisecond) // others take their time
		}
		t.Fatal(what)
	}
	eventually("it does not serve", "/", http.StatusOK)
	if status, err := ask("/header"); err != nil || status != http.StatusBadGateway {
		t.Errorf("a large header: %d %v", status, err)
	}
	_, _ = ask("/cut")
	for len(open) < maxConnections+10 { // some have ended
		_, _ = ask("/")
	}
	if status, err := ask("/"); err == nil {
		t.Errorf("one more than there are places for: %d", status)
	}
	for _, c := range open {
		_ = c.Close()
	}
	open = nil
	eventually("it does not serve again", "/", http.StatusOK)
	if logged.Len() > 0 {
		t.Errorf("it logs %s", logged.String())
	}
}
