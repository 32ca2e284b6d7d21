package external

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/provision/providertest"
	"github.com/pizzaface/pizzeria/registry"
)

// The test binary is the instance elsewhere.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "instance":
		providertest.Instance()
		return
	case len(os.Args) == 3 && os.Args[1] == "tls-instance":
		serveTLS(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	providertest.RunElsewhere(t, []string{self, "instance"},
		func(t *testing.T, addresses map[registry.OrgID]string) provision.Provider {
			p, err := New(Config{Instances: addresses, ChecksAssertions: true})
			if err != nil {
				t.Fatal(err)
			}
			return p
		})
}

func TestNew(t *testing.T) {
	const acme, globex = registry.OrgID("01a21e22-83f7-7331-a542-62bddc360249"), registry.OrgID("01a21e22-83f7-7331-a542-62bddc360250")
	for address, want := range map[string]string{
		"10.0.0.5:8080": "", "app.internal:80": "", "[fd00::5]:8080": "", "unix//run/app.sock": "",
		"http://10.0.0.5:8080":   "write a host and a port",
		"10.0.0.5":               "write a host and a port",
		":8080":                  "write a host and a port",
		"10.0.0.5:0":             "write a host and a port",
		"10.0.0.5:http":          "write a host and a port",
		"unix/app.sock":          "absolute path",
		"unix//run/../app.sock":  "absolute path",
		"169.254.169.254:80":     "no instance",
		"[fd00:ec2::254]:80":     "no instance",
		"[::ffff:a9fe:a9fe]:80":  "no instance",
		"ada@10.0.0.5:8080":      "write a host and a port",
		"10.0.0.5:8080/internal": "write a host and a port",
	} {
		_, err := New(Config{Instances: map[registry.OrgID]string{acme: address}, ChecksAssertions: true})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	for want, c := range map[string]Config{
		"say `checks_assertions`": {Instances: map[registry.OrgID]string{acme: "10.0.0.5:80"}},
		"is not the ID of an org": {Instances: map[registry.OrgID]string{"acme": "unix//run/x"}},
		"is the address of two org": {
			Instances: map[registry.OrgID]string{acme: "unix//run/x", globex: "unix//run/x"},
		},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestNotUs: an org is not led to what this server itself listens on, by port, by name or by
// socket.
func TestNotUs(t *testing.T) {
	org := registry.OrgID(registry.NewID())
	dir, err := os.MkdirTemp("/tmp", "pz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	admin, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	for _, address := range []string{"127.0.0.1:" + port, "localhost:" + port, "unix/" + admin.Addr().String()} {
		p, err := New(Config{Instances: map[registry.OrgID]string{org: address}, ChecksAssertions: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Ensure(t.Context(), provision.Spec{Ref: provision.Ref{OrgID: org, Generation: 1}})
		if !errors.Is(err, sockets.ErrPeer) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
