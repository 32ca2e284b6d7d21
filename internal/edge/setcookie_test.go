package edge

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/identity"
	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// cookieGateway returns a gateway that judges cookies of acme.d.example, and the reasons of those
// that it drops.
func cookieGateway(t testing.TB) (*Gateway, *State, *[]CookieDrop) {
	t.Helper()
	site, err := token.NewSite("d.example", "", "")
	if err != nil {
		t.Fatal(err)
	}
	master, err := identity.ParseMasterKey(strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	var drops []CookieDrop
	log := slog.New(slog.DiscardHandler)
	g, err := NewGateway(GatewayConfig{
		Tokens: token.NewIssuer(nil, master, func() token.Site { return site }, time.Now).Node,
		Seal:   master.Sealer("test"), Sessions: 1, Log: log, Now: time.Now,
		CookieDropped: func(why CookieDrop, n int) {
			for range n {
				drops = append(drops, why)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, &State{slug: "acme", Route: &registry.Route{OrgID: "o"}}, &drops
}

// TestCookiesForTheOwnHost: an app may name its own host, and the cookie is for that host alone.
func TestCookiesForTheOwnHost(t *testing.T) {
	for line, want := range map[string]string{
		"s=1; Domain=acme.d.example":                             "s=1",
		"s=1; domain = ACME.d.Example ; Path=/":                  "s=1; Path=/",
		"s=1;\tDOMAIN\t=\t.acme.d.example;Secure;HttpOnly":       "s=1;Secure;HttpOnly",
		"s=1; Partitioned; Domain=acme.d.example; SameSite=None": "s=1; Partitioned; SameSite=None",
		"s=1; Domain=": "s=1",
		"s=1; Domain":  "s=1",
		"s=1; Domain=d.example; Domain=acme.d.example":             "s=1", // the last counts
		"s=1; Domain=d.example; Domain":                            "s=1",
		"s=1; Domain=acme.d.example; Domain=acme.d.example; a; ;":  "s=1; a; ;",
		"s=1; Domain=" + strings.Repeat("x", 1025):                 "s=1", // browsers do not read it
		"s=Domain=d.example; Path=/Domain=d.example":               "s=Domain=d.example; Path=/Domain=d.example",
		"__Secure-s=1; Secure; Domain=acme.d.example":              "__Secure-s=1; Secure",
		"__Host-s=1; Secure; Path=/":                               "__Host-s=1; Secure; Path=/",
		"__Host-s=1; Secure; Path=/; Domain=":                      "__Host-s=1; Secure; Path=/",
		"=s; Domain=acme.d.example":                                "=s",
		"s=1; Domain=d.example; Domain=acme.d.example; Max-Age=10": "s=1; Max-Age=10",

		"s=1; Domain=d.example":                                  "",
		"s=1; Domain=.d.example":                                 "",
		"s=1; Domain=globex.d.example":                           "",
		"s=1; Domain=a.acme.d.example":                           "", // a host below is another host
		"s=1; Domain=acme.d.example.":                            "", // as browsers compare, also the next ones
		"s=1; Domain=acme.d.example:8443":                        "",
		"s=1; Domain=..acme.d.example":                           "",
		"s=1; Domain=\"acme.d.example\"":                         "",
		"s=1; Domain=acme.d.example; Domain=d.example":           "",
		"s=1; Domain=acme.d.example\u00a0":                       "",
		"s=1; Domain=\u212acme.d.example":                        "",
		"s=1; Domain=acme.d.example, acme.d.example":             "",
		"s=1; Domain=xacme.d.example":                            "",
		"s=1; Domain=acmexd.example":                             "",
		"s=1; Domain=example":                                    "",
		"s=1;\u2000Domain=acme.d.example":                        "", // no attribute of that name to most
		"s=1; Domain\u00a0=":                                     "",
		"__Host-s=1; Secure; Path=/; Domain=acme.d.example":      "", // browsers refuse it, and go on to
		"__HOST-s=1; Secure; Path=/; Domain=acme.d.example":      "",
		"__Host-pizzeria-org=1; Domain=acme.d.example":           "",
		"__Host-pizzeria-org=1":                                  "",
		"s=\x011; Domain=acme.d.example":                         "",
		"s=1; Domain=d.example; Domain=" + "globex.d.example":    "",
		"s=1; Domain=d.example; Domain=" + longAttribute("acme"): "",
	} {
		g, st, drops := cookieGateway(t)
		h := http.Header{"Set-Cookie": {"a=1", line, "b=2"}}
		g.filterHeader(st, h)
		got := h["Set-Cookie"]
		switch {
		case want == "" && (len(got) != 2 || got[0] != "a=1" || got[1] != "b=2" || len(*drops) != 1):
			t.Errorf("%q: the browser gets %q, dropped %v", line, got, *drops)
		case want != "" && (len(got) != 3 || got[1] != want || len(*drops) != 0):
			t.Errorf("%q: the browser gets %q, dropped %v, want %q", line, got, *drops, want)
		}
	}
}

// longAttribute is a host that is too long to be read.
func longAttribute(slug string) string {
	return slug + strings.Repeat("x", maxAttribute) + ".d.example"
}

// TestDroppedCookiesAreTold: each is counted by its reason, and the log has one line a minute.
func TestDroppedCookiesAreTold(t *testing.T) {
	g, st, drops := cookieGateway(t)
	var out strings.Builder
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g.Log, g.Now = slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now }
	ask := func() {
		h := http.Header{"Set-Cookie": {"a=1; Domain=d.example", "b=\x01", "__Host-pizzeria=1", "c=3"}}
		g.filterHeader(st, h)
		r := http.Header{"Cookie": {"a=" + strings.Repeat("x", 2000) + "; b=1"}}
		g.Prepare(st, asking(t, r), 1000)
	}
	ask()
	ask()
	if got, want := len(*drops), 8; got != want {
		t.Errorf("%d drops are counted, want %d", got, want)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("the log: %q", lines)
	}
	for i, reason := range []string{"domain", "invalid", "reserved", "too_large"} {
		if !strings.Contains(lines[i], `msg="cookies dropped" org=o reason=`+reason+" cookies=1 bytes=") {
			t.Errorf("line %q", lines[i])
		}
	}
	now = now.Add(dropLinePause)
	if ask(); strings.Count(out.String(), "\n") != 8 {
		t.Error("a minute later nothing is said")
	}
}

func TestFilterHeader(t *testing.T) {
	h := http.Header{
		"Set-Cookie": {
			"a=1", "__Host-pizzeria-org=evil; Secure", " __host-PIZZERIA=evil", "b=2; Domain=.d.example", "c=3; path=/; DOMAIN = d.example", "domain=4", "d=5; Secure",
			"e=6;\u2000Domain=d.example", "f=7; \u00a0Domain\u00a0= d.example", "h=9; Dom\rain=d.example", "i=10\x00; Path=/", "j\x01=11", "=12; domain=d.example", "k=13;;domain=d.example", "l=14;\tDomain\t=d.example",
		},
		"Set-Cookie2": {"m=15; Domain=d.example"}, "Clear-Site-Data": {`"cookies"`}, "Strict-Transport-Security": {"max-age=1; includeSubDomains"}, "Pizzeria-Assertion": {"x"}, "Alt-Svc": {`h3="evil.example:443"`}, "X-App": {"1"},
	}
	filtered(h)
	if got := strings.Join(h["Set-Cookie"], "|"); got != "a=1|domain=4|d=5; Secure" {
		t.Errorf("cookies: %q", got)
	}
	if len(h) != 2 || h.Get("X-App") != "1" {
		t.Errorf("left: %v", h)
	}
	h = http.Header{"Strict-Transport-Security": {"max-age=31536000"}}
	filtered(h)
	if len(h) != 1 {
		t.Error("an org's HSTS for its own host is its own business")
	}
}

// filtered is filterHeader for acme.d.example.
func filtered(h http.Header) {
	filterFields(h)
	var keep []string
	for _, c := range h["Set-Cookie"] {
		if pass, drop := judgeSetCookie(c, "acme", "d.example"); drop == "" {
			keep = append(keep, pass)
		}
	}
	if delete(h, "Set-Cookie"); len(keep) > 0 {
		h["Set-Cookie"] = keep
	}
}

// parsed is a cookie as RFC 6265bis, sections 5.6 and 5.7, reads a line. Only what the gateway
// could change is in it.
type parsed struct {
	name, value, attributes string // attributes but for Domain
	stored                  bool   // as far as Domain decides it
	hostOnly                bool
}

// parse reads a line as a browser does for a host, after draft-ietf-httpbis-rfc6265bis-20.
func parse(line, host string) (c parsed) {
	trim := func(s string) string { return strings.Trim(s, " \t") }
	lower := func(s string) string {
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				r |= 0x20
			}
			return r
		}, s)
	}
	pair, rest, more := strings.Cut(line, ";")
	name, value, named := strings.Cut(pair, "=")
	if !named {
		name, value = "", pair
	}
	c.name, c.value = trim(name), trim(value)
	domain, has := "", false
	for more {
		var av string
		av, rest, more = strings.Cut(rest, ";")
		n, v, _ := strings.Cut(av, "=")
		n, v = trim(n), trim(v)
		switch {
		case len(v) > 1024:
		case lower(n) == "domain":
			domain, has = lower(strings.TrimPrefix(v, ".")), true
		default:
			c.attributes += n + "=" + v + ";"
		}
	}
	if !has || domain == "" {
		c.stored, c.hostOnly = true, true
	} else {
		c.stored = domain == host || strings.HasSuffix(host, "."+domain)
	}
	if strings.HasPrefix(lower(c.name), "__host-") && !c.hostOnly {
		c.stored = false
	}
	if c.name == "" && strings.HasPrefix(lower(c.value), "__host-") {
		c.stored = false
	}
	c.hostOnly = c.hostOnly || domain == host && c.stored // what the gateway makes of it
	return c
}

// FuzzSetCookie: a browser takes from the gateway the same cookies that it would take from the
// instance, but for those that are ours, for other hosts too, or written so that browsers differ.
func FuzzSetCookie(f *testing.F) {
	const host = "acme.d.example"
	for _, line := range append([]string{
		"s=1; Domain=acme.d.example", "s=1; domain = .ACME.d.example; Path=/", "s=1; Domain=d.example",
		"s=1; Domain=; Domain=acme.d.example", "__Host-s=1; Domain=acme.d.example", "=__Host-x; Domain=",
		"s", "=; Domain", "s=1; \u2000Domain=x", ";Domain=acme.d.example", "s=1;Domain=acme.d.example;;",
	}, ownSpellings...) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		pass, drop := judgeSetCookie(line, "acme", "d.example")
		before := parse(line, host)
		if drop != "" {
			if drop == CookieDomain && before.stored && before.hostOnly && !oddDomain(line) {
				t.Fatalf("%q is dropped", line)
			}
			return
		}
		after := parse(pass, host)
		if !after.hostOnly || strings.Contains(strings.ToLower(attributesOf(pass)), "domain=") && oddDomain(pass) {
			t.Fatalf("%q passes as %q, for other hosts too", line, pass)
		}
		if before.stored != after.stored || before.name != after.name || before.value != after.value ||
			before.attributes != after.attributes {
			t.Fatalf("%q passes as %q: %+v, and then %+v", line, pass, before, after)
		}
		if again, drop := judgeSetCookie(pass, "acme", "d.example"); drop != "" || again != pass {
			t.Fatalf("%q passes as %q, and then as %q %s", line, pass, again, drop)
		}
	})
}

func attributesOf(line string) string {
	_, attributes, _ := strings.Cut(line, ";")
	return attributes
}

// oddDomain reports whether an attribute is Domain only for those who trim more than SP and HTAB.
func oddDomain(line string) bool {
	for part := range strings.SplitSeq(attributesOf(line), ";") {
		name, _, _ := strings.Cut(part, "=")
		if domainName(name) && !strings.EqualFold(strings.Trim(name, " \t"), "domain") {
			return true
		}
	}
	return false
}
