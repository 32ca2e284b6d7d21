package console_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/controltest"
	"github.com/pizzaface/pizzeria/internal/web"
	"github.com/pizzaface/pizzeria/registry"
)

// provider is an attacker's: it signs everybody in as whom it is told to.
type provider struct {
	*httptest.Server
	email string
	nonce string
	more  map[string]any
}

func startProvider(t *testing.T, s *controltest.Server, email string) *provider {
	t.Helper()
	raw, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: raw, KeyID: "k"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{email: email}
	mux := http.NewServeMux()
	answer := func(path string, f func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(f())
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth",
			"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		}
	})
	answer("/keys", func() any {
		return map[string]any{"keys": []any{key.Public()}}
	})
	answer("/token", func() any {
		now := s.Clock.Now().Unix()
		claims := map[string]any{
			"iss": p.URL, "aud": "us", "sub": p.email, "nonce": p.nonce, "iat": now,
			"exp": now + 600, "email": p.email, "email_verified": true,
		}
		for k, v := range p.more {
			claims[k] = v
		}
		payload, _ := json.Marshal(claims)
		signed, _ := signer.Sign(payload)
		token, _ := signed.CompactSerialize()
		return map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": token}
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	s.Identity.Outside = identity.Outside{Operator: p.Client(), Org: p.Client()}
	return p
}

// browser keeps cookies, and sends forms as a page of the control plane does.
type browser struct {
	t      *testing.T
	s      *controltest.Server
	jar    map[string]string
	origin []string
}

func newBrowser(t *testing.T, s *controltest.Server) *browser {
	return &browser{t, s, map[string]string{}, []string{"Sec-Fetch-Site", "same-origin"}}
}

func (b *browser) do(method, target string, form url.Values) controltest.Answer {
	b.t.Helper()
	c := b.s.Nobody().With(b.origin...)
	var cookies []string
	for k, v := range b.jar {
		cookies = append(cookies, k+"="+v)
	}
	c = c.With("Cookie", strings.Join(cookies, "; "))
	body := ""
	if method == http.MethodPost {
		c, body = c.With("Content-Type", "application/x-www-form-urlencoded"), form.Encode()
	}
	a := c.Do(method, target, body)
	for _, k := range (&http.Response{Header: a.Header}).Cookies() {
		if b.jar[k.Name] = k.Value; k.MaxAge < 0 {
			delete(b.jar, k.Name)
		}
	}
	return a
}

func (b *browser) get(target string) controltest.Answer { return b.do("GET", target, nil) }

func (b *browser) signIn(email string) {
	b.t.Helper()
	a := b.do("POST", "/sign-in", url.Values{"email": {email}, "password": {controltest.Password}})
	if a.Status != http.StatusSeeOther {
		b.t.Fatalf("%d %s", a.Status, a.Body)
	}
}

// is is the e-mail address of who is signed in.
func (b *browser) is() string {
	b.t.Helper()
	a := b.get("/account")
	if a.Status == http.StatusSeeOther {
		return ""
	}
	return regexp.MustCompile(`<p class="soft">([^<]+@[^<]+)</p>`).FindStringSubmatch(a.Body)[1]
}

var leads = regexp.MustCompile(`content="0;url=([^"]+)"`)

// callback is where a provider sends the browser back to, after a page that leads there.
func (p *provider) callback(t *testing.T, a controltest.Answer) string {
	t.Helper()
	m := leads.FindStringSubmatch(a.Body)
	if m == nil {
		t.Fatalf("it does not lead to the provider: %d %s", a.Status, a.Body)
	}
	u, err := url.Parse(html.UnescapeString(m[1]))
	if err != nil || !strings.HasPrefix(u.String(), p.URL+"/auth") {
		t.Fatalf("%v %v", u, err)
	}
	q := u.Query()
	p.nonce = q.Get("nonce")
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		t.Fatal(err)
	}
	return back.Path + "?" + url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode()
}

