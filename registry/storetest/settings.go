package storetest

import "github.com/pizzaface/pizzeria/registry"

// settings: who may, that secrets are not read back, and that a change is all or nothing.
func settings(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o, other := e.org("acme", a.ID), e.org("other", "")
	_, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	change := map[string]*registry.SettingValue{"APP_COLOUR": {Value: "red"}, "API_KEY": {Sealed: []byte("sealed")}}
	e.want(e.s.SetSettings(ctx, asMember, o.ID, "", change), registry.CodeForbidden)
	e.want(e.s.SetSettings(ctx, asB, o.ID, "", change), registry.CodeNotFound)
	e.want(e.s.SetSettings(ctx, asA, other.ID, "", change), registry.CodeNotFound)
	e.ok(e.s.SetSettings(ctx, asA, o.ID, "", change))
	e.want(second(e.s.Settings(ctx, asMember, o.ID)), registry.CodeForbidden)
	e.want(second(e.s.Settings(ctx, asB, o.ID)), registry.CodeNotFound)
	e.want(second(e.s.SettingValues(ctx, asA, o.ID)), registry.CodeForbidden)
	list, err := e.s.Settings(ctx, asA, o.ID)
	e.ok(err)
	if len(list) != 2 || list[0].Name != "API_KEY" || !list[0].Secret || list[0].Value != "" || list[1].Value != "red" || list[1].UpdatedBy != "a@example.com" {
		e.Fatalf("%+v", list)
	}
	e.want(e.s.SetSettings(ctx, asA, o.ID, "", map[string]*registry.SettingValue{"APP_COLOUR": {Value: "blue"}, "LD_PRELOAD": {Value: "x"}}), registry.CodeInvalid)
	v, err := e.s.SettingValues(ctx, system, o.ID)
	e.ok(err)
	if len(v) != 2 || v["APP_COLOUR"].Value != "red" || string(v["API_KEY"].Sealed) != "sealed" {
		e.Fatalf("%+v", v)
	}
	e.ok(e.s.SetSettings(ctx, asA, o.ID, "", map[string]*registry.SettingValue{"API_KEY": nil, "NEVER_WAS": nil}))
	if list, err = e.s.Settings(ctx, asA, o.ID); err != nil || len(list) != 1 {
		e.Fatalf("%+v %v", list, err)
	}
}
