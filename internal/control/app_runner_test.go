package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
	"github.com/pizzaface/pizzeria/registry/sqlite"
	"github.com/pizzaface/pizzeria/registry/sqlitetest"
)

// enrolling is an agent during whose enrollment something happens.
type enrolling struct {
	meanwhile func()
	revoked   []registry.RunnerID
}

func (e *enrolling) Enroll(context.Context, provision.Ref, provision.Enrolment) (map[string]string, error) {
	e.meanwhile()
	return map[string]string{"PIZZAPI_KEY": "x"}, nil
}

func (e *enrolling) Revoke(_ context.Context, _ provision.Ref, v provision.Revocation) error {
	e.revoked = append(e.revoked, v.GoneRunners...)
	return nil
}

// TestEnrollmentRacesRemoval: a runner gets no key if it or its owner goes while the app makes one.
func TestEnrollmentRacesRemoval(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlitetest.File(t), new(identity.MasterKey), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	ctx, operator := t.Context(), registry.AsOperator()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	hash := func(what, of string) registry.Hash { return registry.Hash([]byte(strings.Repeat(what+of, 32)[:32])) }
	gone := func(name string, meanwhile func(registry.Runner) error) (*enrolling, registry.Runner, error) {
		t.Helper()
		o, err := store.CreateOrg(ctx, operator, registry.NewOrg{Slug: name})
		ok(err)
		var u registry.User
		for _, who := range []string{"owner", "ada"} {
			u, err = store.CreateUser(ctx, operator, registry.NewUser{Email: who + "@" + name + ".example", Name: who, PasswordHash: "x"})
			ok(err)
			_, err = store.CreateInvite(ctx, operator, o.ID, u.Email, registry.RoleOwner, hash(who, name))
			ok(err)
			_, err = store.AcceptInvite(ctx, registry.AsUser(u, "", ""), hash(who, name))
			ok(err)
		}
		session, err := store.CreateSession(ctx, registry.AsSystem("t"), registry.NewSession{Token: hash("session", name), User: u})
		ok(err)
		_, err = store.CreateRunnerClaim(ctx, registry.AsSession(u, session, ""), o.ID,
			registry.NewRunnerClaim{Name: "r", App: registry.RunnerPizzaPi}, hash("claim", name))
		ok(err)
		r, err := store.EnrollRunner(ctx, registry.AsVisitor(""), hash("claim", name), "", hash("key", name))
		ok(err)
		agent := &enrolling{meanwhile: func() { ok(meanwhile(r)) }}
		_, err = appEnroller{store, agent, slog.New(slog.DiscardHandler)}.enroll(ctx, r)
		return agent, r, err
	}
	if agent, _, err := gone("nothing", func(registry.Runner) error { return nil }); err != nil || agent.revoked != nil {
		t.Errorf("nothing happens: %v %v", err, agent.revoked)
	}
	for name, meanwhile := range map[string]func(registry.Runner) error{
		"revoked": func(r registry.Runner) error { return store.RevokeRunner(ctx, operator, r.OrgID, r.ID) },
		"removed": func(r registry.Runner) error {
			_, err := store.RemoveMember(ctx, operator, r.OrgID, r.EnrolledBy, registry.MemberRemoval{})
			return err
		},
		"disabled": func(r registry.Runner) error {
			_, err := store.DisableUser(ctx, operator, r.EnrolledBy, registry.UserDisabling{})
			return err
		},
	} {
		agent, r, err := gone(name, meanwhile)
		if registry.ErrorCode(err) != registry.CodeGone || !slices.Equal(agent.revoked, []registry.RunnerID{r.ID}) {
			t.Errorf("%s: %v %v", name, err, agent.revoked)
		}
	}
}

// TestVariablesOfAgents: what an agent says is a runner's environment goes into files and shells, so
// nothing else than plain variables passes.
func TestVariablesOfAgents(t *testing.T) {
	many := map[string]string{}
	for i := range maxVariables + 1 {
		many[fmt.Sprintf("PIZZAPI_%d", i)] = "x"
	}
	for name, row := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"plain":     {map[string]string{"PIZZAPI_RELAY_URL": "wss://acme.example:8443", "PIZZAPI_KEY": "aB_-.=+/@"}, true},
		"none":      {nil, false},
		"many":      {many, false},
		"empty":     {map[string]string{"PIZZAPI_KEY": ""}, false},
		"a line":    {map[string]string{"PIZZAPI_KEY": "x\nPATH=/tmp"}, false},
		"a command": {map[string]string{"PIZZAPI_KEY": "$(id)"}, false},
		"a quote":   {map[string]string{"PIZZAPI_KEY": `x"`}, false},
		"a space":   {map[string]string{"PIZZAPI_KEY": "x y"}, false},
		"a name":    {map[string]string{"x": "y"}, false},
		"another's": {map[string]string{"LD_PRELOAD": "/tmp/x.so"}, false},
		"a prefix":  {map[string]string{"PIZZAPI_": "y"}, false},
		"long":      {map[string]string{"PIZZAPI_KEY": strings.Repeat("x", 1025)}, false},
	} {
		if got := plausible(row.env); got != row.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
