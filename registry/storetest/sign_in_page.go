package storetest

import (
	"reflect"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// signInPage: what a page to sign in needs, wherever it leads.
func signInPage(e env) {
	a, asA := e.user("a@example.com")
	o, gone := e.org("acme", a.ID), e.org("gone", a.ID)
	connect := func(as registry.Actor, org registry.OrgID, name string) registry.SignInConnection {
		e.Helper()
		c, err := e.connect(as, org, func(s *registry.ConnectionSpec) { s.Name = name })
		e.ok(err)
		return registry.SignInConnection{ID: c.ID, OrgID: org, Name: name}
	}
	uris := []string{"https://app.example/a", "https://app.example/b"}
	app := func(name string, org registry.OrgID) registry.ClientID {
		e.Helper()
		c, err := e.s.CreateClient(ctx, operator, registry.NewClient{
			Name: name, OrgID: org, RedirectURIs: uris,
		}, secret(name))
		e.ok(err)
		return c.ID
	}
	notes, inner, lost := app("Notes", ""), app("Inner", o.ID), app("Lost", gone.ID)
	want := func(to registry.SignInTo, want registry.SignInPage) {
		e.Helper()
		got, err := e.s.SignInPage(ctx, system, to)
		e.ok(err)
		if len(got.Connections)+len(want.Connections) == 0 {
			got.Connections = want.Connections
		}
		if len(got.RedirectURIs)+len(want.RedirectURIs) == 0 {
			got.RedirectURIs = want.RedirectURIs
		}
		if !reflect.DeepEqual(got, want) {
			e.Errorf("%+v:\n got %+v\nwant %+v", to, got, want)
		}
	}
	want(registry.SignInTo{}, registry.SignInPage{})
	want(registry.SignInTo{Org: o.ID}, registry.SignInPage{OrgID: o.ID, OrgName: o.Name})

	own := connect(asA, o.ID, "Own")
	others := connect(asA, gone.ID, "Another org's")
	all := connect(operator, "", "Everybody's")
	both := []registry.SignInConnection{own, all}
	everybody := []registry.SignInConnection{all}

	_, err := e.s.SignInPage(ctx, operator, registry.SignInTo{})
	e.want(err, registry.CodeForbidden)
	_, err = e.s.SignInPage(ctx, asA, registry.SignInTo{Org: o.ID})
	e.want(err, registry.CodeForbidden)
	none := registry.SignInPage{Connections: everybody}
	want(registry.SignInTo{}, none)
	want(registry.SignInTo{Org: registry.OrgID(registry.NewID())}, none)
	want(registry.SignInTo{App: registry.ClientID(registry.NewID())}, none)
	want(registry.SignInTo{Connection: registry.ConnectionID(registry.NewID())}, none)
	want(registry.SignInTo{Connection: all.ID}, none) // once
	want(registry.SignInTo{Org: o.ID}, registry.SignInPage{
		OrgID: o.ID, OrgName: o.Name, Connections: both,
	})
	want(registry.SignInTo{Org: o.ID, Connection: others.ID}, registry.SignInPage{
		OrgID: o.ID, OrgName: o.Name, Connections: []registry.SignInConnection{own, others, all},
	})
	want(registry.SignInTo{App: notes}, registry.SignInPage{
		AppName: "Notes", RedirectURIs: uris, Connections: everybody,
	})
	want(registry.SignInTo{App: inner, Connection: own.ID}, registry.SignInPage{
		AppName: "Inner", RedirectURIs: uris, OrgID: o.ID, Connections: both,
	})

	e.ok(e.s.DeleteOrg(ctx, operator, gone.ID, 0, registry.OrgDeletion{Confirm: "gone", Now: true}))
	l, err := e.s.Acquire(ctx, system, gone.ID, time.Minute)
	e.ok(err)
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	want(registry.SignInTo{Org: gone.ID, Connection: others.ID}, none)
	want(registry.SignInTo{App: lost}, registry.SignInPage{
		AppName: "Lost", RedirectURIs: uris, OrgID: gone.ID, Connections: everybody,
	})
}
