package console_test

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
	"github.com/pizzaface/pizzeria/registry"
)

var versions = regexp.MustCompile(`name="(settings_version|org_version)" value="([^"]+)"`)

// TestTwoTabs: of two forms that were opened at once, the second to be saved is refused. It shows
// what was typed beside what is saved, by whom, and is saved by another click.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "COLOUR", Type: registry.FieldText}, {Name: "SIZE", Type: registry.FieldText},
	}}
	ada := s.User("ada@example.com", false)
	s.Org("acme", ada)
	me := s.Page(s.SignIn(ada))
	read := func(body string) url.Values {
		f := url.Values{}
		for _, m := range versions.FindAllStringSubmatch(body, -1) {
			f.Set(m[1], m[2])
		}
		return f
	}
	const page = "/orgs/acme/settings"
	first := read(me.Want(t, 200, "GET", page, "").Body)
	first.Set("set.COLOUR", "red")
	first.Set("set.SIZE", "")
	second := read(me.Want(t, 200, "GET", page, "").Body)
	second.Set("set.COLOUR", `"blue"`)
	second.Set("set.SIZE", "")
	submit(t, me, 303, page, first)
	refused := html.UnescapeString(submit(t, me, 412, page, second).Body)
	for _, want := range []string{`value=""blue""`, "<code>red</code>", "by ada@example.com"} {
		if !strings.Contains(refused, want) {
			t.Errorf("no %q in %s", want, refused)
		}
	}
	if a := me.Want(t, 200, "GET", "/api/v1"+page, ""); !strings.Contains(a.Body, `"red"`) {
		t.Errorf("saved: %s", a.Body)
	}
	second.Set("settings_version", read(refused).Get("settings_version"))
	submit(t, me, 303, page, second)

	old := read(me.Want(t, 200, "GET", page, "").Body)
	old.Set("name", "One")
	submit(t, me, 303, "/orgs/acme/name", old)
	old.Set("name", "Two")
	if a := submit(t, me, 412, "/orgs/acme/name", old); !strings.Contains(a.Body, `value="Two"`) {
		t.Errorf("what was typed is lost: %s", a.Body)
	}
}

// TestRequiredSettings: console and API refuse a required setting without a value.
func TestRequiredSettings(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
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
