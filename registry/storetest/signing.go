package storetest

import (
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// signingKeys: who rotates them, and what becomes of the old ones.
func signingKeys(e env) {
	u, asU := e.user("a@example.com")
	root, asRoot := e.user("root@example.com")
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &yes}))
	root, err := e.s.User(ctx, operator, root.ID)
	e.ok(err)
	asRoot = e.person(root, asRoot.Session, "")
	k, err := e.s.CreateAPIKey(ctx, asRoot, registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopePlatform}}, secret("k"))
	e.ok(err)
	key := func(id, purpose string, from time.Duration) registry.Key {
		at := e.clock.Now().Add(from)
		return registry.Key{ID: id, Purpose: purpose, Public: []byte("{}"), Private: []byte("sealed"), SignsFrom: at, SignsTo: at.Add(1000 * time.Hour), ExpiresAt: at.Add(1024 * time.Hour)}
	}
	e.ok(e.s.AddKey(ctx, system, key("1", "session", 0)))
	e.ok(e.s.AddKey(ctx, system, key("2", "session", 1000*time.Hour))) // published, and waiting
	e.ok(e.s.AddKey(ctx, system, key("x", "token", 0)))
	for _, as := range []registry.Actor{asU, visitor, registry.AsKey(k, root, "")} {
		e.refused(e.s.RotateKeys(ctx, as, []registry.Key{key("no", "session", 0)}, registry.KeyRotation{Verify: time.Hour}))
	}
	e.want(second(e.s.SigningKeys(ctx, e.person(u, "", ""))), registry.CodeForbidden)
	ids := func(purpose string) (out string) {
		e.Helper()
		list, err := e.s.Keys(ctx, system, purpose)
		e.ok(err)
		for _, k := range list {
			out += k.ID + " "
		}
		return out
	}
	want := func(purpose, want string) {
		e.Helper()
		if got := ids(purpose); got != want {
			e.Errorf("%s: %q, want %q", purpose, got, want)
		}
	}
	e.ok(e.s.RotateKeys(ctx, asRoot, []registry.Key{key("3", "session", 10*time.Minute)}, registry.KeyRotation{Verify: time.Hour}))
	want("session", "1 3 ")
	want("token", "x ")
	list, err := e.s.SigningKeys(ctx, asRoot)
	e.ok(err)
	if len(list) != 3 || list[0].Private != nil || !list[0].SignsTo.Equal(list[1].SignsFrom) || !list[0].ExpiresAt.Equal(list[1].SignsFrom.Add(time.Hour)) {
		e.Errorf("%+v", list)
	}
	e.clock.Add(10*time.Minute + time.Hour)
	want("session", "3 ")
	e.ok(e.s.RotateKeys(ctx, operator, []registry.Key{key("4", "session", 0), key("y", "token", 0)}, registry.KeyRotation{Verify: time.Hour, Emergency: true}))
	want("session", "4 ")
	want("token", "y ")
	p, err := e.s.PlatformAudit(ctx, operator, registry.AuditList{Action: registry.ChangeKeyRevoked})
	e.ok(err)
	if len(p.Items) != 2 || p.Items[1].Target != "session" {
		e.Errorf("%+v", p.Items)
	}
}
