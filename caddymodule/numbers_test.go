package caddymodule

import (
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestNumbersInJSON: what a Caddyfile refuses, JSON does not bring in.
func TestNumbersInJSON(t *testing.T) {
	for _, o := range []OrgLimit{
		{Rate: 1e300}, {Rate: 1e-300}, {Rate: -1}, {Rate: 1, Burst: 1 << 62}, {Rate: 1, Burst: -1}, {Concurrency: -1}, {Body: -1},
	} {
		if err := o.Validate(); err == nil {
			t.Errorf("%+v is a limit", o)
		}
	}
	if err := (&OrgLimit{Rate: 0.5, Burst: 10}).Validate(); err != nil {
		t.Error(err)
	}
	if _, err := (&Process{Grace: -1}).NewProvider(t.TempDir()); err == nil {
		t.Error("a grace below zero")
	}
	if err := (&Drain{Wait: -1}).Provision(caddy.Context{}); err == nil {
		t.Error("a wait below zero")
	}
	for _, a := range []App{{OfflineGrace: -1}, {AuditKeep: -1}, {CacheSize: -1}, {Limits: &Limits{Requests: -1}}} {
		if err := a.checkBounds(); err == nil {
			t.Errorf("%+v", &a)
		}
	}
}
