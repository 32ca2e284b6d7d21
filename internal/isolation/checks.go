package isolation

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type check struct {
	rows   []int // of the threat model
	threat string
	run    func(*attack) error
}

// checks are the attacks, in the order of the report. A is who attacks; B has what A wants.
var checks = []check{
	{[]int{3, 17}, "a token of one org at another, at the API, or as another kind of token", tokens},
	{[]int{3}, "nobody, or a made-up identity header, is let in", nobody},
	{[]int{16}, "altered and hostile tokens", hostileTokens},
	{[]int{2}, "what a person or runner carries reaches the instance", carried},
	{[]int{4}, "Connection deletes an identity header", connection},
	{[]int{5, 13}, "identity and forwarding headers are spoofed", aliases},
	{[]int{6}, "another protocol is smuggled in", smuggling},
	{[]int{6, 8}, "a WebSocket from a sibling org's page", webSocket},
	{[]int{1, 7}, "cookies of siblings: tossed, repeated, too many", cookies},
	{[]int{8}, "requests forged by a sibling org's page", forged},
	{[]int{9}, "sign-in is led elsewhere", signIn},
	{[]int{11}, "hosts that are confused", hosts},
	{[]int{12}, "the reserved path by other spellings", reserved},
	{[]int{12}, "request targets that name no path", targets},
	{[]int{18}, "hosts that do not exist", unknown},
	{[]int{22}, "another org's management", management},
	{[]int{31}, "a session that goes on after its end", revocation},
}

// navigation is what a browser says when somebody types an address.
var navigation = []string{"Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none"}

func tokens(a *attack) error {
	for name, token := range map[string]string{"B's session": a.B.Token, "B's runner key": a.B.Key, "A's runner key": a.A.Key, "B's assertion": a.assertion} {
		if token == "" {
			continue
		}
		for how, lines := range map[string][]string{"as bearer": bearer(token), "as cookie": cookie(token), "as assertion": {"Pizzeria-Assertion: " + token}} {
			r, err := a.get(a.a, a.path(), lines...)
			if err := wantRefused(name+" "+how+" at A", r, err); err != nil {
				return err
			}
		}
		r, err := a.get(a.control, "/api/v1/me", bearer(token)...)
		if err := want(name+" at the API", r, err, http.StatusUnauthorized); err != nil {
			return err
		}
		r, err = a.get(a.control, "/api/v1/me", "Cookie: __Host-pizzeria="+token, "Sec-Fetch-Site: same-origin")
		if err := want(name+" as a sign-in session", r, err, http.StatusUnauthorized); err != nil {
			return err
		}
	}
	return nil
}

func nobody(a *attack) error {
	for name, lines := range map[string][]string{
		"nobody": nil, "a made-up assertion": {"Pizzeria-Assertion: eyJ.eyJ.x"}, "a made-up user": {"X-Forwarded-User: admin", "Remote-User: admin"}, "an empty bearer": {"Authorization: Bearer "},
		"basic credentials": {"Authorization: Basic YWRtaW46YWRtaW4="},
	} {
		r, err := a.get(a.b, a.path(), lines...)
		if err := want(name, r, err, http.StatusUnauthorized); err != nil {
			return err
		}
	}
	return nil
}

func carried(a *attack) error {
	if !a.mirrors {
		return noMirror
	}
	ours := strings.Join([]string{ // an access token, as far as one can tell who has not its key
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + a.Issuer + `"}`)), "c2ln",
	}, ".")
	for how, lines := range map[string][]string{
		"an access token":     append(cookie(a.B.Token), "Authorization: Bearer "+ours, "X-Canary: seen"),
		"a session as cookie": append(cookie(a.B.Token), "X-Canary: seen"), "a session as bearer": append(bearer(a.B.Token), "X-Canary: seen"),
		"a key beside it": {"Cookie: " + orgCookie + "=" + a.B.Token + "; __host-Pizzeria-tx-1=canarytx; \u2000__Host-pizzeria-org=canaryodd; app=1", "Authorization: Bearer " + a.B.Key, "Sec-Fetch-Site: same-origin", "X-Canary: seen"},
	} {
		r, err := a.get(a.b, a.path(), lines...)
		if err := want(how, r, err, http.StatusOK); err != nil {
			return err
		}
		if !strings.Contains(r.body, "seen") {
			return noMirror
		}
		for _, secret := range []string{a.B.Token, a.B.Key, ours, "canarytx", "canaryodd", a.A.ID} {
			if strings.Contains(r.body, secret) {
				return fmt.Errorf("with %s the instance saw what begins with %.12s", how, secret)
			}
		}
	}
	return nil
}