func connect(t *testing.T, s *controltest.Server, p *provider, org registry.OrgID) string {
	t.Helper()
	as := registry.AsOperator()
	if org != "" {
		as = s.Owner(org)
	}
	c, err := s.Identity.CreateConnection(s.Context(), as, org,
		registry.ConnectionSpec{
			Name: "Corp", Issuer: p.URL, ClientID: "us", SignUp: org == "",
			DefaultRole: map[bool]registry.Role{true: registry.RoleMember}[org != ""],
		}, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(c.ID)
}

// TestSignInCSRF: no page from elsewhere signs anybody in as somebody of its own, or ends their
// session, whatever it links to and wherever a browser comes from.
func TestSignInCSRF(t *testing.T) {
	s := controltest.New(t)
	victim := s.User("victim@example.com", false)
	s.Org("acme", victim)
	p := startProvider(t, s, "attacker@evil.example")
	id := connect(t, s, p, "")
	b := newBrowser(t, s)
	b.signIn("victim@example.com")
	session := b.jar[web.Cookie]

	// A navigation, from wherever: nothing is begun.
	for _, from := range []string{"cross-site", "same-site", "same-origin", "none", ""} {
		b.origin = []string{"Sec-Fetch-Site", from, "Sec-Fetch-Mode", "navigate"}
		for _, at := range []string{
			"/sign-in/with/" + id, "/sign-in/with/" + id + "?return=/account&again=1&email=x@example.com",
			"/sign-in?again=1", "/sign-in/company?email=x@evil.example", "/sign-in/continue",
			"/sign-out", "/account/identities/" + id + "/link", "/end-session",
			"/sign-in/with/" + id + "/callback?code=c&state=s", // that nobody here began
			"/sign-in/with/" + id + "/callback?iss=" + url.QueryEscape(p.URL) + "&login_hint=x",
			"/device?user_code=BCDF-GHJK", "/invite/xxx", "/setup/xxx",
		} {
			a := b.get(at)
			if a.Status == http.StatusFound || strings.Contains(a.Header.Get("Location"), p.URL) ||
				leads.MatchString(a.Body) || strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), " "), "__Host-pizzeria-external") {
				t.Errorf("%s from %q begins a sign-in: %d", at, from, a.Status)
			}
			if b.jar[web.Cookie] != session {
				t.Fatalf("%s from %q ends the session", at, from)
			}
		}
	}
	// A form of another page.
	for _, origin := range [][]string{
		{"Sec-Fetch-Site", "same-site", "Origin", "https://acme.d.example"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Origin", "null"}, {"Sec-Fetch-Site", "none"}, {},
	} {
		b.origin = origin
		for _, at := range []string{
			"/sign-in", "/sign-in/passkey", "/sign-in/second", "/sign-in/with/" + id, "/sign-in/continue",
			"/sign-in/company", "/sign-out", "/account/identities/" + id + "/link", "/device",
		} {
			form := url.Values{"email": {"victim@example.com"}, "password": {controltest.Password}}
			if a := b.do("POST", at, form); a.Status != http.StatusForbidden {
				t.Errorf("POST %s from %v: %d", at, origin, a.Status)
			}
		}
	}
	b.origin = []string{"Sec-Fetch-Site", "same-origin"}
	if b.is() != "victim@example.com" {
		t.Fatal(b.is())
	}

	// The page that a link leads to says where it goes, and who is signed in.
	a := b.get("/sign-in/with/" + id + "?return=/account")
	host := strings.TrimPrefix(p.URL, "https://")
	if a.Status != 200 || !strings.Contains(a.Body, host) ||
		!strings.Contains(a.Body, "signed in as victim@example.com") {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	// Who does go there, and comes back as somebody else, is asked.
	form := url.Values{"return": {"/account"}}
	back := p.callback(t, b.do("POST", "/sign-in/with/"+id, form))
	b.origin = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}
	a = b.get(back)
	b.origin = []string{"Sec-Fetch-Site", "same-origin"}
	if a.Status != 200 || b.jar[web.Cookie] != session || b.is() != "victim@example.com" {
		t.Fatalf("a provider changed accounts: %d, now %q", a.Status, b.is())
	}
	for _, says := range []string{"Continue as attacker@evil.example?", "Stay signed in as victim@example.com"} {
		if !strings.Contains(a.Body, says) {
			t.Errorf("it does not say %q: %s", says, a.Body)
		}
	}
	sealed := regexp.MustCompile(`name="other" value="([^"]+)"`).FindStringSubmatch(a.Body)[1]
	// The answer is good in this session alone, and once.
	elsewhere := newBrowser(t, s)
	form = url.Values{"other": {sealed}, "return": {"/account"}}
	if elsewhere.do("POST", "/sign-in/continue", form); elsewhere.is() != "" {
		t.Error("it signs another browser in")
	}
	elsewhere.signIn("victim@example.com")
	if a := elsewhere.do("POST", "/sign-in/continue", form); a.Status != http.StatusGone {
		t.Errorf("in another session: %d", a.Status)
	}
	if a := b.do("POST", "/sign-in/continue", form); a.Status != 303 || b.is() != "attacker@evil.example" {
		t.Fatalf("%d, now %q", a.Status, b.is())
	}
	if a := b.do("POST", "/sign-in/continue", form); a.Status != http.StatusGone {
		t.Errorf("twice: %d", a.Status)
	}
	if got := newBrowser(t, s); func() string { got.jar[web.Cookie] = session; return got.is() }() != "" {
		t.Error("the session of before lives on")
	}
}

