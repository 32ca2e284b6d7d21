package storetest

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/registry"
)

// seenVersions: of many who saw the same version of something, one changes it. Who says none
// changes any.
func seenVersions(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	c, err := e.connect(asA, o.ID, nil)
	e.ok(err)
	e.ok(second(e.s.CreateWebhook(ctx, asA, registry.Webhook{
		ID: "hook", OrgID: o.ID, URL: "https://example.com", Sealed: []byte("x"),
	})))
	setting := map[string]*registry.SettingValue{"APP_KEY": {Sealed: []byte("x")}}
	e.ok(e.s.SetSettings(ctx, asA, o.ID, "", setting))
	for _, edited := range []struct {
		what    string
		version func() string
		change  func(version string, n int) error
	}{
		{"settings", func() string {
			list, err := e.s.Settings(ctx, asA, o.ID)
			e.ok(err)
			return registry.SettingsVersion(list)
		}, func(version string, n int) error {
			v := &registry.SettingValue{Sealed: []byte(strconv.Itoa(n))}
			return e.s.SetSettings(ctx, asA, o.ID, version, map[string]*registry.SettingValue{"APP_KEY": v})
		}},
		{"connection", func() string {
			list, err := e.s.Connections(ctx, asA, o.ID)
			e.ok(err)
			return list[0].Version()
		}, func(version string, n int) error {
			spec := c.ConnectionSpec
			spec.Name = "Name " + strconv.Itoa(n)
			change := registry.ConnectionChange{Version: version, Spec: spec}
			return second(e.s.UpdateConnection(ctx, asA, o.ID, c.ID, change))
		}},
		{"webhook", func() string {
			list, err := e.s.Webhooks(ctx, asA, o.ID)
			e.ok(err)
			return list[0].Version()
		}, func(version string, n int) error {
			url := "https://example.com/" + strconv.Itoa(n)
			change := registry.WebhookChange{Version: version, URL: &url}
			return e.s.UpdateWebhook(ctx, asA, o.ID, "hook", change)
		}},
		{"sign-in policy", func() string {
			v, err := e.s.Org(ctx, operator, o.ID)
			e.ok(err)
			return v.SignInPolicyVersion()
		}, func(version string, n int) error {
			return e.s.RequireSecondStep(ctx, operator, o.ID, version, n%2 == 0)
		}},
		{"session lifetimes", func() string {
			v, err := e.s.Org(ctx, operator, o.ID)
			e.ok(err)
			return v.SignInPolicyVersion()
		}, func(version string, n int) error {
			l := registry.Lifetimes{Idle: 5*minutes + registry.Seconds(n)*minutes}
			return e.s.SetSessionLifetimes(ctx, operator, o.ID, version, l)
		}},
	} {
		e.ok(edited.change("", 100))
		seen := edited.version()
		e.ok(edited.change(seen, 101))
		e.want(edited.change(seen, 102), registry.CodeVersionConflict)
		if now := edited.version(); now == seen {
			e.Errorf("%s: still version %s", edited.what, now)
		}
		seen = edited.version()
		var done atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch err := edited.change(seen, 2*i); {
				case err == nil:
					done.Add(1)
				case registry.ErrorCode(err) != registry.CodeVersionConflict:
					e.Errorf("%s: %v", edited.what, err)
				}
			})
		}
		wg.Wait()
		if n := done.Load(); n != 1 {
			e.Errorf("%s: %d changes of one version", edited.what, n)
		}
	}
}
