package endtoend

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pizzaface/pizzeria/internal/endtoend/scale"
)

// TestSocketActivation: with the sockets held by somebody else, as in
// examples/systemd, reloads and restarts of the server fail no connection, and
// no instance gets hold of the front door.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../examples/systemd/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, root: ours.pool(), out: &lockedBuffer{}}
	ours.give(t, filepath.Join(dir, "data"))
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = door.Addr().(*net.TCPAddr).Port
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	doors := map[string]bool{} // before they are handed over: Fd makes a socket block, also for who has it by then
	for _, l := range []interface{ File() (*os.File, error) }{door.(*net.TCPListener), plain.(*net.TCPListener)} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		s.files = append(s.files, f)
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		doors[link] = true
	}
	t.Cleanup(func() {
		_, _ = s.cli("", "down")
		if s.cmd != nil && s.cmd.ProcessState == nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("server output:\n%s", tail(s.out.String(), 6000))
		}
		_ = os.RemoveAll(dir)
	})
	s.write(strings.NewReplacer(
		"\tdrain\n", "\tdrain 3s\n", // a handshake may take longer than the usual second where tests share two cores
		"/var/lib/pizzeria/data", filepath.Join(dir, "data"), "pizzapi.example.com {", fmt.Sprintf("%s:%d {", domain, s.port), "*.pizzapi.example.com {", fmt.Sprintf("*.%s:%d {", domain, s.port),
		"domain pizzapi.example.com", fmt.Sprintf("domain %s\n\t\tissuer https://%s:%d", domain, domain, s.port), "grace_period 20s", "grace_period 20s\n\tskip_install_trust\n\tlocal_certs",
	).Replace(string(example)))
	s.run()
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")

	reloads := scale.Of(t, "reloads", 5, 100)
	l := s.startLoad(ada, true, "acme")
	done := 0
	for ; done < reloads || !l.enough(); done++ {
		if out, err := s.cli("", "reload", "--config", "Caddyfile", "--force"); err != nil {
			t.Errorf("reload %d: %s", done, out)
		}
	}
	result := l.stop()

	var connections, failed atomic.Int64
	end := make(chan struct{})
	var wg sync.WaitGroup
	for _, protocol := range []string{"http/1.1", "http/1.1", "h2", "h2"} {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				tr := s.transport()
				tr.DisableKeepAlives, tr.ForceAttemptHTTP2 = true, protocol == "h2"
				if protocol != "h2" {
					tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
				}
				res, err := (&http.Client{Transport: tr, Timeout: patience}).Get(s.url("acme") + "/.pizzeria/session")
				connections.Add(1)
				if err != nil || res.StatusCode != http.StatusUnauthorized {
					failed.Add(1)
					t.Errorf("%s: %v", protocol, err)
				}
				if err == nil {
					_ = res.Body.Close()
				}
				tr.CloseIdleConnections()
			}
		})
	}
	restarts := scale.Of(t, "restarts", 3, 20)
	restarted := 0
	for ; restarted < restarts || connections.Load() < 8 && !t.Failed(); restarted++ {
		s.stop()
		s.run()
	}
	close(end)
	wg.Wait()
	result["reloads"], result["restarts"], result["connections_over_restarts"], result["failed_over_restarts"] = done, restarted, connections.Load(), failed.Load()
	scale.Keep(t, result)

	// No process of an instance holds a socket of the front door.
	pids := s.processes(filepath.Join(dir, "data"))
	if len(pids) < 2 { // the shim and its instance
		t.Fatalf("processes: %v", pids)
	}
	for _, pid := range pids {
		fds, err := filepath.Glob("/proc/" + pid + "/fd/*")
		if err != nil || len(fds) == 0 {
			t.Fatalf("%s: %v", pid, err)
		}
		for _, fd := range fds {
			if link, _ := os.Readlink(fd); doors[link] {
				t.Errorf("process %s of an instance holds %s, a socket of the front door", pid, link)
			}
		}
	}
	res, err := (&http.Client{CheckRedirect: s.anonymous().CheckRedirect}).Get(fmt.Sprintf("http://%s/x", plain.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMovedPermanently {
		t.Errorf("plain HTTP: %d", res.StatusCode)
	}
}
