package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/pizzaface/pizzeria/internal/dnstest"
	"github.com/pizzaface/pizzeria/registry"
)

// TestDomainRecordVanishes, against a real DNS server: its failures and silence are not taken for a
// record that is gone. A record that is gone is warned of once, and after a week ends what the
// domain is good for, with the sessions that came by it.
func TestDomainRecordVanishes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	names := dnstest.New(t)
	f.s.Outside.TXT = names.Resolver().LookupTXT
	mail := make(postbox, 100)
	f.s.Mail = mail
	owner := f.user("owner@elsewhere.example")
	o := f.org("acme", owner)
	operator, system := registry.AsOperator(), registry.AsSystem("test")
	d, err := f.s.AddDomain(ctx, f.as(owner), o.ID, "corp.example")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.s.VerifyDomain(ctx, operator, o.ID, "corp.example")
	want(t, err, registry.CodeConflict)
	names.TXT(d.Record, "something else", d.Value)
	if d, err = f.s.VerifyDomain(ctx, operator, o.ID, "corp.example"); err != nil {
		t.Fatal(err)
	}
	c, err := f.store.CreateConnection(ctx, f.as(owner), registry.Connection{
		ID: registry.ConnectionID(registry.NewID()), OrgID: o.ID, Kind: registry.ConnectionOIDC, ConnectionSpec: registry.ConnectionSpec{
			Name: "Okta", Issuer: "https://login.example.com", ClientID: "c", DefaultRole: registry.RoleMember,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := f.store.SignInExternal(ctx, system, registry.ExternalSignIn{Connection: c.ID, Subject: "s", Email: "mia@corp.example", EmailVerified: true, Name: "Mia"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.s.login(ctx, u, Client{}, "", c.ID)
	if err != nil {
		t.Fatal(err)
	}
	alive := func() bool {
		_, _, err := f.s.Authenticate(ctx, l.Token.Reveal())
		return err == nil
	}
	round := func(missed int, letter LetterKind) {
		t.Helper()
		asked := names.Asked(d.Record)
		if err := f.s.CheckDomains(ctx); err != nil {
			t.Fatal(err)
		}
		if names.Asked(d.Record) == asked {
			t.Fatal("nobody looked")
		}
		list, err := f.store.Domains(ctx, operator, o.ID)
		if err != nil || list[0].Missed != missed {
			t.Errorf("%+v %v, want %d misses", list, err, missed)
		}
		if letter != "" {
			if v := mail.next(t, letter); v.Domain != "corp.example" || v.Record != d.Record || v.Value != d.Value || !strings.Contains(v.Link, "/orgs/acme/") {
				t.Errorf("%+v", v)
			}
		}
		if len(mail) > 0 {
			t.Errorf("one more letter: %+v", <-mail)
		}
	}
	const day = 24 * time.Hour
	if err := f.s.CheckDomains(ctx); err != nil {
		t.Fatal(err)
	}
	f.clock.add(8 * day)
	round(0, "")
	f.clock.add(8 * day)
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeFormatError, dns.RcodeNotImplemented} {
		names.Fail(d.Record, rcode)
		round(0, "")
		f.clock.add(7 * time.Hour)
	}
	names.TXT(d.Record) // the name is there, and has no such record
	round(1, LetterMissed)
	f.clock.add(4 * day)
	names.Fail(d.Record, dns.RcodeNameError) // the name is not there
	l = f.again(l, c)
	round(2, "")
	f.clock.add(4 * day)
	l = f.again(l, c)
	names.TXT(d.Record, "pizzeria-domain=of-somebody-else")
	if !alive() {
		t.Error("the session ended before")
	}
	round(3, LetterLapsed)
	if alive() {
		t.Error("the session goes on")
	}
	if n := len(mustDomains(t, f, "corp.example")); n != 0 {
		t.Errorf("%d providers are offered", n)
	}
	changes, err := f.store.Changes(ctx, system, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[registry.ChangeKind]int{}
	for _, v := range changes {
		kinds[v.Kind]++
	}
	if kinds[registry.ChangeDomainRecordMissing] != 2 || kinds[registry.ChangeDomainLapsed] != 1 {
		t.Errorf("%v", kinds)
	}
	names.TXT(d.Record, d.Value)
	if _, err := f.s.VerifyDomain(ctx, operator, o.ID, "corp.example"); err != nil {
		t.Errorf("verified again: %v", err)
	}
}

// again signs somebody in anew, since sessions end by time as well.
func (f *fixture) again(l Login, c registry.Connection) Login {
	f.Helper()
	l, err := f.s.login(ctx, l.User, Client{}, "", c.ID)
	if err != nil {
		f.Fatal(err)
	}
	return l
}

func mustDomains(t *testing.T, f *fixture, domain string) []registry.Connection {
	t.Helper()
	list, err := f.store.ConnectionsOfDomain(ctx, registry.AsSystem("test"), domain)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestSilentDNS: a server that says nothing keeps nobody waiting for long, and proves nothing.
func TestSilentDNS(t *testing.T) {
	t.Parallel()
	names := dnstest.New(t)
	names.Silence("_pizzeria.corp.example")
	f := newFixture(t)
	f.s.Outside.TXT = names.Resolver().LookupTXT
	found, err := f.s.look(ctx, registry.Domain{Record: "_pizzeria.corp.example", Value: "v"})
	if found != registry.LookFailed || err == nil {
		t.Errorf("%v %v", found, err)
	}
}
