package endtoend

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

const orgCookie = servertest.OrgCookie

// scene is two orgs: mia is a member of acme, bob owns globex and is the attacker.
type scene struct {
	*server
	ada, mia, bob     *person
	acmeID, globexID  string
	miaOrg, bobOrg    string // their org cookies
	assertion         string // mia's, as acme's instance sees it
	bobsOwnAssertion  string
	seenByTheInstance string
}

func newScene(t *testing.T) *scene {
	s := start(t)
	c := &scene{server: s, ada: s.admin()}
	c.acmeID, c.globexID = s.org(c.ada, "acme"), s.org(c.ada, "globex")
	c.mia, c.bob = s.invite(c.ada, "acme", "mia@example.com", "member"), s.invite(c.ada, "globex", "bob@example.com", "owner")
	var seen string
	c.assertion, seen = c.assertionOf(c.mia, "acme")
	c.bobsOwnAssertion, _ = c.assertionOf(c.bob, "globex")
	c.seenByTheInstance = seen
	c.miaOrg, c.bobOrg = c.mia.cookie(s.url("acme"), orgCookie), c.bob.cookie(s.url("globex"), orgCookie)
	if c.miaOrg == "" || c.bobOrg == "" {
		t.Fatal("no org cookies")
	}
	return c
}

// assertionOf lets a person in, and returns what the instance got.
func (c *scene) assertionOf(p *person, slug string) (assertion, all string) {
	c.t.Helper()
	if a := p.open(c.url(slug) + "/"); a.status != 200 {
		c.t.Fatalf("%s: %d %s", slug, a.status, a.body)
	}
	a := p.fetch("GET", c.url(slug)+"/whoami", "")
	var v struct{ Headers http.Header }
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Headers["Pizzeria-Assertion"]) != 1 {
		c.t.Fatalf("whoami: %s", a.body)
	}
	return v.Headers["Pizzeria-Assertion"][0], a.body
}

