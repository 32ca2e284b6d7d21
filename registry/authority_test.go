package registry

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

func TestSlugFromAuthority(t *testing.T) {
	const domain = "pizzapi.example.com"
	for _, good := range []string{"acme.pizzapi.example.com", "ACME.PizzaPi.Example.COM", "acme.pizzapi.example.com:8443", "acme.pizzapi.example.com:1", "acme.pizzapi.example.com:65535", "acme.pizzapi.example.com.", "acme.pizzapi.example.com.:443"} {
		if slug, err := SlugFromAuthority(good, domain); err != nil || slug != "acme" {
			t.Errorf("%q: %q %v", good, slug, err)
		}
	}
	for _, bad := range []string{
		"", "acme", domain, "." + domain, ".acme." + domain, "acme.." + domain, "a.acme." + domain, "acme." + domain + "..",
		"acme." + domain + ":", "acme." + domain + ":x", "acme." + domain + ":0", "acme." + domain + ":00", "acme." + domain + ":65536", "acme." + domain + ":99999", "acme." + domain + ":0443", "acme." + domain + ":+80", "acme." + domain + ":80 ", "acme." + domain + ":\u0661", "acme." + domain + ":80.",
		"acme." + domain + ":80:80", "acme." + domain + ":123456", "xn--acme." + domain, "ac_me." + domain,
		"acme%2e." + domain, "acme." + domain + "@evil.com", "evil.com/acme." + domain, "acme.evil-" + domain, "acmepizzapi.example.com", "[::1]", "127.0.0.1",
		" acme." + domain, "acme." + domain + " ", "acme\x00." + domain, "ac\u212ae." + domain, "{env.X}." + domain, "ac." + domain, "acme-." + domain,
	} {
		if slug, err := SlugFromAuthority(bad, domain); err == nil {
			t.Errorf("%q gave %q", bad, slug)
		}
	}
}

// TestSameHost: one host, whatever the case and the port; no other, and no port that cannot be.
func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		name, authority string
		want            bool
	}{
		{"a.example", "A.example:443", true}, {"A.EXAMPLE.", "a.example.", true}, {"a.example", "b.example", false}, {"a.example", "a.example:0", false},
		{"a.example", "a.example:", false}, {"a.example", "a.example..", false}, {"ak.example", "a\u212a.example", false}, {"[::1]", "[::1]:443", true}, {"[::1]", "[::1]", true},
	} {
		if got := SameHost(c.name, c.authority); got != c.want {
			t.Errorf("%s and %s: %v", c.name, c.authority, got)
		}
	}
}

// TestCleanEmail: spaces and tabs around it, and the case of ASCII letters, make no other address. Everything else does.
func TestCleanEmail(t *testing.T) {
	for in, want := range map[string]string{
		" Ada@Example.com\t": "ada@example.com", "ada@example.com\u00a0": "", "\u2000ada@example.com": "", "ada@example.com\n": "", "\u212aim@example.com": "", "ada@ba\u017fic.example": "",
	} {
		if got, err := CleanEmail(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func FuzzSlugFromAuthority(f *testing.F) {
	for _, s := range []string{"acme.pizzapi.example.com:8443", "acme.pizzapi.example.com:1", "acme.pizzapi.example.com:65535", "ACME.pizzapi.example.com.", "a.b.pizzapi.example.com", "[::1]:80", "é.pizzapi.example.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		slug, err := SlugFromAuthority(s, "pizzapi.example.com")
		if err != nil {
			return
		}
		if !ValidSlug(slug) {
			t.Fatalf("%q gave %q, which is no slug", s, slug)
		}
		if !strings.HasPrefix(strings.ToLower(s), slug+".pizzapi.example.com") {
			t.Fatalf("%q gave %q", s, slug)
		}
	})
}

func FuzzSlug(f *testing.F) {
	f.Add("acme")
	f.Add("xn--a")
	f.Fuzz(func(t *testing.T, s string) {
		if CheckSlug(s) == nil && (s != strings.ToLower(s) || len(s) < 3 || len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "") {
			t.Fatalf("%q passed", s)
		}
	})
}

// TestPolicyIsWhole: every action has a row, nobody may do anything, members less than owners.
func TestPolicyIsWhole(t *testing.T) {
	u := AsUser(User{ID: "u"}, "", "")
	for a, row := range policy {
		if (row.scope == "" || row.asks&own != 0) && Allows(AsKey(APIKey{ID: "k", Scopes: Scopes()}, User{ID: "u", PlatformAdmin: true}, ""), RoleOwner, a) {
			t.Errorf("%s is open to keys", a)
		}
		for _, r := range []Role{"", RoleMember, RoleAdmin, RoleOwner} {
			if Allows(Actor{}, r, a) || Allows(AsVisitor(""), r, a) {
				t.Errorf("%s is open to nobody as %q", a, r)
			}
		}
		if Allows(u, RoleMember, a) && !Allows(u, RoleAdmin, a) || Allows(u, RoleAdmin, a) && !Allows(u, RoleOwner, a) {
			t.Errorf("%s: a higher role may less", a)
		}
		if Allows(u, "", a) != (row.asks&own != 0) {
			t.Errorf("%s is open to strangers, or closed to oneself", a)
		}
	}
	if Allows(AsOperator(), RoleOwner, "no.such.action") {
		t.Error("an action without a row is allowed")
	}
}

// TestPolicyMatrix: the whole table, written out for every role, is testdata/policy.txt; a change of who may do what shows there.
func TestPolicyMatrix(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 1, 2, ' ', 0)
	roles := []Role{"", RoleRunner, RoleMember, RoleAdmin, RoleOwner}
	_, _ = fmt.Fprintln(w, "action\tstranger\trunner\tmember\tadmin\towner\tplatform admin\tscope of keys\tnew sign-in")
	say := func(may bool) string {
		if may {
			return "yes"
		}
		return "-"
	}
	for _, row := range Policy() {
		if row.Scope == "" {
			row.Scope = "no key may"
		}
		_, _ = fmt.Fprint(w, row.Action)
		for _, r := range roles {
			_, _ = fmt.Fprint(w, "\t", say(Allows(AsUser(User{ID: "u"}, "", ""), r, row.Action)))
		}
		_, _ = fmt.Fprintf(w, "\t%s\t%s\t%s\n", say(Allows(AsUser(User{ID: "u", PlatformAdmin: true}, "", ""), "", row.Action)), row.Scope, say(NeedsFresh(row.Action)))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/policy.txt"
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != b.String() {
		t.Errorf("%s does not hold what the policy says (%v); if the change is meant, make it:\n%s", golden, err, b.String())
	}
}

func TestEveryStatusHasItsRow(t *testing.T) {
	for _, s := range OrgStatuses() {
		if s.To(s) == nil {
			t.Errorf("%s may become itself", s)
		}
	}
	for _, row := range orgTransitions {
		for _, to := range row.to {
			if !slices.Contains(OrgStatuses(), to) {
				t.Errorf("%s has no row", to)
			}
		}
	}
}
