package settings_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

var schema = registry.Schema{Fields: []registry.Field{
	{Name: "KEY", Type: registry.FieldSecret},
	{Name: "URL", Type: registry.FieldURL},
	{Name: "MAIL", Type: registry.FieldEmail},
	{Name: "LIMIT", Type: registry.FieldNumber, Default: "10"},
	{Name: "BETA", Type: registry.FieldBool, Default: "false"},
	{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", "m"}, Default: "s"},
	{Name: "NOTE", Type: registry.FieldText},
}, Allow: []string{"APP_*"}}

type fixture struct {
	*controltest.Server
	org   registry.Org
	owner registry.User
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := controltest.New(t)
	s.Schema = schema
	owner := s.User("owner@example.com", false)
	return &fixture{s, s.Org("acme", owner), owner}
}

// pairs makes settings of names and values; "nil" unsets one.
func pairs(list ...string) map[string]*string {
	m := map[string]*string{}
	for i := 0; i+1 < len(list); i += 2 {
		if m[list[i]] = &list[i+1]; list[i+1] == "nil" {
			m[list[i]] = nil
		}
	}
	return m
}

func (f *fixture) set(values, secrets map[string]*string) error {
	return f.Settings.Set(f.Context(), registry.AsOperator(), f.org.ID, "", values, secrets)
}

func (f *fixture) environment() map[string]string {
	f.Helper()
	env, secrets, err := f.Settings.Environment(f.Context(), f.org.ID)
	if err != nil {
		f.Fatal(err)
	}
	for name, v := range f.list() { // they are named, so that no log shows them
		if _, set := env[name]; set && slices.Contains(secrets, name) != v.Secret {
			f.Errorf("%s is among the secrets: %v", name, !v.Secret)
		}
	}
	return env
}

func (f *fixture) list() map[string]registry.Setting {
	f.Helper()
	list, err := f.Store.Settings(f.Context(), registry.AsOperator(), f.org.ID)
	if err != nil {
		f.Fatal(err)
	}
	m := map[string]registry.Setting{}
	for _, v := range list {
		m[v.Name] = v
	}
	return m
}

// TestTypes: what is kept is what the field's type makes of it.
func TestTypes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got := f.environment(); fmt.Sprint(got) != "map[BETA:false LIMIT:10 SIZE:s]" {
		t.Errorf("without settings: %v", got)
	}
	for name, v := range map[string][2]string{ // what is typed, what the instance gets
		"URL":   {" https://example.com/v1 ", "https://example.com/v1"},
		"MAIL":  {"a@example.com", "a@example.com"},
		"LIMIT": {" 1e3\n", "1e3"}, "BETA": {"1", "true"}, "SIZE": {"m", "m"},
		"NOTE": {" two words ", "two words"},
		"KEY":  {" kept as it is\n", " kept as it is\n"}, "APP_X": {" as it is ", " as it is "},
	} {
		if err := f.set(pairs(name, v[0]), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := f.environment()[name]; got != v[1] {
			t.Errorf("%s is %q, want %q", name, got, v[1])
		}
	}
	if err := f.set(pairs("LIMIT", "nil", "KEY", "nil", "GONE_FROM_THE_SCHEMA", "nil"),
		nil); err != nil {
		t.Fatal(err)
	}
	if env := f.environment(); env["LIMIT"] != "10" || env["KEY"] != "" || env["NOTE"] == "" {
		t.Errorf("after unsetting: %v", env)
	}
}

// TestAllOrNone: one bad setting and none is changed; the error names it.
func TestAllOrNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.set(pairs("NOTE", "before"), nil); err != nil {
		t.Fatal(err)
	}
	for field, c := range map[string]struct{ values, secrets map[string]*string }{
		"URL":             {pairs("NOTE", "after", "URL", "example.com"), nil},
		"SIZE":            {pairs("NOTE", "after"), pairs("SIZE", "xl")},
		"OTHER":           {pairs("NOTE", "after", "OTHER", "x"), nil},
		"LD_PRELOAD":      {pairs("NOTE", "after"), pairs("LD_PRELOAD", "x")},
		"PIZZERIA_ORG_ID": {pairs("NOTE", "after", "PIZZERIA_ORG_ID", "x"), nil},
		"APP_X":           {pairs("NOTE", "after", "APP_X", "a"), pairs("APP_X", "b")},
		"APP_Y":           {pairs("NOTE", "after", "APP_Y", "a"), pairs("APP_Y", "nil")},
		"APP_LONG":        {pairs("APP_LONG", strings.Repeat("x", registry.SettingMax+1)), nil},
		"APP_ZERO":        {nil, pairs("APP_ZERO", "a\x00b")},
		"app_lower":       {pairs("app_lower", "x"), nil},
	} {
		err := f.set(c.values, c.secrets)
		bad, ok := err.(*registry.Error) //nolint:errorlint // the service returns it as it is
		if !ok || bad.Code != registry.CodeInvalid || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if list := f.list(); len(list) != 1 || list["NOTE"].Value != "before" {
		t.Errorf("something was changed: %+v", list)
	}
	many := map[string]*string{}
	for i := range registry.SettingsMax {
		v := "x"
		many[fmt.Sprintf("APP_%d", i)] = &v
	}
	if err := f.set(many, nil); registry.ErrorCode(err) != registry.CodeInvalid {
		t.Errorf("%d settings and one: %v", len(many), err)
	}
	if n := len(f.list()); n != 1 {
		t.Errorf("%d settings are kept", n)
	}
}

// TestSecretsAreWriteOnly: a secret is in the instance's environment, and nowhere else.
func TestSecretsAreWriteOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const canary = "canary-of-a-secret"
	// By its type, and because its setter says so.
	if err := f.set(pairs("KEY", canary+"-1", "APP_B", canary+"-3"),
		pairs("APP_A", canary+"-2")); err != nil {
		t.Fatal(err)
	}
	if err := f.set(nil, pairs("APP_B", canary+"-4")); err != nil { // a value becomes a secret
		t.Fatal(err)
	}
	env := f.environment()
	if env["KEY"] != canary+"-1" || env["APP_A"] != canary+"-2" || env["APP_B"] != canary+"-4" {
		t.Errorf("environment: %v", env)
	}
	for name, v := range f.list() {
		if !v.Secret || v.Value != "" || v.UpdatedBy != "operator" {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for what, target := range map[string]string{
		"settings": "/api/v1/orgs/acme/settings", "the audit log": "/api/v1/audit",
		"the export": "/api/v1/audit/export",
		"the org":    "/api/v1/orgs/acme",
	} {
		if a := f.Operator().Want(t, 200, "GET", target, ""); strings.Contains(a.Body, canary) {
			t.Errorf("%s: %s", what, a.Body)
		}
	}
	f.Clock.Advance(time.Minute)
	if err := f.Store.Close(); err != nil { // and all of it is in one file
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.Path + suffix)
		if err != nil && suffix == "" {
			t.Fatal(err)
		}
		for _, n := range []string{"-1", "-2", "-4"} {
			if strings.Contains(string(b), canary+n) {
				t.Errorf("%s%s is in the database", canary, n)
			}
		}
	}
	if strings.Contains(f.Log.String(), canary) {
		t.Error("a secret is in the log")
	}
}

// TestSealedToItsPlace: a sealed value opens for its org and its name alone, and only with the same
// key.
// An instance is not started without one of its secrets.
func TestSealedToItsPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.Org("globex", f.owner)
	if err := f.set(nil, pairs("KEY", "of acme")); err != nil {
		t.Fatal(err)
	}
	system := registry.AsSystem("test")
	values, err := f.Store.SettingValues(f.Context(), system, f.org.ID)
	if err != nil {
		t.Fatal(err)
	}
	moved := values["KEY"]
	for name, org := range map[string]registry.OrgID{"KEY": other.ID, "APP_X": f.org.ID} {
		err := f.Store.SetSettings(f.Context(), registry.AsOperator(), org, "",
			map[string]*registry.SettingValue{name: &moved})
		if err != nil {
			t.Fatal(err)
		}
		if env, _, err := f.Settings.Environment(f.Context(), org); err == nil {
			t.Errorf("a secret that was moved opens: %v", env)
		}
	}
	if err := f.set(pairs("APP_X", "nil"), nil); err != nil {
		t.Fatal(err)
	}
	if f.environment()["KEY"] != "of acme" {
		t.Error("the secret does not open at its own place")
	}
	stranger := *f.Settings
	stranger.Sealer = controltest.New(t).Identity
	if env, _, err := stranger.Environment(f.Context(), f.org.ID); err == nil {
		t.Errorf("it opens with another key: %v", env)
	}
}

