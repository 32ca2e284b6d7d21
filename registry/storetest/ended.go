package storetest

import "github.com/pizzaface/pizzeria/registry"

// endedSession: a request that was under way when all sessions of its person ended changes nothing.
func endedSession(e env) {
	u, asU := e.user("a@example.com")
	v, err := e.s.CreateSession(ctx, system, registry.NewSession{Token: secret("t"), User: u})
	e.ok(err)
	late := registry.AsSession(u, v, "192.0.2.1")
	name := "Ada"
	e.ok(e.s.UpdateUser(ctx, late, u.ID, registry.UserChange{Name: &name}))
	e.ok(e.s.RevokeSessions(ctx, asU, u.ID, v.ID)) // this session goes on, and is read anew
	f := registry.Factor{ID: "f", Kind: registry.FactorPasskey, Name: "f", Sealed: []byte("x")}
	e.want(second(e.s.AddFactor(ctx, late, f, 1, nil)), registry.CodeUnauthenticated)
	e.want(e.s.UpdateUser(ctx, late, u.ID, registry.UserChange{Name: &name}), registry.CodeUnauthenticated)
	u, err = e.s.User(ctx, system, u.ID)
	e.ok(err)
	e.ok(e.s.UpdateUser(ctx, registry.AsSession(u, v, ""), u.ID, registry.UserChange{Name: &name}))
}
