package endtoend

import (
	"encoding/json"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// zone is a real DNS server with TXT records.
type zone struct {
	mu      sync.Mutex
	records map[string]string
	address string
}

func startZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{records: map[string]string{}}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.address = conn.LocalAddr().String()
	server := &dns.Server{PacketConn: conn, Handler: z}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return z
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	z.mu.Lock()
	defer z.mu.Unlock()
	if v, ok := z.records[strings.ToLower(q.Question[0].Name)]; ok && q.Question[0].Qtype == dns.TypeTXT {
		m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1}, Txt: []string{v}})
	} else {
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m)
}

func (z *zone) set(name, value string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[strings.ToLower(name)+"."] = value
}

var link = regexp.MustCompile(`href="([^"]+)"`)

// follow opens the first link of a page that holds a text.
func (p *person) follow(a answer, holds string) answer {
	p.s.t.Helper()
	for _, m := range link.FindAllStringSubmatch(a.body, -1) {
		to := html.UnescapeString(m[1])
		if !strings.Contains(to, holds) {
			continue
		}
		u, err := a.url.Parse(to)
		if err != nil {
			p.s.t.Fatal(err)
		}
		return p.open(u.String())
	}
	p.s.t.Fatalf("no link to %s at %s: %d %s", holds, a.url, a.status, tail(a.body, 1500))
	return a
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// with presses the button of a page that begins a sign-in at a provider, and goes there.
func (p *person) with(a answer, connection string) answer {
	p.s.t.Helper()
	action := "/sign-in/with/" + connection
	_, values := p.form(a, action)
	return p.follow(p.submit(p.s.url("")+action, values), "/dex/auth")
}

// form is what a page's form says of itself, and its hidden fields.
func (p *person) form(a answer, action string) (attributes string, values url.Values) {
	p.s.t.Helper()
	_, form, ok := strings.Cut(a.body, `<form method="post" action="`+action+`"`)
	if !ok {
		p.s.t.Fatalf("no form for %s at %s: %d %s", action, a.url, a.status, tail(a.body, 1500))
	}
	form, _, _ = strings.Cut(form, "</form>")
	attributes, _, _ = strings.Cut(form, ">")
	values = url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(form, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	return attributes, values
}

// atDex signs in at Dex as Kilgore, who has the group authors.
func (p *person) atDex(a answer) answer {
	p.s.t.Helper()
	return p.follow(a, "/dex/auth/mock")
}

// atDexWith signs in at Dex with an account of its own.
func (p *person) atDexWith(a answer, email string) answer {
	p.s.t.Helper()
	a = p.follow(a, "/dex/auth/local")
	return p.do("POST", a.url.String(), strings.NewReader(url.Values{"login": {email}, "password": {password}}.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

func (d *dex) spec(more string) string {
	return fmt.Sprintf(`{"name":"Dex","issuer":%q,"client_id":%q,"client_secret":%q,"scopes":["profile","email","groups"]%s}`, d.issuer(), dexClient, dexSecret, more)
}

// TestExternalSignIn: people sign in with their company by a real Dex: by e-mail domain, with roles, forced, linked, and no further.
func TestExternalSignIn(t *testing.T) {
	t.Parallel()
	d, z := startDex(t), startZone(t)
	s := startWith(t, "resolvers "+z.address, "org_gateway", "SSL_CERT_FILE="+elsewhere.certFile)
	ca := s.root
	ca.AddCert(elsewhere.cert)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "other")
	olga := s.invite(ada, "acme", "olga@owners.example", "owner")
	eve := s.invite(ada, "acme", "eve@example.com", "member")
	api := s.url("") + "/api/v1"

	// What an org's people name is never a private address, unless the operator allows it.
	if a := olga.fetch("POST", api+"/orgs/acme/connections", d.spec("")); a.status != 422 || !strings.Contains(a.body, "private") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.write(s.caddyfile("resolvers "+z.address+"\n connection_allow 127.0.0.0/8 ::1", 0))
	s.must("reload", "--config", "Caddyfile", "--address", "unix/./data/admin.sock", "--force")
	make := func(p *person, path, more string) (id, callback string) {
		t.Helper()
		a := p.fetch("POST", api+path, d.spec(more))
		var v struct {
			ID  string
			URI string `json:"redirect_uri"`
		}
		if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != 201 || strings.Contains(a.body, dexSecret) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return v.ID, v.URI
	}
	own, ownCallback := make(olga, "/orgs/acme/connections", `,"default_role":"","roles_claim":"groups","roles":[{"value":"authors","role":"admin"}]`)
	all, allCallback := make(ada, "/connections", "")
	d.allow(ownCallback, allCallback)

	// A domain counts once its record was seen.
	var domain struct{ Record, Value string }
	a := olga.fetch("POST", api+"/orgs/acme/domains", `{"domain":"Kilgore.Trout"}`)
	if err := json.Unmarshal([]byte(a.body), &domain); err != nil || a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := olga.fetch("POST", api+"/orgs/acme/domains/kilgore.trout/verify", ""); a.status != 409 || !strings.Contains(a.body, domain.Value) {
		t.Errorf("without a record: %d %s", a.status, a.body)
	}
	if a := olga.fetch("POST", api+"/orgs/acme/domains/kilgore.trout/verify?vouch=true", ""); a.status != 403 {
		t.Errorf("an owner vouched: %d %s", a.status, a.body)
	}
	z.set(domain.Record, domain.Value+"x")
	if a := olga.fetch("POST", api+"/orgs/acme/domains/kilgore.trout/verify", ""); a.status != 409 {
		t.Errorf("with another record: %d %s", a.status, a.body)
	}
	kilgore := s.person()
	toDex := "/sign-in/with/" + own
	if a := kilgore.atDex(kilgore.with(kilgore.open(s.url("acme")+"/"), own)); a.status != 403 || !strings.Contains(a.body, "no verified domain") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	z.set(domain.Record, domain.Value)
	if a := olga.fetch("POST", api+"/orgs/acme/domains/kilgore.trout/verify", ""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}

	// From the org's page to the provider and back, as a member with the role of the mapping.
	a = kilgore.atDex(kilgore.with(kilgore.open(s.url("acme")+"/"), own))
	if a.status != 200 || !strings.HasPrefix(a.url.String(), s.url("acme")) || !strings.Contains(a.body, "kilgore@kilgore.trout") {
		t.Fatalf("%d at %s: %s", a.status, a.url, tail(a.body, 1500))
	}
	if a := kilgore.fetch("GET", api+"/orgs/acme", ""); a.status != 200 || !strings.Contains(a.body, `"role":"admin"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := kilgore.fetch("GET", api+"/orgs/other", ""); a.status != 404 {
		t.Errorf("another org: %d", a.status)
	}
	// The company is found by the address, too.
	if a := s.person().submit(s.url("")+"/sign-in/company", url.Values{"email": {"anybody@kilgore.trout"}}); a.status != 200 || !strings.Contains(a.body, "/dex/auth") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.person().submit(s.url("")+"/sign-in/company", url.Values{"email": {"anybody@example.com"}}); a.status != 422 {
		t.Errorf("%d", a.status)
	}

	// An answer is good in the browser that asked, for the question that it asked, once.
	callback := func(p *person) *url.URL {
		t.Helper()
		p.c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == "/sign-in/with/"+own+"/callback" {
				return http.ErrUseLastResponse
			}
			return nil
		}
		a := p.atDex(p.with(p.open(s.url("")+toDex), own))
		p.c.CheckRedirect = nil
		u, err := url.Parse(a.header.Get("Location"))
		if err != nil || u.Query().Get("code") == "" {
			t.Fatalf("%d %s", a.status, a.header)
		}
		return u
	}
	p := s.person()
	back := callback(p)
	changed := func(key, value string) string {
		u, q := *back, back.Query()
		q.Set(key, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for what, a := range map[string]answer{
		"another browser": s.person().open(back.String()), "another state": p.open(changed("state", "x")), "another issuer": p.open(changed("iss", "https://evil.example")),
		"an error": p.open(changed("error", "access_denied")), "repeated": p.open(back.String() + "&code=x"),
		"another connection": p.open(strings.Replace(back.String(), own, all, 1)), "another code": p.open(changed("code", "x")),
	} {
		if a.status != 403 && a.status != 410 {
			t.Errorf("%s: %d at %s", what, a.status, a.url)
		}
	}
	if a := p.open(back.String()); a.status != 200 {
		t.Errorf("the answer itself: %d %s", a.status, tail(a.body, 500))
	}
	if a := p.open(back.String()); a.status != 410 {
		t.Errorf("the same again: %d", a.status)
	}

	// A provider's word is no second step.
	if a = kilgore.open(s.url("") + "/account/second-step"); a.url.Path != "/sign-in" || !strings.Contains(a.body, `name="again" value="1"`) {
		t.Fatalf("who may have been let through without a question adds a second step: %d at %s", a.status, a.url)
	}
	// Nor does one that does not say when they signed in confirm that it is them.
	if a = kilgore.atDex(kilgore.with(a, own)); a.status != 403 || !strings.Contains(a.body, "does not say when you signed in") {
		t.Fatalf("%d at %s: %s", a.status, a.url, tail(a.body, 500))
	}
	s.sql(`UPDATE sessions SET auth_time = created_at`)
	code := kilgore.addApp("Phone")
	again := s.person()
	a = again.atDex(again.with(again.open(s.url("acme")+"/"), own))
	if a.status != 200 || !strings.Contains(a.body, "Second step") {
		t.Fatalf("%d at %s: %s", a.status, a.url, tail(a.body, 500))
	}
	if a := again.fetch("GET", api+"/me", ""); a.status != 401 {
		t.Errorf("half-way: %d", a.status)
	}
	a = again.submit(s.url("")+"/sign-in/second", url.Values{"second": {regexp.MustCompile(`name="second" value="([^"]+)"`).FindStringSubmatch(a.body)[1]}, "return": {"/account"}, "code": {code(time.Now().Add(30 * time.Second))}})
	if a.status != 200 || a.url.Path != "/account" || !strings.Contains(a.body, "You have none: you sign in by a linked account") {
		t.Errorf("%d at %s: %s", a.status, a.url, tail(a.body, 500))
	}

	// Somebody with an account links it, and then comes by the provider for everybody. Nobody else's address finds an account.
	stranger := s.person()
	if a := stranger.atDexWith(stranger.with(stranger.open(s.url("")+"/sign-in/with/"+all), all), "dev@example.org"); a.status != 403 || !strings.Contains(a.body, "invite") {
		t.Errorf("%d %s", a.status, tail(a.body, 500))
	}
	same := s.person()
	if a := same.atDexWith(same.with(same.open(s.url("")+"/sign-in/with/"+all), all), "eve@example.com"); a.status != 403 || !strings.Contains(a.body, "not verified") {
		t.Errorf("an account whose address nobody verified: %d %s", a.status, tail(a.body, 500))
	}
	a = eve.submit(s.url("")+"/account/identities/"+all+"/link", nil)
	a = eve.atDexWith(eve.follow(a, "/dex/auth"), "eve@example.com")
	if a.status != 200 || a.url.Path != "/account" || !strings.Contains(a.body, "The account is linked") {
		t.Fatalf("%d at %s: %s", a.status, a.url, tail(a.body, 500))
	}
	if a := same.atDexWith(same.with(same.open(s.url("")+"/sign-in/with/"+all+"?return=/account"), all), "eve@example.com"); a.status != 200 || a.url.Path != "/account" || !strings.Contains(a.body, "eve@example.com") {
		t.Errorf("%d at %s", a.status, a.url)
	}
	// The link is begun by a page of ours alone: another page would link its own account.
	if a := eve.do("POST", s.url("")+"/account/identities/"+all+"/link", nil, map[string]string{"Sec-Fetch-Site": "same-site", "Origin": s.url("acme")}); a.status != 403 {
		t.Errorf("%d", a.status)
	}

	// Forced: a password lets nobody but owners in, from now on and in what is open.
	if a := eve.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d", a.status)
	}
	ws, err := s.dialOrg(eve, "acme", s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	if a := olga.fetch("PUT", api+"/orgs/acme/connections/"+own, d.spec(`,"required":true,"default_role":"","roles_claim":"groups","roles":[{"value":"authors","role":"admin"}]`)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	s.eventually("a WebSocket of before ends", func() bool { return servertest.Echo(ws) != nil })
	if a := eve.fetch("GET", s.url("acme")+"/whoami", ""); a.status != 401 {
		t.Errorf("a session of before: %d", a.status)
	}
	if a := eve.fetch("GET", api+"/orgs/acme/members", ""); a.status != 401 || !strings.Contains(a.body, "sign in with their company") {
		t.Errorf("management: %d %s", a.status, a.body)
	}
	for _, at := range []string{s.url("acme") + "/", s.url("") + "/orgs/acme", s.url("") + "/orgs/acme/members"} {
		a := eve.open(at)
		if a.url.Path != toDex {
			t.Errorf("%s leads to %s, not to the company", at, a.url)
		}
		if a = eve.with(a, own); a.url.Host != fmt.Sprintf("localhost:%d", d.port) {
			t.Errorf("the page for the company leads to %s", a.url)
		}
	}
	for name, p := range map[string]*person{"kilgore": again, "olga": olga} {
		if a := p.open(s.url("acme") + "/"); a.status != 200 || !strings.HasPrefix(a.url.String(), s.url("acme")) {
			t.Errorf("%s: %d at %s", name, a.status, a.url)
		}
	}
	if a := eve.open(s.url("") + "/account"); a.status != 200 || a.url.Path != "/account" {
		t.Errorf("the account: %d at %s", a.status, a.url)
	}

	// With a connection go the sessions that it made.
	if a := olga.fetch("DELETE", api+"/orgs/acme/connections/"+own, ""); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := again.fetch("GET", api+"/me", ""); a.status != 401 {
		t.Errorf("a session by a connection that is gone: %d", a.status)
	}
	if a := eve.open(s.url("acme") + "/"); a.status != 200 {
		t.Errorf("not forced any more: %d at %s", a.status, a.url)
	}
	if strings.Contains(s.out.String(), dexSecret) {
		t.Error("the log holds the client's secret")
	}
	s.must("audit", "verify")

	// A provider that is away says so, and nothing else suffers.
	d.stop()
	if a := s.person().open(s.url("") + "/sign-in"); a.status != 200 {
		t.Errorf("%d", a.status)
	}
}

// TestExternalSignInInBrowser: an owner sets it up, and somebody comes in, in a real browser with its policies.
func TestExternalSignInInBrowser(t *testing.T) {
	t.Parallel()
	d := startDex(t)
	s := startWith(t, "connection_allow 127.0.0.0/8 ::1", "org_gateway", "SSL_CERT_FILE="+elsewhere.certFile)
	ada := s.admin()
	s.org(ada, "acme")
	b := s.chromium()
	b.visit(s.url("") + "/orgs/acme/sign-in")
	b.fill(map[string]string{"email": "ada@example.com", "password": password})
	b.press("form.card button", "No provider is connected")
	b.fill(map[string]string{"domain": "kilgore.trout"})
	b.press(`form[action$="/domains"] button`, "Add this TXT record")
	b.shot("sign-in-domain")
	b.press(`section form:has(input[name=vouch]) button`, "The domain is verified")
	b.fill(map[string]string{"name": "Acme’s Dex", "issuer": d.issuer() + "x", "client_id": dexClient, "client_secret": dexSecret})
	b.press(`form[action$="/sign-in"] > button`, "does not answer as an OpenID provider")
	b.shot("sign-in-refused")
	b.fill(map[string]string{"issuer": d.issuer(), "client_secret": dexSecret})
	b.press(`form[action$="/sign-in"] > button`, "The connection is made")
	b.accessible("connections")
	b.shot("sign-in-connections")
	var callback string
	for _, code := range strings.Fields(b.script(`return [...document.querySelectorAll("dd code")].map(e => e.textContent).join(" ")`)) {
		if strings.HasSuffix(code, "/callback") {
			callback = code
		}
	}
	d.allow(callback)

	k := b.other()
	k.visit(s.url("acme") + "/")
	k.shows("Sign in with Acme’s Dex")
	k.accessible("sign-in-external")
	k.shot("sign-in-external")
	k.press(`form[action^="/sign-in/with/"] button`, "Log in to dex")
	k.press(`a[href*="/auth/mock"]`, "kilgore@kilgore.trout")
	if at := k.location(); !strings.HasPrefix(at, s.url("acme")) {
		t.Errorf("at %s", at)
	}
	k.visit(s.url("") + "/account")
	k.shows("Acme’s Dex")
	k.accessible("account-linked")
	k.shot("account-linked")

	b.visit(s.url("") + "/platform/users?search=kilgore")
	b.press(`td a[href^="/platform/users/"]`, "Linked accounts")
	b.shot("user-linked")

	n := b.other()
	n.visit(s.url("") + "/sign-in")
	n.press(`a[href^="/sign-in/company"]`, "E-mail address at work")
	n.accessible("company")
	n.shot("company")
	n.fill(map[string]string{"email": "kilgore@kilgore.trout"})
	n.press("form.card button", "Log in to dex") // by the page between
	n.press(`a[href*="/auth/mock"]`, "The acme org")
	if at := n.location(); at != s.url("")+"/" {
		t.Errorf("at %s", at)
	}
	for _, tab := range []*tab{b, k, n} {
		tab.quiet()
	}
}
