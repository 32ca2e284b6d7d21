package shared_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/internal/redistest"
	"github.com/pizzaface/pizzeria/internal/shared"
)

func otherKey(t *testing.T) *identity.MasterKey {
	t.Helper()
	k, err := identity.ParseMasterKey(strings.Repeat("A", 42) + "E=")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// asked is how many commands requests have sent.
func (n *node) asked() uint64 {
	n.Helper()
	var m dto.Metric
	if err := n.metrics.Collectors()[2].(prometheus.Histogram).Write(&m); err != nil {
		n.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount()
}

// TestAway: whatever is wrong with Redis, it is not asked until it is right again.
func TestAway(t *testing.T) {
	for name, c := range map[string]struct {
		breaks, mends func(context.Context, *redistest.Server) error
	}{
		"killed": {
			func(_ context.Context, s *redistest.Server) error { return s.Kill() },
			func(_ context.Context, s *redistest.Server) error { return s.Boot() },
		},
		"stalled": {
			func(_ context.Context, s *redistest.Server) error { return s.Stall() },
			func(_ context.Context, s *redistest.Server) error { return s.Wake() },
		},
		"full": {
			func(ctx context.Context, s *redistest.Server) error {
				return s.Do(ctx, "CONFIG", "SET", "maxmemory", "1")
			},
			func(ctx context.Context, s *redistest.Server) error {
				return s.Do(ctx, "CONFIG", "SET", "maxmemory", "0")
			},
		},
		"read-only": {
			func(ctx context.Context, s *redistest.Server) error { return s.Do(ctx, "REPLICAOF", "127.0.0.1", "1") },
			func(ctx context.Context, s *redistest.Server) error { return s.Do(ctx, "REPLICAOF", "NO", "ONE") },
		},
		"no permission": {
			func(ctx context.Context, s *redistest.Server) error {
				return s.Do(ctx, "ACL", "SETUSER", "default", "-set")
			},
			func(ctx context.Context, s *redistest.Server) error {
				return s.Do(ctx, "ACL", "SETUSER", "default", "+set")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			n := newNode(t, &shared.Config{URL: s.URL()}, new(identity.MasterKey))
			n.answers(true)
			up := n.metrics.Collectors()[0]
			if v := testutil.ToFloat64(up); v != 1 || n.Away() {
				t.Errorf("up is %v, away %v", v, n.Away())
			}
			if err := c.breaks(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			n.eventually("seen", func() bool { return testutil.ToFloat64(up) == 0 })
			n.answers(false)
			asked := n.asked()
			for range 10 {
				if _, err := n.Limiter().Take(t.Context(), []identity.Bucket{bucket(minute(3), "x")}); err == nil {
					t.Error("it was taken")
				}
			}
			if n.asked() != asked {
				t.Error("requests ask a Redis that is away")
			}
			if skipped := testutil.ToFloat64(n.metrics.Collectors()[3]); skipped < 10 || !n.Away() {
				t.Errorf("%v of 10 were skipped, away %v", skipped, n.Away())
			}
			lines := strings.Count(n.log.String(), "Redis is away")
			before := testutil.ToFloat64(n.metrics.Collectors()[1])
			n.eventually("asked again", func() bool { return testutil.ToFloat64(n.metrics.Collectors()[1]) > before+1 })
			if got := strings.Count(n.log.String(), "Redis is away"); got != lines || lines == 0 {
				t.Errorf("%d lines, then %d: %s", lines, got, n.log.String())
			}
			if err := c.mends(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			n.answers(true)
			if got := strings.Count(n.log.String(), "Redis is there"); got < 2 {
				t.Errorf("%d times back: %s", got, n.log.String())
			}
		})
	}
}

// TestFollowsTheConfiguration: another server counts as soon as it is configured, and none where none is.
func TestFollowsTheConfiguration(t *testing.T) {
	a, b := redistest.Start(t), redistest.Start(t)
	n := newNode(t, nil, new(identity.MasterKey))
	if n.Limiter() != nil {
		t.Error("a limiter without Redis")
	}
	stage := []identity.Bucket{bucket(minute(3), "x")}
	n.config.Store(&shared.Config{URL: a.URL()})
	n.answers(true)
	if passed := n.taken(2, stage); passed != 2 {
		t.Errorf("%d passed", passed)
	}
	n.config.Store(&shared.Config{URL: b.URL()})
	n.eventually("at the other one", func() bool {
		left, err := n.Limiter().Left(t.Context(), stage[0])
		return err == nil && left == 3
	})
	n.config.Store(&shared.Config{URL: "rediss://localhost", CAFile: filepath.Join(t.TempDir(), "gone")})
	n.eventually("refused", func() bool { return strings.Contains(n.log.String(), "Redis cannot be used") })
	n.answers(false)
	n.config.Store(&shared.Config{URL: a.URL()})
	n.answers(true)
	n.left(1, stage[0])
	n.config.Store(nil)
	if n.Limiter() != nil {
		t.Error("a limiter without Redis")
	}
}

// TestCheck: what is wrong is said, and no password is.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		config shared.Config
		want   string
	}{
		{shared.Config{}, "name the url"},
		{shared.Config{URL: "http://x:secret@y"}, "the url is not valid"},
		{shared.Config{URL: "redis://x:secret@y:port"}, "the url is not valid"},
		{shared.Config{URL: "redis://x:secret@y", Mode: "ring"}, `unknown mode "ring"`},
		{shared.Config{URL: "redis://x:secret@y", Mode: shared.Sentinel}, "master_name"},
		{shared.Config{URL: "redis://x:secret@y", CAFile: "testdata/none.pem"}, "ca_file"},
		{shared.Config{URL: "rediss://x:secret@y", CAFile: "limiter_test.go"}, "ca_file"},
		{shared.Config{URL: "rediss://x:secret@y"}, ""},
		{shared.Config{URL: "redis://x:secret@y?master_name=m&addr=z:26379", Mode: shared.Sentinel}, ""},
		{shared.Config{URL: "redis://x:secret@y:7000?addr=z:7001", Mode: shared.Cluster}, ""},
	} {
		err := c.config.Check()
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%v", err)
		}
	}
}

// TestNone: where no Redis is configured, none is away.
func TestNone(t *testing.T) {
	if n := newNode(t, nil, new(identity.MasterKey)); n.Away() || n.Limiter() != nil {
		t.Error("there is a Redis")
	}
}
