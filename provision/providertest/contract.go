package providertest

import (
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/provision"
)

// sparesOtherInstallations: what another installation runs in the same place is neither seen as
// one's own, nor adopted, nor stopped; what it has left behind is in nobody's way.
func sparesOtherInstallations(e *env) {
	org, other := e.org(), e.elsewhere()
	first := e.boot(e.ensure(org, 2))
	ref := provision.Ref{OrgID: org, Generation: 2}
	if o, err := other.Observe(ctx, ref); err == nil && o.Running {
		e.Errorf("another installation sees it as its own: %+v", o)
	}
	seen, err := other.List(ctx)
	if err != nil {
		e.Fatal(err)
	}
	for _, s := range seen {
		if s.OrgID == org && s.Foreign == "" {
			e.Errorf("another installation lists it as its own: %+v", s)
		}
	}
	for _, generation := range []int64{2, 3} {
		_ = other.Stop(ctx, org, generation) // an error where two would share data
	}
	o, err := other.Ensure(ctx, spec(org, 2))
	if err == nil && e.boot(o).ID == first.ID {
		e.Errorf("another installation adopted it: %+v", o)
	}
	if e.boot(e.ensure(org, 2)).ID != first.ID {
		e.Error("another installation touched it")
	}
	e.stop(org, 2)
	if _, err := other.Ensure(ctx, spec(org, 2)); err != nil {
		e.Errorf("after its end: %v", err)
	}
	if err := other.Stop(ctx, org, 2); err != nil {
		e.Error(err)
	}
}

// keepsItsConfiguration: an instance that runs says what it was started with, whatever the
// configuration is now.
func keepsItsConfiguration(e *env) {
	org := e.org()
	now := func(configuration string) (ensured, observed string) {
		s := spec(org, 1)
		s.Configuration = configuration
		o, err := e.p.Ensure(ctx, s)
		if err != nil {
			e.Fatal(err)
		}
		e.p = e.again() // as after a restart
		seen, err := e.p.Observe(ctx, s.Ref)
		if err != nil {
			e.Fatal(err)
		}
		return o.Configuration, seen.Configuration
	}
	for _, step := range [][2]string{{"first", "first"}, {"second", "first"}} {
		if ensured, observed := now(step[0]); ensured != step[1] || observed != step[1] {
			e.Errorf("after Ensure with the %s: %q, and observed %q", step[0], ensured, observed)
		}
	}
	e.stop(org, 1)
	if ensured, observed := now("second"); ensured != "second" || observed != "second" {
		e.Errorf("started again: %q, and observed %q", ensured, observed)
	}
}

// showsKeys: an instance reads the keys of assertions, also once the file was replaced.
func showsKeys(e *env) {
	s := spec(e.org(), 1)
	s.Keys = e.TempDir()
	write := func(keys string) {
		e.Helper()
		next := filepath.Join(e.TempDir(), "next")
		if err := os.WriteFile(next, []byte(keys), 0o644); err != nil { //nolint:gosec // public keys
			e.Fatal(err)
		}
		if err := os.Rename(next, filepath.Join(s.Keys, provision.KeysFile)); err != nil {
			e.Fatal(err)
		}
	}
	if err := os.Chmod(s.Keys, 0o755); err != nil { //nolint:gosec // public keys
		e.Fatal(err)
	}
	write("first")
	s.Env["PIZZERIA_JWKS_FILE"] = "elsewhere" // where it is, is for the provider to say
	o, err := e.p.Ensure(ctx, s)
	if err != nil {
		e.Fatal(err)
	}
	for _, keys := range []string{"first", "second"} {
		write(keys)
		if got := e.call(o, "GET", "/keys", ""); got != keys {
			e.Errorf("it reads %q, and the file holds %q", got, keys)
		}
	}
}
