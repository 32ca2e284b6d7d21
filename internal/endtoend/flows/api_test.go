package flows

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

func TestAPI(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	s.Org(ada, "acme")
	mia := s.Invite(ada, "acme", "mia@example.com", "member")
	api := s.URL("") + "/api/v1"

	t.Run("Problems", func(t *testing.T) {
		for _, c := range []struct{ method, path, body, field, detail string }{
			{"POST", "/orgs", `{}`, "slug", "required"},
			{"POST", "/orgs", `{"slug":"x","colour":"red"}`, "colour", "unexpected"},
			{"POST", "/orgs", `{"slug":"Bad_Slug"}`, "slug", "lower-case"},
			{"POST", "/orgs", `{"slug":"beta","owner":"nobody@example.com"}`, "owner", "has no account"},
			{"GET", "/orgs?limit=1000", ``, "limit", "limit"},
			{"GET", "/orgs?sort=colour", ``, "sort", "one of"},
			{"GET", "/orgs?colour=red", ``, "colour", "unknown"},
			{"GET", "/orgs?cursor=made-up", ``, "cursor", "begin again"},
			{"POST", "/orgs/acme/invites", `{"email":"x@example.com","role":"king"}`, "role", "one of"},
		} {
			var p struct {
				Type, Code, Title, Detail, Field string
				Status                           int
				RequestID                        string `json:"request_id"`
			}
			a := ada.Call(t, c.method, api+c.path, c.body, 422, &p)
			if p.Field != c.field || !strings.Contains(p.Detail, c.detail) || p.Status != 422 || p.RequestID == "" || a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %s", c.path, c.body, a.Body)
			}
			if where := s.Person().Open(p.Type); p.Code != "invalid" || where.Status != 200 || !strings.Contains(where.Body, "Invalid input") {
				t.Errorf("the type %s of the code %s: %d %s", p.Type, p.Code, where.Status, where.Body)
			}
		}
		var away struct{ Type, Code string }
		s.Person().Call(t, "GET", s.URL("nosuch")+"/", "", 404, &away, "Accept", "application/json") // by the gateway
		if where := s.Person().Open(away.Type); away.Code != "not_found" || where.Status != 200 {
			t.Errorf("the gateway's type %+v: %d", away, where.Status)
		}
		secret := ada.Call(t, "POST", api+"/users", `{"email":"x@example.com","name":7,"password":"a secret that was typed"}`, 422, nil)
		if strings.Contains(secret.Body, "secret that") {
			t.Errorf("a password is echoed: %s", secret.Body)
		}
		broken := ada.Call(t, "POST", api+"/users", `{"password":"a secret that was typed"`, 400, nil)
		if strings.Contains(broken.Body, "secret that") {
			t.Errorf("a password is echoed: %s", broken.Body)
		}
		ada.Call(t, "POST", api+"/orgs", `slug=x`, 415, nil, "Content-Type", "application/x-www-form-urlencoded")
		ada.Call(t, "POST", api+"/orgs", `{"slug":"`+strings.Repeat("x", 70000)+`"}`, 413, nil)
		ada.Call(t, "GET", api+"/nosuch", ``, 404, nil)
		s.Person().Call(t, "GET", api+"/nosuch", ``, 401, nil)
	})

	t.Run("Pages", func(t *testing.T) {
		for i := range 5 {
			ada.Call(t, "POST", api+"/orgs", fmt.Sprintf(`{"slug":"page-%d"}`, i), 201, nil)
		}
		var slugs []string
		for next := ""; ; {
			var v struct {
				Items []struct{ Slug string }
				Next  string
			}
			ada.Call(t, "GET", api+"/orgs?limit=2&sort=-slug&search=page&cursor="+next, "", 200, &v)
			for _, o := range v.Items {
				slugs = append(slugs, o.Slug)
			}
			if next = v.Next; next == "" {
				break
			}
		}
		if got := strings.Join(slugs, " "); got != "page-4 page-3 page-2 page-1 page-0" {
			t.Errorf("%s", got)
		}
		var v struct{ Items []struct{ Slug string } }
		mia.Call(t, "GET", api+"/orgs", "", 200, &v)
		if len(v.Items) != 1 || v.Items[0].Slug != "acme" {
			t.Errorf("mia sees %+v", v)
		}
	})

	t.Run("Idempotency", func(t *testing.T) {
		body := `{"email":"once@example.com","role":"member"}`
		first := ada.Call(t, "POST", api+"/orgs/acme/invites", body, 201, nil, "Idempotency-Key", "k1")
		again := ada.Call(t, "POST", api+"/orgs/acme/invites", body, 201, nil, "Idempotency-Key", "k1")
		kept := regexp.MustCompile(`"link":"[^"]+"`).ReplaceAllString(first.Body, `"link":""`)
		var one, two any
		if json.Unmarshal([]byte(kept), &one) != nil || json.Unmarshal([]byte(again.Body), &two) != nil || !reflect.DeepEqual(one, two) || kept == first.Body || first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("first %s\nagain %s", first.Body, again.Body)
		}
		ada.Call(t, "POST", api+"/orgs/acme/invites", `{"email":"other@example.com","role":"member"}`, 422, nil, "Idempotency-Key", "k1")
		mia.Call(t, "POST", api+"/orgs/acme/invites", body, 403, nil, "Idempotency-Key", "k1") // another's key is another key
		ada.Call(t, "POST", api+"/orgs", `{"slug":"once"}`, 201, nil, "Idempotency-Key", "k2")
		made := ada.Call(t, "POST", api+"/orgs", `{"slug":"once"}`, 201, nil, "Idempotency-Key", "k2")
		if made.Header.Get("ETag") != `"1"` {
			t.Errorf("a replay without its ETag: %v", made.Header)
		}
		ada.Call(t, "POST", api+"/orgs", `{"slug":"once"}`, 409, nil)
		ada.Call(t, "POST", api+"/orgs", `{"slug":"twice"}`, 422, nil, "Idempotency-Key", strings.Repeat("k", 101))
		if b := s.Must("GET", "/orgs/acme/invites", "").Body; strings.Count(b, "once@example.com") != 1 {
			t.Errorf("invited more than once: %s", b)
		}
	})

	t.Run("ETag", func(t *testing.T) {
		a := ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"One"}`, 200, nil)
		tag := a.Header.Get("ETag")
		ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Two"}`, 200, nil, "If-Match", tag)
		ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Three"}`, 412, nil, "If-Match", tag)
		ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Three"}`, 412, nil, "If-Match", "nonsense")
	})

	t.Run("Accounts", func(t *testing.T) {
		var me struct {
			User struct{ ID, Name string }
			Orgs []struct{ Slug, Role string }
		}
		mia.Call(t, "PATCH", api+"/me", `{"name":"Mia M"}`, 200, &me)
		if me.User.Name != "Mia M" || len(me.Orgs) != 1 || me.Orgs[0].Role != "member" {
			t.Errorf("%+v", me)
		}
		ada.Call(t, "GET", api+"/users/mia@example.com", "", 200, nil)
		ada.Call(t, "PATCH", api+"/users/ada@example.com", `{"platform_admin":false}`, 409, nil)
		ada.Call(t, "PATCH", api+"/orgs/acme/members/mia@example.com", `{"role":"admin"}`, 204, nil)
		ada.Call(t, "PATCH", api+"/orgs/acme/members/mia@example.com", `{"role":"member"}`, 204, nil)
		ada.Call(t, "DELETE", api+"/users/"+me.User.ID+"/sessions", "", 204, nil)
		mia.Call(t, "GET", api+"/me", "", 401, nil)
	})

	t.Run("Document", func(t *testing.T) {
		a := s.Person().Call(t, "GET", api+"/openapi.json", "", 200, nil)
		if !strings.Contains(a.Body, `"openapi":"3.1.0"`) || !strings.Contains(a.Body, "/api/v1/orgs/{org}/keep") {
			t.Errorf("%.300s", a.Body)
		}
	})

	t.Run("Logs", func(t *testing.T) {
		a := ada.Call(t, "GET", api+"/orgs/acme/instance/logs?lines=5", "", 200, nil)
		if !strings.Contains(a.Body, "notebook") && !strings.Contains(a.Body, "listen") {
			t.Errorf("log: %q", a.Body)
		}
	})
}
