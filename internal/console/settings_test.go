package console_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestTwoTabs: of two forms that were opened at once, the second to be saved is refused. It shows
// what was typed beside what is saved, leaves alone what only the first changed, and is saved by
// another click.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "COLOUR", Type: registry.FieldText}, {Name: "SIZE", Type: registry.FieldText},
		{Name: "SHAPE", Type: registry.FieldText}, {Name: "KEY", Type: registry.FieldSecret},
	}, Allow: []string{"APP_*"}}
	ada := s.User("ada@example.com", false)
	s.Org("acme", ada)
	me := s.Page(s.SignIn(ada))
	const page = "/orgs/acme/settings"
	patch := func(body string) { me.Want(t, 200, "PATCH", "/api/v1"+page, body) }
	// APP_ are settings that the schema does not declare.
	patch(`{"values":{"APP_OLD":"1","APP_GONE":"1"},"secrets":{"KEY":"k","APP_KEY":"k"}}`)
	open := func(action string) url.Values {
		return filledForm(t, me.Want(t, 200, "GET", page, "").Body, action)
	}
	first, second := open(page), open(page)
	first.Set("set.COLOUR", "red")
	first.Set("set.SHAPE", "round")
	second.Set("set.COLOUR", `"blue"`)
	second.Set("set.SIZE", "small")
	second.Set("set.KEY", "typed secret")
	submit(t, me, 303, page, first)
	patch(`{"values":{"APP_OLD":"2","APP_GONE":null,"APP_NEW":"1"},"secrets":{"KEY":"l"}}`)
	refused := submit(t, me, 412, page, second).Body
	for after, want := range map[string]string{
		`value="&#34;blue&#34;"`: `Saved meanwhile: <code>red`,
		`value="round"`:          `Changed meanwhile, before: <code>nothing`,
		`data-shown="KEY"`:       `Changed meanwhile`, `data-shown="APP_OLD"`: `Changed meanwhile`,
		`data-shown="APP_NEW"`: `Added meanwhile`, `name="restart"`: `Removed meanwhile: <code>APP_GONE`,
	} {
		_, rest, _ := strings.Cut(refused, after)
		remark, _, _ := strings.Cut(rest, "</p>")
		if !strings.Contains(remark, want) || strings.Count(remark, "<input") > 1 {
			t.Errorf("after %s: %q, want %s", after, remark, want)
		}
	}
	if n := strings.Count(refused, `class="hint">`); n != 7 || strings.Contains(refused,
		"typed secret") {
		t.Errorf("%d remarks and hints: %s", n, refused)
	}
	if a := me.Want(t, 200, "GET", "/api/v1"+page, ""); !strings.Contains(a.Body, `"red"`) {
		t.Errorf("saved: %s", a.Body)
	}
	submit(t, me, 303, page, filledForm(t, refused, page))
	saved := open(page)
	for name, want := range map[string]string{
		"set.COLOUR": `"blue"`, "set.SIZE": "small", "set.SHAPE": "round",
	} {
		if got := saved.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestRequiredSettings: console and API refuse a required setting without a value.
func TestRequiredSettings(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "SITE", Type: registry.FieldText, Required: true},
		{Name: "KEY", Type: registry.FieldSecret, Required: true},
		{Name: "SIZE", Type: registry.FieldText, Required: true, Default: "s"},
	}}
	ada := s.User("ada@example.com", false)
	s.Org("acme", ada)
	me := s.Page(s.SignIn(ada))
	const page = "/orgs/acme/settings"
	send := func(status int, site, key string) {
		t.Helper()
		submit(t, me, status, page, url.Values{
			"set.SITE": {site}, "set.KEY": {key}, "set.SIZE": {""},
		})
	}
	send(422, "", "k")
	send(422, "  ", "k")
	send(422, "x", "")
	send(303, "x", "k")
	send(303, "y", "") // the secret stays
	submit(t, me, 422, page, url.Values{"unset": {"KEY"}})
	for _, body := range []string{
		`{"values":{"SITE":""}}`, `{"values":{"SITE":null}}`, `{"secrets":{"KEY":null}}`,
		`{"secrets":{"KEY":" "}}`,
	} {
		if a := me.Want(t, 422, "PATCH", "/api/v1"+page, body); !strings.Contains(a.Body,
			"is required") {
			t.Errorf("%s: %s", body, a.Body)
		}
	}

	// The API's precondition.
	tag := me.Want(t, 200, "GET", "/api/v1"+page, "").Header.Get("ETag")
	api := me.With("If-Match", tag)
	api.Want(t, 200, "PATCH", "/api/v1"+page, `{"values":{"SITE":"z"}}`)
	api.Want(t, 412, "PATCH", "/api/v1"+page, `{"values":{"SITE":"old"}}`)
	me.With("If-Match", "nonsense").Want(t, 412, "PATCH", "/api/v1"+page,
		`{"values":{"SITE":"old"}}`)
}
