package orgredis

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// TestRestart: users are there again after a restart of Redis that lost them, with the same password.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	_, a := w.start(org, 3)
	if err := w.server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := w.users.Sweep(t.Context()); err == nil {
		t.Error("a Redis that is away is swept")
	}
	if err := w.server.Boot(); err != nil {
		t.Fatal(err)
	}
	w.server.Secured(t)
	// It may have kept an older user, with other rules.
	secret := hashed(password(w.users.key, installation, provision.Ref{OrgID: org, Generation: 3}))
	w.must(w.admin, "ACL SETUSER "+names{installation}.user(org)+" on #"+secret+" ~* allcommands")
	w.sweep()
	c := w.client(a.URL)
	w.must(c, "SET "+a.Prefix+"k v")
	w.refused(c, "KEYS *", noPermission)
}

// TestSuspended: the user of an org that is not wanted to run is off, and its keys stay.
func TestSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	c, a := w.start(org, 1)
	w.must(c, "SET "+a.Prefix+"k v")
	for _, gone := range []func(){
		func() { w.says(org, 1, registry.DesiredStopped, registry.InstanceRunning) },
		func() { w.work[org] = registry.Work{Instance: w.work[org].Instance, OrgProvider: "external"} },
		func() { delete(w.work, org) }, // a store that was restored from a backup
	} {
		gone()
		w.sweep()
		w.refused(w.client(a.URL), "PING", wrongPass)
		if !slices.Contains(w.has(), a.Prefix+"k") {
			t.Fatal("its keys are gone")
		}
		c, _ = w.start(org, 1)
		if v := w.must(c, "GET "+a.Prefix+"k"); v != "v" {
			t.Errorf("%v", v)
		}
	}
}

// TestRemovalAfterRestart: the keys of a deleted org go also when Redis has lost its user meanwhile.
func TestRemovalAfterRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org, other := newOrg(), newOrg()
	c, a := w.start(org, 1)
	o, b := w.start(other, 1)
	w.must(c, "SET "+a.Prefix+"k v")
	w.must(o, "SET "+b.Prefix+"k v")
	w.must(w.admin, "SET unrelated v")
	w.must(w.admin, "ACL DELUSER "+names{installation}.user(org))
	w.says(org, 1, registry.DesiredAbsent, registry.InstanceAbsent)
	w.users = w.process() // of another process
	w.sweep()
	left := w.has()
	if slices.ContainsFunc(left, func(n string) bool { return strings.Contains(n, string(org)) }) {
		t.Errorf("what is left: %v", left)
	}
	if !slices.Contains(left, b.Prefix+"k") || !slices.Contains(left, "unrelated") {
		t.Errorf("others lost keys: %v", left)
	}
	if orgs := w.must(w.admin, "SMEMBERS "+names{installation}.orgs()); len(orgs.([]any)) != 1 { //nolint:forcetypeassert // a set
		t.Errorf("noted: %v", orgs)
	}
}

// TestNextGeneration: a sweep while an instance is being replaced does not take its password.
func TestNextGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	c, _ := w.start(org, 1)
	w.says(org, 2, registry.DesiredRunning, registry.InstancePending)
	w.users = w.process()
	w.sweep()
	w.must(c, "PING")
	_, _, err := w.users.Ensure(t.Context(), provision.Ref{OrgID: org, Generation: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("the first generation goes on")
	}
}

// TestSocketAlone: instances are shown no directory with anything else.
func TestSocketAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, a := w.start(newOrg(), 1)
	beside := filepath.Join(filepath.Dir(a.Socket), "dump.rdb")
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.users.Ensure(t.Context(), provision.Ref{OrgID: newOrg(), Generation: 1})
	if err == nil || !strings.Contains(err.Error(), "dump.rdb") {
		t.Error(err)
	}
}

// TestMemory: an org that uses more than it may can only read and remove until it is below.
func TestMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Memory = 1 << 20 })
	org, other := newOrg(), newOrg()
	c, a := w.start(org, 1)
	o, b := w.start(other, 1)
	if err := c.Set(t.Context(), a.Prefix+"big", strings.Repeat("x", 2<<20), 0).Err(); err != nil {
		t.Fatal(err)
	}
	walk := &walk{u: w.users}
	count := func() {
		t.Helper()
		if err := walk.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	count()
	if n := w.users.o.Metrics.used[org]; n < 2<<20 || n > 3<<20 {
		t.Errorf("%d bytes", n)
	}
	for range 2 {
		for _, command := range []string{"SET %sk v", "APPEND %sbig x", "RPUSH %sl a", "XADD %sx * f v", "RENAME %sbig %sb"} {
			w.refused(c, strings.ReplaceAll(command, "%s", a.Prefix), noPermission)
		}
		w.must(c, "GET "+a.Prefix+"none")
		w.must(o, "SET "+b.Prefix+"k v")
		w.users = w.process() // which knows it as well
		w.sweep()
		walk.u = w.users
	}
	w.must(c, "DEL "+a.Prefix+"big")
	count()
	w.must(c, "SET "+a.Prefix+"k v")
	if text := w.log.String(); strings.Count(text, "refusing writes") != 1 || !strings.Contains(text, "below its limit") {
		t.Error(text)
	}
}

// TestManyKeys: one walk goes through all keys, in pieces.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	org := newOrg()
	c, a := w.start(org, 1)
	pipe := c.Pipeline()
	for range 3 * countKeys {
		pipe.Set(t.Context(), a.Prefix+registry.NewID(), "v", 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	walk := &walk{u: w.users}
	steps := 0
	for w.users.o.Metrics.used == nil {
		if err := walk.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if steps++; steps > 10 {
			t.Fatal("the walk does not end")
		}
	}
	if steps < 2 {
		t.Errorf("all keys in %d steps", steps)
	}
	if n := w.users.o.Metrics.used[org]; n < 3*countKeys*50 {
		t.Errorf("%d bytes", n)
	}
	w.says(org, 1, registry.DesiredAbsent, registry.InstanceAbsent)
	w.sweep()
	if left := w.has(); len(left) > 0 {
		t.Errorf("%d are left", len(left))
	}
}
