package control

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
)

// TestAuditHeadLeaves: the log's newest entry is logged at the start and when it moved, and is a
// metric with one series of its hash.
func TestAuditHeadLeaves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	store, err := sqlite.Open(t.Context(), path, new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var out bytes.Buffer
	c := &Control{store: store, Config: Config{
		DataDir: filepath.Dir(path), Log: slog.New(slog.NewJSONHandler(&out, nil)),
	}}
	logged := func() (heads []registry.AuditHead) {
		t.Helper()
		for line := range strings.Lines(out.String()) {
			var l struct {
				Msg string
				registry.AuditHead
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil ||
				l.Msg != registry.AuditHeadLog {
				t.Fatalf("%s: %v", line, err)
			}
			heads = append(heads, l.AuditHead)
		}
		return heads
	}
	org := func(slug string) registry.AuditHead {
		t.Helper()
		if _, err := store.CreateOrg(t.Context(), registry.AsOperator(), registry.NewOrg{Slug: slug}); err != nil {
			t.Fatal(err)
		}
		h, err := store.AuditHead(t.Context(), registry.AsOperator())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	scraped := func() map[string]string {
		t.Helper()
		series := map[string]string{}
		c.collectAudit(t.Context(), func(d *prometheus.Desc, v float64, labels ...string) {
			name, _, _ := strings.Cut(strings.TrimPrefix(d.String(), `Desc{fqName: "`), `"`)
			series[name+strings.Join(labels, ":")] = strconv.FormatFloat(v, 'g', -1, 64)
		})
		return series
	}
	note := func(first bool) {
		t.Helper()
		if err := c.noteAuditHead(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	one := org("one")
	note(true)
	note(false)
	two := org("two")
	want := map[string]string{
		"pizzeria_audit_head_seq": "2", "pizzeria_audit_head_valid": "1",
		"pizzeria_audit_head_info" + one.String(): "1",
	}
	if got := scraped(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	note(false)
	note(false)
	if got := scraped(); len(got) != 3 || got["pizzeria_audit_head_info"+two.String()] != "1" {
		t.Errorf("%v", got)
	}
	note(true) // a restart
	if got := logged(); !slices.Equal(got, []registry.AuditHead{one, two, two}) {
		t.Errorf("%v", got)
	}
	if err := c.Backup(t.Context(), new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	if got := logged(); len(got) != 4 || got[3] != two {
		t.Errorf("%v", got)
	}
}