// TestSchemaChanges: what the operator allows no longer is left out until it is allowed again.
func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := f.set(pairs("SIZE", "m", "APP_X", "x", "NOTE", "ten", "KEY", "secret"),
		nil); err != nil {
		t.Fatal(err)
	}
	f.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "SIZE", Type: registry.FieldChoice, Options: []string{"s", "l"}, Default: "l"},
		{Name: "NOTE", Type: registry.FieldNumber},
		{Name: "KEY", Type: registry.FieldText},
	}}
	if got := f.environment(); fmt.Sprint(got) != "map[KEY:secret SIZE:l]" {
		t.Errorf("with another schema: %v", got)
	}
	if list := f.list(); !list["KEY"].Secret || list["KEY"].Value != "" {
		t.Errorf("a secret is shown since its field is a text: %+v", list["KEY"])
	}
	f.Schema = schema
	if env := f.environment(); env["SIZE"] != "m" || env["APP_X"] != "x" || env["NOTE"] != "ten" {
		t.Errorf("with the first schema again: %v", env)
	}
}

// TestWhoMaySet: who may is decided before what is wrong is told.
func TestWhoMaySet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Org("globex", f.User("other@example.com", false))
	actor := func(u registry.User) registry.Actor {
		l := f.SignIn(u)
		return registry.AsSession(l.User, l.Session, "")
	}
	key := func(scope registry.Scope) registry.Actor {
		secret := f.Key(f.SignIn(f.owner), registry.NewAPIKey{Scopes: []registry.Scope{scope}})
		a, _, err := f.Identity.AuthenticateKey(f.Context(), secret, "")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	other, err := f.Store.UserByEmail(t.Context(), registry.AsSystem("test"), "other@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for who, c := range map[string]struct {
		a    registry.Actor
		want registry.Code
	}{
		"nobody":     {registry.Actor{}, registry.CodeUnauthenticated},
		"a stranger": {actor(other), registry.CodeNotFound},
		"a member": {actor(f.Member(f.org.ID, "member@example.com",
			registry.RoleMember)), registry.CodeForbidden},
		"a key that reads settings": {key(registry.ScopeSettingsRead), registry.CodeForbidden},
		"a key of another scope":    {key(registry.ScopeOrgWrite), registry.CodeForbidden},
		"an admin": {actor(f.Member(f.org.ID, "admin@example.com",
			registry.RoleAdmin)), ""},
		"a key that sets settings": {key(registry.ScopeSettingsWrite), ""},
	} {
		good := f.Settings.Set(t.Context(), c.a, f.org.ID, "", pairs("NOTE", who), nil)
		bad := f.Settings.Set(t.Context(), c.a, f.org.ID, "", pairs("LD_PRELOAD", "x"), nil)
		if registry.ErrorCode(good) != c.want || good != nil && c.want == "" {
			t.Errorf("%s sets one: %v", who, good)
		}
		want := c.want
		if want == "" {
			want = registry.CodeInvalid
		}
		if registry.ErrorCode(bad) != want {
			t.Errorf("%s sets a bad one: %v", who, bad)
		}
	}
}