func connection(a *attack) error {
	for _, option := range []string{"Pizzeria-Assertion", "close, pizzeria-assertion", "PIZZERIA-ASSERTION", "pizzeria_assertion", "Cookie", "Authorization"} {
		r, err := a.raw(a.b.Hostname(), a.b, "GET "+a.path()+" HTTP/1.1\r\nHost: "+a.b.Host+"\r\nConnection: "+option+"\r\n"+strings.Join(bearer(a.B.Token), "\r\n")+"\r\n\r\n")
		if err := want("Connection: "+option, r, err, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

func aliases(a *attack) error {
	spoofed := []string{
		"Pizzeria-Assertion: canaryspoof", "pizzeria_assertion: canaryspoof", "Pizzeria.Assertion: canaryspoof", "PIZZERIA-ASSERTION: canaryspoof",
		"X-Forwarded-For: 192.0.2.66", "X-Forwarded-Host: canaryspoof.example", "Forwarded: for=192.0.2.66;host=canaryspoof.example", "X-Original-URL: /canaryspoof", "X-Rewrite-URL: /canaryspoof",
	}
	r, err := a.get(a.b, "/", append(spoofed, navigation...)...)
	if err != nil {
		return err
	}
	if to := r.header.Get("Location"); strings.Contains(to, "canaryspoof") || r.status == http.StatusOK {
		return fmt.Errorf("spoofed headers lead to %d %s", r.status, to)
	}
	if !a.mirrors {
		return noMirror
	}
	r, err = a.get(a.b, a.path(), append(bearer(a.B.Token), spoofed...)...)
	if err := want("with spoofed headers", r, err, http.StatusOK); err != nil {
		return err
	}
	if strings.Contains(r.body, "canaryspoof") || strings.Contains(r.body, "192.0.2.66") {
		return errors.New("the instance saw a spoofed header")
	}
	if n := len(jwt.FindAllString(r.body, -1)); n != 1 {
		return fmt.Errorf("the instance saw %d assertions", n)
	}
	return nil
}

func smuggling(a *attack) error {
	for name, c := range map[string]struct {
		method string
		lines  []string
		want   []int
	}{
		"TRACE":   {"TRACE", nil, []int{405}},
		"TRACK":   {"TRACK", nil, []int{405}},
		"CONNECT": {"CONNECT", nil, []int{400, 405}},
		"h2c":     {"GET", []string{"Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}, []int{400}},
		"another": {"GET", []string{"Upgrade: tcp"}, []int{400}},
		"two":     {"GET", []string{"Upgrade: websocket", "Upgrade: h2c"}, []int{400}},
	} {
		r, err := a.send(a.b.Hostname(), a.b, c.method, a.path(), a.b.Host, append(bearer(a.B.Token), c.lines...)...)
		if err := want(name, r, err, c.want...); err != nil {
			return err
		}
	}
	return nil
}

func webSocket(a *attack) error {
	open := []string{"Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, origin := range []string{a.A.URL, a.Issuer, "null", "https://evil.example", a.B.URL + ".evil.example", ""} {
		lines := append(cookie(a.B.Token), open...)
		if origin != "" {
			lines = append(lines, "Origin: "+origin)
		}
		r, err := a.raw(a.b.Hostname(), a.b, "GET "+a.path()+" HTTP/1.1\r\nHost: "+a.b.Host+"\r\nConnection: Upgrade\r\n"+strings.Join(append(lines, "", ""), "\r\n"))
		if err := want("from "+origin, r, err, http.StatusForbidden); err != nil {
			return err
		}
	}
	return nil
}

func cookies(a *attack) error {
	for name, value := range map[string]string{
		"A's before B's": orgCookie + "=" + a.A.Token + "; " + orgCookie + "=" + a.B.Token,
		"B's before A's": orgCookie + "=" + a.B.Token + "; " + orgCookie + "=" + a.A.Token,
		"B's and junk":   orgCookie + "=" + a.B.Token + "; " + orgCookie + "=x",
		"another case":   "__host-pizzeria-org=" + a.B.Token,
		"a name's end":   orgCookie + "\u2000=" + a.B.Token,
		"an empty name":  "=" + orgCookie + "=" + a.B.Token,
	} {
		r, err := a.get(a.b, a.path(), "Cookie: "+value, "Sec-Fetch-Site: same-origin")
		if err := want(name, r, err, http.StatusUnauthorized); err != nil {
			return err
		}
	}
	// To a browser these names have no prefix, so a sibling's page may set them for all orgs.
	for _, space := range []string{"\u2000", "\u00a0", "\u3000", "\u0085", "\ufeff", "\x0b", "\x0c"} {
		r, err := a.get(a.b, a.path(), "Cookie: "+space+orgCookie+"="+a.B.Token, "Sec-Fetch-Site: same-origin")
		if err := wantRefused(fmt.Sprintf("after %q", space), r, err); err != nil {
			return err
		}
		r, err = a.get(a.b, a.path(), "Cookie: "+space+orgCookie+"="+a.A.Token+"; "+orgCookie+"="+a.B.Token, "Sec-Fetch-Site: same-origin")
		if err != nil || refused(r.status) && space >= " " { // no server takes a control character
			return fmt.Errorf("a person with a tossed cookie whose name begins with %q is locked out: %d %w", space, r.status, err)
		}
	}
	bomb := strings.Repeat("; tossed="+strings.Repeat("x", 4000), 40)
	r, err := a.get(a.b, a.path(), "Cookie: "+orgCookie+"="+a.B.Token+bomb, "Sec-Fetch-Site: same-origin")
	if err != nil || refused(r.status) || r.status == http.StatusRequestHeaderFieldsTooLarge {
		return fmt.Errorf("a person with 160 KB of tossed cookies is locked out: %d %w", r.status, err)
	}
	r, err = a.get(a.b, "/", navigation...)
	if err := want("a page for nobody", r, err, http.StatusFound); err != nil {
		return err
	}
	for _, c := range r.header.Values("Set-Cookie") {
		if !strings.HasPrefix(c, "__Host-") || strings.Contains(strings.ToLower(c), "domain=") || !strings.Contains(c, "Secure") || !strings.Contains(c, "HttpOnly") {
			return fmt.Errorf("a cookie without its protection: %.40s", c)
		}
	}
	return nil
}

func forged(a *attack) error {
	for name, lines := range map[string][]string{
		"a sibling's form": {"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Origin: " + a.A.URL}, "a sibling's fetch": {"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Origin: " + a.A.URL},
		"an old browser": {"Origin: " + a.A.URL}, "an opaque origin": {"Origin: null"}, "neither header": nil, "another site": {"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
	} {
		r, err := a.post(a.b, a.path(), append(lines, "Cookie: "+orgCookie+"="+a.B.Token)...)
		if err := want(name+", at B", r, err, http.StatusForbidden); err != nil {
			return err
		}
		for _, path := range []string{"/sign-out", "/theme"} {
			r, err = a.post(a.control, path, append(lines, "Content-Type: application/x-www-form-urlencoded")...)
			if err := want(name+", at the console's "+path, r, err, http.StatusForbidden); err != nil {
				return err
			}
		}
	}
	r, err := a.get(a.b, a.path(), "Cookie: "+orgCookie+"="+a.B.Token, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")
	return want("a sibling's image", r, err, http.StatusUnauthorized)
}

func signIn(a *attack) error {
	r, err := a.get(a.b, "/", navigation...)
	if err := want("a page for nobody", r, err, http.StatusFound); err != nil {
		return err
	}
	to, err := url.Parse(r.header.Get("Location"))
	if err != nil || to.Scheme+"://"+to.Host != a.Issuer {
		return fmt.Errorf("sign-in is at %s", to)
	}
	for name, change := range map[string]func(url.Values){
		"A's callback":     func(q url.Values) { q.Set("redirect_uri", a.A.URL+"/.pizzeria/callback") },
		"another site":     func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") },
		"a longer path":    func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"/x") },
		"two of them":      func(q url.Values) { q.Add("redirect_uri", "https://evil.example/") },
		"A as the client":  func(q url.Values) { q.Set("client_id", "urn:pizzeria:org:"+a.A.ID+":gateway") },
		"another spelling": func(q url.Values) { q.Set("redirect_uri", strings.ToUpper(q.Get("redirect_uri"))) },
	} {
		q := to.Query()
		change(q)
		r, err := a.get(a.control, to.Path+"?"+q.Encode(), navigation...)
		if err := want(name, r, err, http.StatusBadRequest); err != nil {
			return err
		}
	}
	for _, q := range []string{"code=x&state=y", "code=x&state=y&iss=" + url.QueryEscape(a.Issuer), "error=access_denied&state=y"} {
		r, err := a.get(a.b, "/.pizzeria/callback?"+q, navigation...)
		if err := want("an answer to no attempt", r, err, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}
