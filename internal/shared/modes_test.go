package shared_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/shared"
)

// certificate writes one for 127.0.0.1 that signed itself, with its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestTLS: by TLS, as a user who may use only what the guide says, and with no other certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guide/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rights, _ := strings.Cut(string(guide), "ACL SETUSER ")
	rights, _, ok := strings.Cut(rights, "`")
	if !ok {
		t.Fatal("the guide has no ACL SETUSER")
	}
	cert, key := certificate(t)
	port := redistest.FreePort(t)
	s := redistest.Start(t, "--bind", "127.0.0.1", "--tls-port", strconv.Itoa(port), "--tls-cert-file", cert,
		"--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	command := []any{"ACL", "SETUSER"}
	for _, word := range strings.Fields(rights) {
		command = append(command, word)
	}
	if err := s.Do(t.Context(), command...); err != nil {
		t.Fatal(err)
	}
	at := "127.0.0.1:" + strconv.Itoa(port)
	url := "rediss://pizzeria:password@" + at
	var heard ear
	n := newListener(t, &shared.Config{URL: url, CAFile: cert}, new(identity.MasterKey), heard.hear)
	n.answers(true)
	heard.hears(n, 1)
	stage := []identity.Bucket{bucket(minute(3), "x")}
	if passed := n.taken(4, stage); passed != 3 {
		t.Errorf("%d passed", passed)
	}
	if err := n.Limiter().Give(t.Context(), stage); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]shared.Config{
		"certificate": {URL: url}, "invalid username-password": {URL: "rediss://pizzeria:wrong@" + at, CAFile: cert},
		"NOAUTH": {URL: "rediss://" + at, CAFile: cert},
	} {
		if what == "NOAUTH" {
			if err := s.Do(t.Context(), "ACL", "SETUSER", "default", "off"); err != nil {
				t.Fatal(err)
			}
		}
		refused := newNode(t, &c, new(identity.MasterKey))
		refused.eventually("refused: "+what, func() bool { return strings.Contains(refused.log.String(), what) })
		refused.answers(false)
	}
}

// TestSentinel: after a failover the limits go on, at the server that is first now.
func TestSentinel(t *testing.T) {
	t.Parallel()
	first := redistest.Listen(t)
	host, port, err := net.SplitHostPort(first.Addr())
	if err != nil {
		t.Fatal(err)
	}
	second := redistest.Listen(t, "--replicaof", host, port)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(file, []byte("sentinel monitor main "+host+" "+port+" 1\n"+
		"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := redistest.Sentinel(t, file)
	var heard ear
	n := newListener(t, &shared.Config{URL: "redis://" + sentinel.Addr() + "?master_name=main", Mode: shared.Sentinel}, new(identity.MasterKey), heard.hear)
	n.answers(true)
	heard.hears(n, 1)
	stage := []identity.Bucket{bucket(minute(3), "x")}
	if passed := n.taken(2, stage); passed != 2 {
		t.Errorf("%d passed", passed)
	}
	if err := first.Do(t.Context(), "WAIT", 1, 10_000); err != nil {
		t.Fatal(err)
	}
	n.eventually("Sentinel knows both", func() bool {
		list, err := sentinel.Ask(t.Context(), "SENTINEL", "REPLICAS", "main")
		return err == nil && len(list.([]any)) == 1
	})
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	n.answers(false)
	n.answers(true)
	if passed := n.taken(3, stage); passed != 1 {
		t.Errorf("%d of 3 passed at the second, want 1", passed)
	}
	heard.hears(n, 2)
	role, err := second.Ask(t.Context(), "ROLE")
	if err != nil || role.([]any)[0] != "master" {
		t.Errorf("%v %v", role, err)
	}
}

// TestCluster: the limits work in a cluster, whichever node is named.
func TestCluster(t *testing.T) {
	t.Parallel()
	var nodes []*redistest.Server
	for i := range 3 {
		s := redistest.Listen(t, "--cluster-enabled", "yes")
		nodes = append(nodes, s)
		if err := s.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", i*5461, min((i+1)*5461-1, 16383)+i/2); err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(nodes[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := s.Do(t.Context(), "CLUSTER", "MEET", host, port); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all []*node
	ears := make([]ear, len(nodes))
	for i, s := range nodes {
		at := &shared.Config{URL: "redis://" + s.Addr(), Mode: shared.Cluster}
		all = append(all, newListener(t, at, new(identity.MasterKey), ears[i].hear))
	}
	first, then := []identity.Bucket{bucket(minute(9), "network")}, []identity.Bucket{bucket(minute(20), "all"), bucket(minute(7), "account")}
	passed := 0
	for _, n := range all {
		n.answers(true)
		passed += n.taken(3, first, then)
	}
	if passed != 7 {
		t.Errorf("%d passed, want 7", passed)
	}
	for i := range ears {
		ears[i].hears(all[(i+1)%len(all)], int64(i+1))
	}
	// The node that has the limits is lost, and the other two answer: nobody asks for limits any more.
	for i, s := range nodes {
		slot, err := s.Ask(t.Context(), "CLUSTER", "KEYSLOT", "{limits}")
		if err != nil {
			t.Fatal(err)
		}
		if n := slot.(int64); n < int64(i*5461) || n >= int64((i+1)*5461+i/2) {
			continue
		}
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		break
	}
	for _, n := range all {
		n.answers(false)
		lines := strings.Count(n.log.String(), "Redis is there")
		failed := testutil.ToFloat64(n.metrics.Collectors()[1])
		n.eventually("asked in the background", func() bool { return testutil.ToFloat64(n.metrics.Collectors()[1]) > failed+1 })
		if got := strings.Count(n.log.String(), "Redis is there"); got != lines {
			t.Errorf("it is said to be there: %s", n.log.String())
		}
	}
}
