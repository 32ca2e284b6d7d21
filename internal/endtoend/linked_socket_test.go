package endtoend

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestLinkedSocket: an instance that puts a link to another socket in place of its own leads nothing
// there that its members send, and no health check, in any way that the gateway asks instances.
func TestLinkedSocket(t *testing.T) {
	for name, orgs := range map[string]string{
		"direct":    "org_gateway",
		"transport": ways("direct off"),
		"h2c":       ways("versions h2c"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, "health_interval 100ms", orgs)
			ada := s.admin()
			s.org(ada, "acme")
			sockets, err := filepath.Glob(filepath.Join(s.dir, "data/run/*/app.sock"))
			if err != nil || len(sockets) != 1 {
				t.Fatalf("%v %v", sockets, err)
			}
			others := filepath.Join(s.dir, "others.sock")
			l, err := net.Listen("unix", others)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			var reached atomic.Int64
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					reached.Add(1)
					_ = c.Close()
				}
			}()
			if err := os.Remove(sockets[0]); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(others, sockets[0]); err != nil {
				t.Fatal(err)
			}
			if a := ada.open(s.url("acme") + "/whoami"); a.status != http.StatusBadGateway {
				t.Errorf("acme answers %d %s", a.status, a.body)
			}
			s.eventually("the health checks miss it", func() bool {
				return ada.instance("acme").State == "degraded"
			})
			if n := reached.Load(); n != 0 {
				t.Errorf("%d connections reach the other socket", n)
			}
		})
	}
}

// ways is a route to instances with an option of the transport.
func ways(option string) string {
	return "route {\norg\norg_auth\nreverse_proxy {\ndynamic org\ntransport org {\n" + option + "\n}\n}\n}"
}
