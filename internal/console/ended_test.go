package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/registry"
)

var returns = regexp.MustCompile(`href="/sign-in\?return=([^"&]*)`)

// TestEndedSession: what was typed into a form whose session has ended, or whose browser signed in
// as somebody else, waits for whose page it was on, and for nobody else.
func TestEndedSession(t *testing.T) {
	t.Parallel()
	s := controltest.New(t)
	s.Schema = registry.Schema{Fields: []registry.Field{
		{Name: "COLOUR", Type: registry.FieldText}, {Name: "KEY", Type: registry.FieldSecret},
	}}
	ada := s.User("ada@example.com", true)
	s.Org("acme", ada)
	eve := s.User("eve@example.com", true)
	stranger := s.Page(s.SignIn(eve))
	const settings = "/orgs/acme/settings"
	ended := s.SignIn(ada)
	page := s.Page(ended).Want(t, 200, "GET", settings, "").Body
	nonce := filledForm(t, page, settings).Get("form_nonce")
	if err := s.Store.RevokeSession(t.Context(), registry.AsOperator(), ended.Session.ID); err != nil {
		t.Fatal(err)
	}
	again := s.Page(s.SignIn(ada))
	typed := url.Values{
		"form_nonce": {nonce}, "set.COLOUR": {"Typed <here>"}, "set.KEY": {"typed secret"},
		"new_value": {"another secret"}, "new_secret": {"1"}, "client_secret": {"a third secret"},
		"password": {"never kept"}, "old_password": {"never kept"}, "role": {"admin"},
	}
	fill := strings.NewReplacer("{org}", "acme", "{user}", string(eve.ID))
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodPost || rt.Public {
			continue
		}
		target := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(fill.Replace(rt.Pattern), unknown)
		for who, c := range map[string]*controltest.Client{"nobody": s.Page(ended), "another": stranger} {
			status := map[string]int{"nobody": 401, "another": 409}[who]
			a := submit(t, c, status, target, typed)
			m := returns.FindStringSubmatch(a.Body)
			if m == nil {
				t.Fatalf("%s by %s leads nowhere: %s", rt.Pattern, who, a.Body)
			}
			back, err := url.QueryUnescape(html.UnescapeString(m[1]))
			if err != nil || !strings.HasPrefix(back, "/continue/") {
				t.Fatalf("%s by %s leads to %q", rt.Pattern, who, back)
			}
			stranger.Want(t, 410, "GET", back, "")
			kept := again.Want(t, 200, "GET", back, "").Body
			form := filledForm(t, kept, target)
			for name := range typed {
				if name != "form_nonce" && form.Get(name) != typed.Get(name) !=
					strings.HasSuffix(name, "password") {
					t.Errorf("%s by %s: %s is %q", rt.Pattern, who, name, form.Get(name))
				}
			}
			if strings.Contains(kept, "never kept") || strings.Contains(kept, "secret</td>") ||
				!strings.Contains(kept, "<td>Typed &lt;here&gt;</td>") {
				t.Errorf("%s by %s: %s", rt.Pattern, who, kept)
			}
			if rt.Pattern != "/orgs/{org}/settings" || who != "nobody" {
				continue
			}
			edited := filledForm(t, again.Want(t, 200, "GET", back+"?edit", "").Body, settings)
			if edited.Get("set.COLOUR") != "Typed <here>" || edited.Get("set.KEY") != "" {
				t.Errorf("to be changed: %v", edited)
			}
			form.Del("new_value")
			submit(t, again, 303, target, form)
			now := filledForm(t, again.Want(t, 200, "GET", settings, "").Body, settings)
			if now.Get("set.COLOUR") != "Typed <here>" {
				t.Errorf("sent again, it saves %v", now)
			}
		}
	}
	if log := s.Log.String(); strings.Contains(log, "secret") || strings.Contains(log, "level=ERROR") {
		t.Errorf("log: %s", log)
	}
}