// TestSignInAtProviderStaysShort: who is not signed in, or comes back as themselves, is asked nothing.
func TestSignInAtProviderStaysShort(t *testing.T) {
	s := controltest.New(t)
	owner := s.User("owner@example.com", false)
	org := s.Org("acme", owner)
	p := startProvider(t, s, "mia@corp.example")
	for _, err := range []error{
		second(s.Store.AddDomain(s.Context(), s.As(owner), org.ID, "corp.example", "t")),
		second(s.Store.VerifyDomain(s.Context(), registry.AsOperator(), org.ID, "corp.example", "")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	id := connect(t, s, p, org.ID)
	// From the org's address: the page to sign in has one button for it.
	b := newBrowser(t, s)
	authorize := "/authorize?" + url.Values{
		"client_id": {token.ClientID(org.ID)}, "redirect_uri": {"https://acme.d.example/.pizzeria/callback"},
		"response_type": {"code"}, "scope": {"openid"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {strings.Repeat("x", 43)}, "code_challenge_method": {"S256"},
	}.Encode()
	a := b.get(authorize)
	a = b.get(a.Header.Get("Location"))
	if strings.Count(a.Body, `action="/sign-in/with/`) != 1 || !strings.Contains(a.Body, `action="/sign-in/with/`+id+`"`) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	m := regexp.MustCompile(`name="return" value="([^"]+)"`).FindStringSubmatch(a.Body)
	form := url.Values{"return": {html.UnescapeString(m[1])}}
	a = b.get(p.callback(t, b.do("POST", "/sign-in/with/"+id, form)))
	if a.Status != 303 || a.Header.Get("Location") != form.Get("return") || b.is() != "mia@corp.example" {
		t.Fatalf("%d %s, now %q", a.Status, a.Header, b.is())
	}
	if l := b.get(form.Get("return")).Header.Get("Location"); !strings.HasPrefix(l, "https://acme.d.example/.pizzeria/callback?code=") {
		t.Errorf("it leads to %s", l)
	}
	// By the address of the company, in one form; and as oneself again, which ends the old session.
	old := b.jar[web.Cookie]
	a = b.get(p.callback(t, b.do("POST", "/sign-in/company", url.Values{"email": {"mia@corp.example"}, "return": {"/account"}})))
	if a.Status != 303 || b.is() != "mia@corp.example" || b.jar[web.Cookie] == old {
		t.Errorf("%d, now %q", a.Status, b.is())
	}
	// An org that asks for its provider leads to the page with the button.
	if _, err := s.Identity.UpdateConnection(s.Context(), s.As(owner), org.ID, registry.ConnectionID(id), "",
		registry.ConnectionSpec{Name: "Corp", Issuer: p.URL, ClientID: "us", DefaultRole: registry.RoleMember, Required: true}, nil); err != nil {
		t.Fatal(err)
	}
	member := s.Member(org.ID, "eve@example.com", registry.RoleMember)
	e := newBrowser(t, s)
	e.signIn(member.Email)
	for _, at := range []string{"/sign-in/for/" + string(org.ID) + "?return=/account", "/orgs/acme"} {
		if l := e.get(at).Header.Get("Location"); !strings.HasPrefix(l, "/sign-in/with/"+id+"?return=") {
			t.Errorf("%s leads to %q", at, l)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestLinkIsBoundToItsSession: an account is linked in the session that began it, or not at all.
func TestLinkIsBoundToItsSession(t *testing.T) {
	s := controltest.New(t)
	s.User("ada@example.com", false)
	p := startProvider(t, s, "ada@corp.example")
	id := connect(t, s, p, "")
	b := newBrowser(t, s)
	b.signIn("ada@example.com")
	link := "/account/identities/" + id + "/link"
	back := p.callback(t, b.do("POST", link, nil))
	b.signIn("ada@example.com")
	if a := b.get(back); a.Status != http.StatusGone {
		t.Errorf("in the session after: %d", a.Status)
	}
	a := b.get(p.callback(t, b.do("POST", link, nil)))
	if a.Status != 303 || a.Header.Get("Location") != "/account?done=linked" {
		t.Errorf("%d %s", a.Status, a.Header)
	}
}

// TestBeginningAtProviderIsLimited: a network begins so many sign-ins at providers, and nobody else
// suffers.
func TestBeginningAtProviderIsLimited(t *testing.T) {
	s := controltest.New(t)
	p := startProvider(t, s, "eve@corp.example")
	id := connect(t, s, p, "")
	b := newBrowser(t, s)
	last := controltest.Answer{}
	for n := 0; n < 500 && last.Status != http.StatusTooManyRequests; n++ {
		last = b.do("POST", "/sign-in/with/"+id, nil)
	}
	if last.Status != http.StatusTooManyRequests || !strings.Contains(last.Body, "too many attempts") {
		t.Fatalf("%d %s", last.Status, last.Body)
	}
	// What is refused asks nobody, and says so on the page that has the form.
	if !strings.Contains(last.Body, `action="/sign-in/with/`+id+`"`) || leads.MatchString(last.Body) {
		t.Error(last.Body)
	}
	if _, err := s.Identity.BeginExternal(t.Context(), registry.ConnectionID(id), identity.External{}, identity.Client{Address: "198.51.100.7"}); err != nil {
		t.Errorf("another network: %v", err)
	}
	s.Clock.Advance(registry.SessionIdle)
	// One attempt answered with many codes has the provider asked for a bounded number.
	back := p.callback(t, b.do("POST", "/sign-in/with/"+id, nil))
	p.more = map[string]any{"nonce": "x"}
	for n := 0; n < 500; n++ {
		if last = b.get(back); last.Status == http.StatusTooManyRequests {
			return
		}
	}
	t.Errorf("answers are not limited: %d", last.Status)
}