// raw sends bytes over TLS with a server name, and returns the answer.
func (c *scene) raw(sni, request string) (int, string) {
	c.t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port), &tls.Config{RootCAs: c.root, ServerName: sni, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, request); err != nil {
		c.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func (c *scene) request(method, path, host string, lines ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nCookie: " + orgCookie + "=" + c.miaOrg + "\r\nSec-Fetch-Site: same-origin\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func TestAttacks(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	acme, globex := c.url("acme"), c.url("globex")
	sni := "acme." + domain

	t.Run("ReplayedTokens", func(t *testing.T) {
		api := c.bob.fetch("POST", c.url("")+"/api/v1/tokens", "")
		var tok struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(api.body), &tok); err != nil || tok.AccessToken == "" {
			t.Fatalf("API token: %d %s", api.status, api.body)
		}
		signIn := c.bob.cookie(c.url(""), "__Host-pizzeria")
		tokens := map[string]string{"session of acme": c.miaOrg, "session of globex": c.bobOrg, "assertion of acme": c.assertion, "assertion of globex": c.bobsOwnAssertion, "API token": tok.AccessToken, "sign-in session": signIn, "nothing": "x"}
		// The matrix of tokens and places: only the diagonal is accepted.
		for name, token := range tokens {
			for place, target := range map[string]string{"acme": acme + "/whoami", "globex": globex + "/whoami", "API": c.url("") + "/api/v1/me"} {
				for how, header := range map[string]map[string]string{
					"bearer": {"Authorization": "Bearer " + token}, "org cookie": {"Cookie": orgCookie + "=" + token}, "control cookie": {"Cookie": "__Host-pizzeria=" + token}, "header": {"Pizzeria-Assertion": token},
				} {
					header["Sec-Fetch-Site"], header["Accept"] = "same-origin", "*/*"
					a := c.person().do("GET", target, nil, header)
					good := name == "session of "+place && (how == "bearer" || how == "org cookie") ||
						name == "API token" && place == "API" && how == "bearer" || name == "sign-in session" && place == "API" && how == "control cookie"
					if good && a.status != 200 || !good && a.status != 401 {
						t.Errorf("%s as %s at %s: %d", name, how, place, a.status)
					}
				}
			}
		}
	})

	t.Run("WhatTheInstanceSees", func(t *testing.T) {
		for _, canary := range []string{c.miaOrg, c.mia.cookie(c.url(""), "__Host-pizzeria"), "__Host-pizzeria", "globex", c.globexID} {
			if strings.Contains(c.seenByTheInstance, canary) {
				t.Errorf("the instance saw %.20q", canary)
			}
		}
		a := c.person().do("GET", acme+"/whoami", nil, map[string]string{"Authorization": "Bearer " + c.miaOrg, "Accept": "*/*", "Cookie": "app=1; __host-Pizzeria-org=x; __Host-pizzeria-tx-1=y"})
		if a.status != 200 || strings.Contains(a.body, c.miaOrg) || strings.Contains(strings.ToLower(a.body), "__host-") || !strings.Contains(a.body, "app=1") {
			t.Errorf("bearer: %d %s", a.status, a.body)
		}
	})

	t.Run("HeaderGames", func(t *testing.T) {
		_, body := c.raw(sni, c.request("GET", "/whoami", sni, "Pizzeria-Assertion: evil", "pizzeria_assertion: evil", "Pizzeria.Assertion: evil", "PIZZERIA-ASSERTION: evil",
			"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil.example", "Forwarded: for=6.6.6.6", "X-Original-URL: /evil"))
		var v struct{ Headers http.Header }
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(body)
		}
		if strings.Contains(body, "evil") || strings.Contains(body, "6.6.6.6") || len(v.Headers["Pizzeria-Assertion"]) != 1 {
			t.Errorf("the instance saw %s", body)
		}
		for _, option := range []string{"Pizzeria-Assertion", "close, pizzeria-assertion", "PIZZERIA_ASSERTION", "Cookie"} {
			if code, _ := c.raw(sni, c.request("GET", "/whoami", sni, "Connection: "+option)); code != 400 {
				t.Errorf("Connection: %s: %d", option, code)
			}
		}
		for name, want := range map[string]int{"TRACE": 405, "CONNECT": 405} {
			if code, body := c.raw(sni, c.request(name, "/whoami", sni)); code != want && code != 400 {
				t.Errorf("%s: %d %s", name, code, body)
			}
		}
		if code, _ := c.raw(sni, c.request("GET", "/whoami", sni, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade, HTTP2-Settings")); code != 400 {
			t.Errorf("h2c: %d", code)
		}
		code, body := c.raw(sni, c.request("POST", "/size", sni, "Origin: "+acme, "Transfer-Encoding: chunked", "Trailer: Pizzeria-Assertion, X-T")+"3\r\nabc\r\n0\r\nPizzeria-Assertion: evil\r\nX-T: evil\r\n\r\n")
		if code != 200 || strings.Contains(body, "evil") || !strings.Contains(body, `"bytes":3`) {
			t.Errorf("trailers: %d %s", code, body)
		}
	})

	t.Run("Hosts", func(t *testing.T) {
		for _, host := range []string{"globex." + domain, "evil.example", domain, "a.acme." + domain, "acme_." + domain, "xn--acme." + domain, "127.0.0.1", "acme." + domain + ":x", "acme." + domain + "."} {
			code, body := c.raw(sni, c.request("GET", "/whoami", host))
			if code != 421 {
				t.Errorf("Host %s with acme's server name: %d %s", host, code, body)
			}
		}
		for _, host := range []string{"ACME." + domain, "acme." + domain + ":1234"} {
			if code, body := c.raw(sni, c.request("GET", "/whoami", host)); code != 200 {
				t.Errorf("Host %s: %d %s", host, code, body)
			}
		}
		if a := c.person().do("GET", c.url("nosuch")+"/", nil, map[string]string{"Accept": "application/json"}); a.status != 404 || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("unknown slug: %d %s", a.status, a.body)
		}
	})

	t.Run("ReservedPaths", func(t *testing.T) {
		for _, path := range []string{"/.pizzeria/whoami", "/.pizzeria", "/%2epizzeria/session", "/.Pizzeria/session", "//.pizzeria/session", "/x/../.pizzeria/session", "/./.pizzeria/session",
			"/.pizzeria%2fsession", "/.pizzeria;x/session", "/%252epizzeria/session", "/\\.pizzeria/session", "/.pizzeria//session", "/.pizzeri%61/session", "/.pizzeria/./session"} {
			code, body := c.raw(sni, c.request("GET", path, sni))
			if code != 400 && code != 404 {
				t.Errorf("%s: %d %s", path, code, body)
			}
		}
	})

	t.Run("SameSite", func(t *testing.T) {
		for name, h := range map[string]map[string]string{
			"form of a sibling":      {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Origin": globex},
			"fetch of a sibling":     {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", "Origin": globex},
			"old browser":            {"Origin": globex},
			"opaque":                 {"Origin": "null"},
			"sibling, no origin":     {"Sec-Fetch-Site": "same-site"},
			"other site, no origin":  {"Sec-Fetch-Site": "cross-site"},
			"neither header":         {},
			"control plane's origin": {"Sec-Fetch-Site": "same-site", "Origin": c.url("")},
		} {
			h["Content-Type"] = "application/x-www-form-urlencoded"
			if a := c.mia.do("POST", acme+"/notes", strings.NewReader("text=hacked"), h); a.status != 403 {
				t.Errorf("%s: POST to acme: %d", name, a.status)
			}
			if a := c.ada.do("POST", c.url("")+"/orgs/acme/suspend", strings.NewReader("reason=hacked"), h); a.status != 403 && name != "control plane's origin" {
				t.Errorf("%s: POST to the console: %d", name, a.status)
			}
			if a := c.ada.do("POST", c.url("")+"/api/v1/orgs/acme/suspend", strings.NewReader(`{}`), h); a.status != 403 && name != "control plane's origin" {
				t.Errorf("%s: POST to the API: %d", name, a.status)
			}
			if a := c.mia.do("POST", acme+"/.pizzeria/sign-out", nil, h); a.status != 403 {
				t.Errorf("%s: sign-out: %d", name, a.status)
			}
		}
		if a := c.mia.do("GET", acme+"/notes", nil, map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"}); a.status != 401 {
			t.Errorf("a sibling's GET: %d %s", a.status, a.body)
		}
		if a := c.mia.fetch("GET", acme+"/notes", ""); strings.Contains(a.body, "hacked") || a.status != 200 {
			t.Errorf("notes: %d %s", a.status, a.body)
		}
		for _, origin := range []string{globex, "", "null", acme + ".evil.example"} {
			if _, err := c.dial(c.mia, origin); err == nil {
				t.Errorf("a WebSocket from %q was opened", origin)
			}
		}
	})

	// What globex's instance holds, at acme's instance itself: where instances are not isolated, it
	// can reach the socket.
	t.Run("InstanceToInstance", func(t *testing.T) {
		sockets, err := filepath.Glob(filepath.Join(c.dir, "data/run/*/app.sock"))
		if err != nil || len(sockets) != 2 {
			t.Fatalf("sockets: %v %v", sockets, err)
		}
		for token, good := range map[string]int{c.assertion: 1, c.bobsOwnAssertion: 1, c.miaOrg: 0, c.bobOrg: 0, "": 0} {
			accepted := 0
			for _, socket := range sockets {
				tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					var d net.Dialer
					return d.DialContext(ctx, "unix", socket)
				}}
				req, err := http.NewRequest("GET", "http://instance/whoami", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Pizzeria-Assertion", token)
				res, err := tr.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode == 200 {
					accepted++
				} else if res.StatusCode != 401 {
					t.Errorf("%d", res.StatusCode)
				}
			}
			if accepted != good {
				t.Errorf("%.40s is accepted by %d instances, want %d", token, accepted, good)
			}
		}
	})

	t.Run("TossedCookies", func(t *testing.T) {
		for _, cookie := range []string{orgCookie + "=" + c.bobOrg + "; " + orgCookie + "=" + c.miaOrg, orgCookie + "=" + c.miaOrg + "; " + orgCookie + "=x"} {
			if a := c.person().do("GET", acme+"/whoami", nil, map[string]string{"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "Accept": "*/*"}); a.status != 401 {
				t.Errorf("two cookies: %d %s", a.status, a.body)
			}
		}
	})

	t.Run("SignInFlow", func(t *testing.T) { attackSignIn(t, c) })

	// Bob is owner of globex, and names what is acme's there.
	t.Run("OthersIDs", func(t *testing.T) {
		var v struct {
			Items []struct {
				UserID string `json:"user_id"`
			}
			Invite struct{ ID string }
		}
		if err := json.Unmarshal([]byte(c.ada.fetch("GET", c.url("")+"/api/v1/orgs/acme/members", "").body), &v); err != nil || len(v.Items) != 2 {
			t.Fatalf("%+v %v", v, err)
		}
		if err := json.Unmarshal([]byte(c.ada.fetch("POST", c.url("")+"/api/v1/orgs/acme/invites", `{"email":"x@example.com","role":"member"}`).body), &v); err != nil || v.Invite.ID == "" {
			t.Fatalf("%+v %v", v, err)
		}
		c.bob.c.CheckRedirect = nil
		for _, m := range v.Items {
			if a := c.bob.fetch("PATCH", c.url("")+"/api/v1/orgs/acme/members/"+m.UserID, `{"role":"member"}`); a.status != 404 {
				t.Errorf("role in acme: %d %s", a.status, a.body)
			}
			if m.UserID == v.Items[0].UserID {
				continue // ada is in globex, too
			}
			if a := c.bob.fetch("PATCH", c.url("")+"/api/v1/orgs/globex/members/"+m.UserID, `{"role":"member"}`); a.status != 404 {
				t.Errorf("role of a stranger: %d %s", a.status, a.body)
			}
			if a := c.bob.fetch("DELETE", c.url("")+"/api/v1/orgs/globex/members/"+m.UserID, ""); a.status != 404 {
				t.Errorf("removal of a stranger: %d %s", a.status, a.body)
			}
		}
		if a := c.bob.fetch("DELETE", c.url("")+"/api/v1/orgs/globex/invites/"+v.Invite.ID, ""); a.status != 404 {
			t.Errorf("another org's invitation: %d %s", a.status, a.body)
		}
		if a := c.ada.fetch("GET", c.url("")+"/api/v1/orgs/acme/invites", ""); !strings.Contains(a.body, v.Invite.ID) {
			t.Errorf("the invitation is gone: %s", a.body)
		}
	})

	// Last: it ends mia's membership.
	t.Run("Revocation", func(t *testing.T) {
		ws, err := c.dial(c.mia, acme)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ws.CloseNow() }()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := ws.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := ws.Read(ctx); err != nil || string(b) != "hello" {
			t.Fatalf("echo: %q %v", b, err)
		}
		var me struct {
			User struct{ ID string }
		}
		if err := json.Unmarshal([]byte(c.mia.fetch("GET", c.url("")+"/api/v1/me", "").body), &me); err != nil {
			t.Fatal(err)
		}
		if a := c.ada.fetch("PATCH", c.url("")+"/api/v1/orgs/acme/members/"+me.User.ID, `{"role":"admin"}`); a.status != 204 {
			t.Fatalf("role: %d %s", a.status, a.body)
		}
		if _, _, err := ws.Read(ctx); err == nil || ctx.Err() != nil {
			t.Fatalf("the WebSocket outlived the change of role: %v", err)
		}
		c.eventually("the new role reaches the instance", func() bool { return strings.Contains(c.mia.fetch("GET", acme+"/whoami", "").body, `"role":"admin"`) })
		ws, err = c.dial(c.mia, acme)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ws.CloseNow() }()
		if a := c.ada.fetch("DELETE", c.url("")+"/api/v1/orgs/acme/members/"+me.User.ID, ""); a.status != 200 {
			t.Fatalf("remove: %d %s", a.status, a.body)
		}
		if _, _, err := ws.Read(ctx); err == nil || ctx.Err() != nil {
			t.Fatalf("the WebSocket outlived the membership: %v", err)
		}
		c.eventually("the removed member is refused", func() bool { return c.mia.fetched(acme+"/whoami") == 403 })
		if a := c.person().do("GET", acme+"/whoami", nil, map[string]string{"Authorization": "Bearer " + c.miaOrg, "Accept": "*/*"}); a.status != 403 && a.status != 401 {
			t.Errorf("the old token: %d", a.status)
		}
	})
}

// dial opens acme's echo as a page of origin would, with the person's cookies.
func (c *server) dial(p *person, origin string) (*websocket.Conn, error) {
	return c.dialOrg(p, "acme", origin)
}

func (c *server) dialOrg(p *person, slug, origin string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h := http.Header{"Cookie": {orgCookie + "=" + p.cookie(c.url(slug), orgCookie)}}
	if origin != "" {
		h.Set("Origin", origin)
	}
	tr := c.transport()
	tr.ForceAttemptHTTP2 = false
	tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	ws, _, err := websocket.Dial(ctx, c.url(slug)+"/echo", &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: h})
	return ws, err
}
