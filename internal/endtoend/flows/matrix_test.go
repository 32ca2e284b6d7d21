package flows

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/api"
	"github.com/pizzaface/pizzeria/internal/console"
	"github.com/pizzaface/pizzeria/internal/servertest"
)

// least says, apart from the code, who may use a route: the least role, or "platform".
// A route of the table without a row here fails the test.
var least = map[string]string{
	"GET /api/v1/me": "anybody", "POST /api/v1/tokens": "anybody", "GET /api/v1/orgs": "anybody",
	"GET /api/v1/plans": "platform", "POST /api/v1/plans": "platform", "GET /api/v1/plans/{plan}": "platform", "PATCH /api/v1/plans/{plan}": "platform", "DELETE /api/v1/plans/{plan}": "platform",
	"PUT /api/v1/orgs/{org}/plan": "platform", "PUT /api/v1/orgs/{org}/provider": "platform", "PATCH /api/v1/orgs/{org}/limits": "platform",
	"POST /api/v1/orgs": "platform", "POST /api/v1/users": "platform",
	"GET /api/v1/orgs/{org}": "member", "PATCH /api/v1/orgs/{org}": "admin", "POST /api/v1/orgs/{org}/rename": "owner",
	"POST /api/v1/orgs/{org}/suspend": "platform", "POST /api/v1/orgs/{org}/resume": "platform",
	"POST /api/v1/orgs/{org}/keep": "owner", "GET /api/v1/orgs/{org}/instance": "member", "POST /api/v1/orgs/{org}/instance/restart": "admin",
	"GET /api/v1/orgs/{org}/instance/environment": "platform", "GET /api/v1/orgs/{org}/instance/metrics": "platform", "GET /api/v1/instances/targets": "platform",
	"GET /api/v1/orgs/{org}/instance/logs": "admin", "GET /api/v1/orgs/{org}/events": "member", "GET /api/v1/events": "platform",
	"PATCH /api/v1/me": "anybody", "GET /api/v1/me/sessions": "anybody", "DELETE /api/v1/me/sessions": "anybody", "DELETE /api/v1/me/sessions/{session}": "anybody",
	"GET /api/v1/users": "platform", "GET /api/v1/users/{user}": "platform", "PATCH /api/v1/users/{user}": "platform",
	"GET /api/v1/users/{user}/sessions": "platform", "DELETE /api/v1/users/{user}/sessions": "platform",
	"GET /api/v1/me/keys": "anybody", "POST /api/v1/me/keys": "anybody", "GET /api/v1/me/keys/{key}": "anybody", "DELETE /api/v1/me/keys/{key}": "anybody",
	"GET /api/v1/orgs/{org}/keys": "admin", "POST /api/v1/orgs/{org}/keys": "admin", "GET /api/v1/orgs/{org}/keys/{key}": "admin", "DELETE /api/v1/orgs/{org}/keys/{key}": "admin",
	"GET /api/v1/orgs/{org}/runners": "member", "GET /api/v1/orgs/{org}/runners/{runner}": "member", "GET /api/v1/orgs/{org}/runner-claims/{claim}": "member", "POST /api/v1/orgs/{org}/runners/claims": "insider", "POST /api/v1/runners": "public",
	"POST /api/v1/orgs/{org}/runners/{runner}/disconnect": "member", "DELETE /api/v1/orgs/{org}/runners/{runner}": "member",
	"GET /orgs/{org}/runners": "member", "POST /orgs/{org}/runners": "insider", "POST /orgs/{org}/runners/{runner}/disconnect": "member", "POST /orgs/{org}/runners/{runner}/revoke": "member",
	"GET /orgs/{org}/members/{user}/remove": "admin",
	"GET /api/v1/orgs/{org}/usage":          "member", "GET /api/v1/usage": "platform", "GET /api/v1/platform": "platform",
	"GET /api/v1/orgs/{org}/settings": "admin", "PATCH /api/v1/orgs/{org}/settings": "admin",
	"GET /api/v1/orgs/{org}/webhooks": "admin", "POST /api/v1/orgs/{org}/webhooks": "admin", "GET /api/v1/orgs/{org}/webhooks/{webhook}": "admin", "PATCH /api/v1/orgs/{org}/webhooks/{webhook}": "admin", "DELETE /api/v1/orgs/{org}/webhooks/{webhook}": "admin",
	"POST /api/v1/orgs/{org}/webhooks/{webhook}/test": "admin", "GET /api/v1/orgs/{org}/webhooks/{webhook}/deliveries": "admin", "POST /api/v1/orgs/{org}/webhooks/{webhook}/deliveries/{delivery}/replay": "admin",
	"GET /api/v1/webhooks": "platform", "POST /api/v1/webhooks": "platform", "GET /api/v1/webhooks/{webhook}": "platform", "PATCH /api/v1/webhooks/{webhook}": "platform", "DELETE /api/v1/webhooks/{webhook}": "platform",
	"POST /api/v1/webhooks/{webhook}/test": "platform", "GET /api/v1/webhooks/{webhook}/deliveries": "platform", "POST /api/v1/webhooks/{webhook}/deliveries/{delivery}/replay": "platform",
	"GET /api/v1/clients": "platform", "POST /api/v1/clients": "platform", "GET /api/v1/clients/{client}": "platform", "PATCH /api/v1/clients/{client}": "platform", "POST /api/v1/clients/{client}/secret": "platform", "DELETE /api/v1/clients/{client}": "platform",
	"GET /platform/apps": "platform", "POST /platform/apps": "platform", "POST /platform/apps/{client}/secret": "platform", "POST /platform/apps/{client}/delete": "platform",
	"GET /api/v1/connections": "platform", "POST /api/v1/connections": "platform", "GET /api/v1/connections/{connection}": "platform", "PUT /api/v1/connections/{connection}": "platform", "DELETE /api/v1/connections/{connection}": "platform",
	"GET /api/v1/orgs/{org}/connections": "admin", "POST /api/v1/orgs/{org}/connections": "owner", "GET /api/v1/orgs/{org}/connections/{connection}": "admin", "PUT /api/v1/orgs/{org}/connections/{connection}": "owner", "DELETE /api/v1/orgs/{org}/connections/{connection}": "owner",
	"GET /api/v1/orgs/{org}/domains": "admin", "POST /api/v1/orgs/{org}/domains": "owner", "GET /api/v1/orgs/{org}/domains/{domain}": "admin", "POST /api/v1/orgs/{org}/domains/{domain}/verify": "owner", "DELETE /api/v1/orgs/{org}/domains/{domain}": "owner",
	"PUT /api/v1/orgs/{org}/session-lifetimes": "owner", "POST /orgs/{org}/sign-in/sessions": "owner",
	"PUT /api/v1/orgs/{org}/sign-in": "owner", "GET /api/v1/users/{user}/identities": "platform", "DELETE /api/v1/users/{user}/identities/{connection}": "platform",
	"GET /platform/sign-in": "platform", "POST /platform/sign-in": "platform", "POST /platform/sign-in/{connection}": "platform", "POST /platform/sign-in/{connection}/delete": "platform",
	"GET /orgs/{org}/sign-in": "admin", "POST /orgs/{org}/sign-in": "owner", "POST /orgs/{org}/sign-in/second-step": "owner", "POST /orgs/{org}/sign-in/domains": "owner", "POST /orgs/{org}/sign-in/domains/{domain}/verify": "owner",
	"POST /orgs/{org}/sign-in/domains/{domain}/remove": "owner", "POST /orgs/{org}/sign-in/{connection}": "owner", "POST /orgs/{org}/sign-in/{connection}/delete": "owner",
	"POST /platform/users/{user}/identities/{connection}/remove": "platform", "GET /sign-in/for/{org}": "member", "GET /sign-in/denied": "anybody", "POST /sign-in/continue": "anybody", "POST /account/identities/{connection}/link": "anybody", "POST /account/identities/{connection}/remove": "anybody",
	"GET /api/v1/orgs/{org}/support": "admin", "POST /api/v1/orgs/{org}/support": "platform", "POST /api/v1/orgs/{org}/support/{support}/approve": "owner alone", "POST /api/v1/orgs/{org}/support/{support}/deny": "owner alone",
	"GET /api/v1/orgs/{org}/support/{support}": "admin", "DELETE /api/v1/orgs/{org}/support/{support}": "admin", "POST /api/v1/orgs/{org}/members/{user}/transfer": "owner alone", "GET /orgs/{org}/members/{user}/transfer": "owner alone", "POST /orgs/{org}/members/{user}/transfer": "owner alone",
	"GET /api/v1/orgs/{org}/approvals": "member", "POST /api/v1/orgs/{org}/approvals/{approval}/approve": "owner alone", "POST /api/v1/orgs/{org}/approvals/{approval}/refuse": "admins alone",
	"GET /api/v1/orgs/{org}/approvals/{approval}": "member", "DELETE /api/v1/orgs/{org}/approvals/{approval}": "platform", "POST /api/v1/orgs/{org}/break-glass": "operator",
	"POST /orgs/{org}/approvals/{approval}/approve": "owner alone", "POST /orgs/{org}/approvals/{approval}/refuse": "admins alone", "POST /orgs/{org}/approvals/{approval}/end": "platform",
	"POST /orgs/{org}/support": "platform", "POST /orgs/{org}/support/{support}": "owner alone", "POST /orgs/{org}/support/{support}/end": "admin",
	"GET /api/v1/signing-keys": "platform", "POST /api/v1/signing-keys/rotate": "platform",
	"POST /api/v1/orgs/{org}/invites/{invite}/resend": "admin", "POST /api/v1/users/{user}/password-link": "platform",
	"POST /orgs/{org}/invites/{invite}/resend": "admin", "POST /platform/users/{user}/password-link": "platform",
	"DELETE /api/v1/users/{user}/second-step": "platform", "POST /platform/users/{user}/second-step/remove": "platform",
	"GET /account/passkey": "anybody", "POST /account/passkey": "anybody", "GET /account/second-step": "anybody", "POST /account/second-step": "anybody", "POST /account/second-step/{factor}/remove": "anybody", "GET /account/recovery-codes": "anybody", "POST /account/recovery-codes": "anybody",
	"POST /account/email": "anybody", "POST /account/email/verify": "anybody",
	"GET /account/review": "anybody", "POST /account/review": "anybody",
	"POST /api/v1/users/{user}/disable": "platform", "POST /api/v1/users/{user}/enable": "platform", "DELETE /api/v1/users/{user}": "platform",
	"GET /platform/users/{user}/disable": "platform", "POST /platform/users/{user}/disable": "platform", "POST /platform/users/{user}/enable": "platform",
	"GET /platform/users/{user}/delete": "platform", "POST /platform/users/{user}/delete": "platform",
	"GET /account/delete": "anybody", "POST /account/delete": "anybody",
	"POST /platform/users/{user}/verify": "platform", "POST /api/v1/users/{user}/verify": "platform",
	"GET /device": "anybody", "POST /device": "anybody",
	"GET /api/v1/audit/export": "platform", "GET /api/v1/orgs/{org}/audit/export": "admin", "GET /api/v1/audit": "platform", "GET /api/v1/audit/verify": "platform",
	"DELETE /api/v1/orgs/{org}": "owner", "GET /api/v1/orgs/{org}/members": "member", "PATCH /api/v1/orgs/{org}/members/{user}": "admin",
	"GET /api/v1/orgs/{org}/members/{user}": "member", "DELETE /api/v1/orgs/{org}/members/{user}": "admin", "GET /api/v1/orgs/{org}/invites": "admin", "POST /api/v1/orgs/{org}/invites": "admin",
	"GET /api/v1/orgs/{org}/invites/{invite}": "admin", "DELETE /api/v1/orgs/{org}/invites/{invite}": "admin", "GET /api/v1/orgs/{org}/audit": "admin",

	"GET /{$}": "anybody", "GET /account": "anybody", "POST /account/password": "anybody", "POST /account/name": "anybody",
	"POST /account/sessions/end": "anybody", "POST /account/sessions/{session}/end": "anybody", "POST /account/keys": "anybody", "GET /continue/{draft}": "anybody",
	"POST /account/keys/{key}/revoke": "anybody", "POST /theme": "anybody",
	"GET /orgs/{org}/webhooks": "admin", "POST /orgs/{org}/webhooks": "admin", "POST /orgs/{org}/webhooks/{webhook}/test": "admin",
	"POST /orgs/{org}/webhooks/{webhook}/active": "admin", "POST /orgs/{org}/webhooks/{webhook}/replay": "admin", "POST /orgs/{org}/webhooks/{webhook}/delete": "admin",
	"GET /platform/webhooks": "platform", "POST /platform/webhooks": "platform", "POST /platform/webhooks/{webhook}/test": "platform",
	"POST /platform/webhooks/{webhook}/active": "platform", "POST /platform/webhooks/{webhook}/replay": "platform", "POST /platform/webhooks/{webhook}/delete": "platform",
	"GET /platform/settings": "platform", "GET /platform": "platform", "GET /platform/orgs": "platform", "GET /platform/instances": "platform", "GET /platform/audit": "platform",
	"GET /platform/users": "platform", "GET /platform/users/{user}": "platform", "POST /platform/users/{user}/admin": "platform", "POST /platform/users/{user}/sign-out": "platform",
	"GET /orgs/{org}/instance": "member", "GET /orgs/{org}/instance/log": "admin", "GET /orgs/{org}/settings": "admin", "POST /orgs/{org}/settings": "admin",
	"POST /orgs/{org}/name": "admin", "POST /orgs/{org}/rename": "owner", "GET /orgs/{org}/keys": "admin", "POST /orgs/{org}/keys": "admin", "POST /orgs/{org}/keys/{key}/revoke": "admin",
	"GET /orgs/new": "platform", "POST /orgs": "platform", "GET /orgs/{org}": "member", "GET /orgs/{org}/live": "member", "GET /platform/live": "platform",
	"GET /orgs/{org}/members": "member", "POST /orgs/{org}/invites": "admin", "POST /orgs/{org}/invites/{invite}/revoke": "admin",
	"POST /orgs/{org}/members/{user}/role": "admin", "POST /orgs/{org}/members/{user}/remove": "admin", "GET /orgs/{org}/audit": "admin",
	"GET /platform/plans": "platform", "POST /platform/plans": "platform", "GET /platform/plans/{plan}": "platform", "POST /platform/plans/{plan}": "platform", "POST /platform/plans/{plan}/delete": "platform",
	"POST /orgs/{org}/plan": "platform", "POST /orgs/{org}/limits": "platform", "POST /orgs/{org}/suspend": "platform", "POST /orgs/{org}/resume": "platform", "POST /orgs/{org}/restart": "admin",
	"GET /orgs/{org}/delete": "owner", "POST /orgs/{org}/delete": "owner", "POST /orgs/{org}/keep": "owner",
}

