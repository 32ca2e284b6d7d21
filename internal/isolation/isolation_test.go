package isolation_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/isolation"
)

func verifies(key *ecdsa.PublicKey, text string, sig []byte) bool {
	sum := sha256.Sum256([]byte(text))
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]),
		new(big.Int).SetBytes(sig[32:]))
}

// broken says which checks find out that a control is missing, by the first words of the threat.
var broken = map[string][]string{
	"audiences":   {"a token of one org"},
	"token types": nil, // the audience differs as well
	"API tokens":  {"a token of one org", "another org's management"},
	"authentication": {"a token of one org", "nobody", "altered",
		"identity and forwarding", "a WebSocket", "cookies", "requests forged", "sign-in",
		"a session that goes on"},
	"made-up identity headers":       {"nobody"},
	"signatures":                     {"altered"},
	"pinned algorithms":              {"altered"},
	"stripping of bearers":           {"what a person", "identity and forwarding"},
	"stripping of cookies":           {"what a person"},
	"hop-by-hop options":             {"Connection"},
	"aliases":                        {"identity and forwarding"},
	"forwarding headers":             {"identity and forwarding"},
	"links of our own":               {"identity and forwarding"},
	"methods":                        {"another protocol"},
	"upgrades":                       {"another protocol"},
	"origins of WebSockets":          {"a WebSocket"},
	"repeated cookies":               {"cookies"},
	"cookie names":                   {"cookies"},
	"bytes of cookie names":          {"cookies", "what a person"},
	"stripping of odd cookies":       {"what a person"},
	"request targets":                {"request targets"},
	"room for tossed cookies":        {"cookies"},
	"__Host- cookies":                {"cookies"},
	"forged requests":                {"requests forged"},
	"embedded requests":              {"requests forged"},
	"the console's forged requests":  {"requests forged"},
	"exact redirects":                {"sign-in"},
	"bound clients":                  {"sign-in"},
	"sign-in attempts":               {"sign-in"},
	"server names":                   {"hosts that are confused"},
	"canonical hosts":                {"hosts that are confused"},
	"spellings of the reserved path": {"the reserved path"},
	"unknown orgs":                   {"hosts that do not exist"},
	"silence about other orgs":       {"another org's management"},
	"revocation":                     {"a session that goes on"},
}

// TestFindsWhatIsMissing: against a gateway without a control the checks that are about it say so,
// and no other does.
// Every check has a control without which it fails.
func TestFindsWhatIsMissing(t *testing.T) {
	found := map[string]bool{}
	for lacks, want := range broken {
		_, target := newGate(t, lacks)
		results, err := isolation.Run(t.Context(), target)
		if err != nil {
			t.Errorf("without %s: %v", lacks, err)
			continue
		}
		for _, r := range results {
			expected := slices.ContainsFunc(want,
				func(s string) bool { return strings.HasPrefix(r.Threat, s) })
			if (r.Outcome == isolation.Broken) != expected || r.Outcome == isolation.NotChecked {
				t.Errorf("without %s: %s %s: %s", lacks, r.Threat, r.Outcome, r.Detail)
			}
			found[r.Threat] = found[r.Threat] || r.Outcome == isolation.Broken
		}
	}
	for threat := range maps.Keys(found) {
		if !found[threat] {
			t.Errorf("nothing makes this check fail: %s", threat)
		}
	}
}

// TestHolds: with every control every check holds, and has sent something.
func TestHolds(t *testing.T) {
	g, target := newGate(t, "")
	results, err := isolation.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]bool{}
	for _, r := range results {
		if r.Outcome != isolation.Held || r.Tries == 0 || r.Detail != "" {
			t.Errorf("%+v", r)
		}
		for _, n := range r.Rows {
			rows[n] = true
		}
	}
	if n := (isolation.Report{Results: results}).Broken(); n != 0 || len(results) < 16 ||
		len(rows) < 15 {
		t.Errorf("%d broken of %d, rows %v", n, len(results), rows)
	}
	g.revoked.Store(false)
	target.Revoke = func(context.Context) error { return errors.New("the server is away") }
	results, err = isolation.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if r := results[len(results)-1]; r.Outcome != isolation.Broken ||
		r.Detail != "the server is away" || (isolation.Report{Results: results}).Broken() != 1 {
		t.Errorf("%+v", r)
	}
}

// TestNotChecked: what can be seen only in an app that shows its headers is not said to hold
// without one.
func TestNotChecked(t *testing.T) {
	_, target := newGate(t, "the app's mirror")
	results, err := isolation.Run(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	not := 0
	for _, r := range results {
		if r.Outcome == isolation.NotChecked {
			not++
			if !strings.Contains(r.Detail, "--mirror") {
				t.Errorf("%+v", r)
			}
		}
	}
	if not != 2 {
		t.Errorf("%d checks were not made", not)
	}
}

// TestHangingUpRefuses: a server that ends the connection has refused, however much of the request it
// had read.
func TestHangingUpRefuses(t *testing.T) {
	g, target := newGate(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert := g.certificate()
	known, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	target.Roots = x509.NewCertPool()
	target.Roots.AddCert(known)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}) //nolint:gosec // of the test
			_, _ = s.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0) // a reset
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	target.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	r, err := isolation.Run(t.Context(), target)
	if err == nil || !strings.Contains(err.Error(), "refuses its own runner") || r != nil {
		t.Errorf("%v %v", r, err)
	}
}

// TestCannotBegin: where the canaries are not let in themselves, or nothing answers, there is no
// report.
func TestCannotBegin(t *testing.T) {
	g, target := newGate(t, "")
	g.revoked.Store(true)
	if r, err := isolation.Run(t.Context(), target); err == nil || !strings.Contains(err.Error(),
		"refuses its own runner") || r != nil {
		t.Errorf("%v %v", r, err)
	}
	g.revoked.Store(false)
	for what, change := range map[string]func(*isolation.Target){
		"an issuer that is no URL": func(t *isolation.Target) { t.Issuer = "%zz" },
		"nothing that answers": func(t *isolation.Target) {
			t.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil,
					errors.New("refused")
			}
		},
		"an authority that is not trusted": func(t *isolation.Target) { t.Roots = nil },
	} {
		bad := target
		change(&bad)
		if r, err := isolation.Run(t.Context(), bad); err == nil || r != nil {
			t.Errorf("%s: %v", what, r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	target.Revoke = func(context.Context) error { return nil }
	cancel()
	if _, err := isolation.Run(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: %v", err)
	}
}