// rank orders the people of the matrix; a stranger is an owner, elsewhere.
var rank = map[string]int{"nobody": 0, "stranger": 1, "member": 2, "admin": 3, "owner": 4, "platform": 5}

func allowed(who, row string) bool {
	switch row {
	case "insider": // what lets its doer see what members see
		return rank[who] >= rank["member"] && who != "platform"
	case "owner alone":
		return who == "owner"
	case "admins alone":
		return who == "admin" || who == "owner"
	case "operator":
		return false
	case "public":
		return true
	case "anybody":
		return who != "nobody"
	case "platform":
		return who == "platform"
	}
	return rank[who] >= rank[row]
}

// TestIsolationMatrix asks every route of the control plane as everybody.
func TestIsolationMatrix(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	ada := s.Admin()
	id := s.Org(ada, "acme")
	s.Org(ada, "globex")
	people := map[string]*servertest.Person{
		"nobody": s.Person(), "stranger": s.Invite(ada, "globex", "stranger@example.com", "owner"), "member": s.Invite(ada, "acme", "member@example.com", "member"),
		"admin": s.Invite(ada, "acme", "admin@example.com", "admin"), "owner": s.Invite(ada, "acme", "owner@example.com", "owner"),
		"platform": platformAdmin(s),
	}
	unknown := "01890000-0000-7000-8000-000000000000"
	fill := strings.NewReplacer("{org}", id, "{user}", unknown, "{invite}", unknown, "{session}", unknown, "{key}", unknown, "{webhook}", unknown, "{delivery}", unknown, "{runner}", unknown, "{client}", unknown, "{factor}", unknown, "{connection}", unknown, "{claim}", unknown, "{support}", unknown, "{approval}", unknown, "{domain}", "example.com", "{plan}", unknown, "{$}", "")
	for who, p := range people {
		p.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, rt := range api.Routes() {
			name := rt.Method + " " + rt.Pattern
			row, ok := least[name]
			if !ok {
				t.Errorf("%s has no row in the matrix", name)
				continue
			}
			may := allowed(who, row)
			if rt.Streams && may {
				continue // the stream's own tests read it
			}
			// What is allowed fails after the decision, so that the matrix changes nothing: a stale version, or no input.
			// What is not allowed is asked for with good input, so that nothing else refuses it.
			body := []byte(`{}`)
			if rt.Body == nil {
				body = nil
			} else if !may {
				body, _ = json.Marshal(rt.Body)
			}
			a := p.Do(rt.Method, s.URL("")+fill.Replace(rt.Pattern), bytes.NewReader(body), map[string]string{
				"Sec-Fetch-Site": "same-origin", "Origin": s.URL(""), "Content-Type": "application/json", "If-Match": `"987654321"`,
			})
			judge(t, who, name, a, may, strings.Contains(rt.Pattern, "{org}"), http.StatusUnauthorized)
		}
		for _, rt := range console.Routes() {
			name := rt.Method + " " + rt.Pattern
			if rt.Public {
				continue
			}
			row, ok := least[name]
			if !ok {
				t.Errorf("%s has no row in the matrix", name)
				continue
			}
			if may := allowed(who, row); may && (rt.Method == "POST" || strings.HasSuffix(rt.Pattern, "/live") || strings.HasSuffix(rt.Pattern, "/log")) {
				continue // forms have no stale version; the tour sends them
			}
			target := s.URL("") + fill.Replace(rt.Pattern)
			a, nobody := p.Open(target), http.StatusSeeOther
			if rt.Method == "POST" { // a form is not dropped by a redirect
				a, nobody = p.Submit(target, url.Values{"confirm": {"acme"}}), http.StatusUnauthorized
			}
			judge(t, who, name, a, allowed(who, row), strings.Contains(rt.Pattern, "{org}"), nobody)
		}
	}
	// The org's own host: its members alone, also in its reserved paths and for its WebSockets.
	for who, p := range people {
		p.Client.CheckRedirect = nil
		member := who == "member" || who == "admin" || who == "owner"
		switch a := p.Open(s.URL("acme") + "/"); {
		case member:
			if a.Status != 200 || !strings.Contains(a.Body, `id="role">`+who+"<") {
				t.Errorf("acme as %s: %d %s", who, a.Status, a.Body)
			}
		case who == "nobody":
			if a.URL.Path != "/sign-in" {
				t.Errorf("acme as nobody: %d at %s", a.Status, a.URL)
			}
		default: // also a platform admin, who manages orgs and reads none
			if a.Status != 403 || strings.Contains(a.Body, "notebook") {
				t.Errorf("acme as %s: %d %s", who, a.Status, a.Body)
			}
		}
		for _, path := range []string{"/notes", "/whoami", "/.pizzeria/session", "/nosuch"} {
			if a := p.Fetch("GET", s.URL("acme")+path, ""); (a.Status == 401) == member {
				t.Errorf("%s as %s: %d", path, who, a.Status)
			}
		}
		ws, err := p.Dial(s.URL("acme"), s.URL("acme"))
		if (err == nil) != member {
			t.Errorf("WebSocket as %s: %v", who, err)
		}
		if err == nil {
			_ = ws.CloseNow()
		}
	}
	if a := ada.Fetch("GET", s.URL("")+"/api/v1/orgs/acme", ""); !strings.Contains(a.Body, `"status":"active"`) || !strings.Contains(a.Body, `"version":1,`) {
		t.Errorf("the matrix changed the org: %s", a.Body)
	}
}

func judge(t *testing.T, who, name string, a servertest.Answer, may, inOrg bool, nobody int) {
	t.Helper()
	want := http.StatusForbidden
	switch {
	case may:
		if a.Status == 401 || a.Status == 403 || a.Status == 404 && strings.Contains(a.Body, "no such org") || a.Status >= 500 {
			t.Errorf("%s as %s: refused with %d %s", name, who, a.Status, a.Body)
		}
		return
	case who == "nobody":
		want = nobody
	case who == "stranger" && inOrg:
		want = http.StatusNotFound
	}
	if a.Status != want {
		t.Errorf("%s as %s: %d, want %d: %s", name, who, a.Status, want, a.Body)
	}
	if who != "platform" && strings.Contains(a.Body, "The acme org") && (who == "stranger" || who == "nobody") {
		t.Errorf("%s as %s names the org", name, who)
	}
}
