// Package storetest is the one conformance suite that every registry backend passes.
package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// Store is everything that a backend offers.
type Store interface {
	CreateOrg(ctx context.Context, a registry.Actor, n registry.NewOrg) (registry.Org, error)
	Org(ctx context.Context, a registry.Actor, id registry.OrgID) (registry.OrgView, error)
	OrgBySlug(ctx context.Context, a registry.Actor, slug string) (registry.OrgView, error)
	Orgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	MyOrgs(ctx context.Context, a registry.Actor) ([]registry.OrgView, error)
	UpdateOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, name string) error
	RenameOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, slug string) error
	SuspendOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, reason string) error
	ResumeOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	RestartInstance(ctx context.Context, a registry.Actor, id registry.OrgID, version int64) error
	DeleteOrg(ctx context.Context, a registry.Actor, id registry.OrgID, version int64, confirm string) error
	Route(ctx context.Context, a registry.Actor, slug string) (*registry.Route, error)
	Members(ctx context.Context, a registry.Actor, org registry.OrgID) ([]registry.Member, error)
	SetRole(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID, role registry.Role) error
	RemoveMember(ctx context.Context, a registry.Actor, org registry.OrgID, id registry.UserID) error
	CreateUser(ctx context.Context, a registry.Actor, n registry.NewUser) (registry.User, error)
	CreateInvite(ctx context.Context, a registry.Actor, org registry.OrgID, email string, role registry.Role, secret registry.Hash) (registry.Link, error)
	AcceptInvite(ctx context.Context, a registry.Actor, secret registry.Hash) (registry.Link, error)
	AcceptInviteAsNew(ctx context.Context, a registry.Actor, secret registry.Hash, name string, hash registry.PasswordHash) (registry.User, registry.Link, error)
	CreateSetupLink(ctx context.Context, a registry.Actor, secret registry.Hash) (time.Time, error)
	RedeemSetup(ctx context.Context, a registry.Actor, secret registry.Hash, n registry.NewUser) (registry.User, error)
	CreateSession(ctx context.Context, a registry.Actor, token registry.Hash, u registry.User, address, userAgent string) (registry.Session, error)
	SessionByToken(ctx context.Context, a registry.Actor, token registry.Hash) (registry.Session, registry.User, error)
	RevokeSession(ctx context.Context, a registry.Actor, id registry.SessionID) error
	SetPassword(ctx context.Context, a registry.Actor, hash registry.PasswordHash) error
	InsertCode(ctx context.Context, a registry.Actor, c registry.NewCode) error
	RedeemCode(ctx context.Context, a registry.Actor, m registry.CodeMatch) (registry.Grant, error)
	Grant(ctx context.Context, a registry.Actor, sid registry.SessionID, org registry.OrgID) (registry.Grant, error)
	Work(ctx context.Context, a registry.Actor) ([]registry.Work, error)
	WorkOn(ctx context.Context, a registry.Actor, org registry.OrgID) (registry.Work, error)
	Acquire(ctx context.Context, a registry.Actor, org registry.OrgID, ttl time.Duration) (registry.Lease, error)
	Release(ctx context.Context, a registry.Actor, l registry.Lease) error
	Report(ctx context.Context, a registry.Actor, l registry.Lease, gen int64, provider string, r registry.Report) error
	Changes(ctx context.Context, a registry.Actor, after int64, limit int) ([]registry.Change, error)
	Head(ctx context.Context, a registry.Actor) (int64, error)
	Audit(ctx context.Context, a registry.Actor, org registry.OrgID, limit int) ([]registry.AuditEntry, error)
	VerifyAudit(ctx context.Context, a registry.Actor) error
}

// Clock is a time that the tests move.
type Clock struct {
	mu sync.Mutex
	t  time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{t: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var (
	ctx      = context.Background()
	system   = registry.AsSystem("test")
	operator = registry.AsOperator()
)

type env struct {
	*testing.T
	s     Store
	clock *Clock
}

// RunTests runs the suite; open makes an empty store on the given clock.
func RunTests(t *testing.T, open func(t *testing.T, now func() time.Time) Store) {
	for name, f := range map[string]func(env){
		"NobodyIsRefusedEverywhere": nobody, "SlugRules": slugs, "RenameAndQuarantine": renames, "StatusTable": statuses,
		"OptimisticConcurrency": versions, "Visibility": visibility, "LastOwner": lastOwner, "LastOwnerRace": lastOwnerRace,
		"SlugRace": slugRace, "FeedIsGapless": feed, "AuditChain": auditChain, "Setup": setup, "Invites": invites,
		"Sessions": sessions, "Codes": codes, "Leases": leases, "Provisioning": provisioning,
	} {
		t.Run(name, func(t *testing.T) {
			c := NewClock()
			f(env{t, open(t, c.Now), c})
		})
	}
}

func (e env) want(err error, code registry.Code) {
	e.Helper()
	if got := registry.ErrorCode(err); got != code || code == "" && err != nil {
		e.Fatalf("error %v (%q), want %q", err, got, code)
	}
}

func (e env) ok(err error) { e.Helper(); e.want(err, "") }

func (e env) user(email string) (registry.User, registry.Actor) {
	e.Helper()
	u, err := e.s.CreateUser(ctx, operator, registry.NewUser{Email: email, Name: email, PasswordHash: "hash"})
	e.ok(err)
	return u, registry.AsUser(u, registry.SessionID(registry.NewID()), "127.0.0.1")
}

func (e env) org(slug string, owner registry.UserID) registry.Org {
	e.Helper()
	o, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: slug, Owner: owner})
	e.ok(err)
	return o
}

func secret(s string) registry.Hash { return sha256.Sum256([]byte(s)) }

func (e env) member(org registry.OrgID, email string, role registry.Role) (registry.User, registry.Actor) {
	e.Helper()
	_, err := e.s.CreateInvite(ctx, operator, org, email, role, secret(email))
	e.ok(err)
	u, _, err := e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret(email), email, "hash")
	e.ok(err)
	return u, registry.AsUser(u, "", "")
}

// nobody calls every method with the zero Actor; each must refuse. A new method is found by reflection.
func nobody(e env) {
	v := reflect.ValueOf(e.s)
	for i := range v.NumMethod() {
		m, name := v.Method(i), v.Type().Method(i).Name
		mt := m.Type()
		if mt.NumIn() < 2 || mt.In(1) != reflect.TypeFor[registry.Actor]() {
			if name != "Close" && name != "Ping" && name != "Changed" {
				e.Errorf("%s takes no actor", name)
			}
			continue
		}
		args := []reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(registry.Actor{})}
		for j := 2; j < mt.NumIn(); j++ {
			args = append(args, reflect.Zero(mt.In(j)))
		}
		out := m.Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		if registry.ErrorCode(err) != registry.Unauthenticated {
			e.Errorf("%s let nobody in: %v", name, err)
		}
	}
}

func slugs(e env) {
	for _, bad := range []string{"", "ab", "1abc", "Abc", "a_c", "abc-", "-abc", "xn--abc", "ab--c", strings.Repeat("a", 41), "api", "www", "a.b", "é23", "{env.X}"} {
		_, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: bad})
		e.want(err, registry.Invalid)
	}
	e.org("acme", "")
	_, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
}

func renames(e env) {
	o := e.org("acme", "")
	e.want(e.s.RenameOrg(ctx, operator, o.ID, 0, "www"), registry.Invalid)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "apex"))
	r, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if r.Status != registry.RouteRenamed || r.RedirectTo != "apex" {
		e.Fatalf("old slug: %+v", r)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
	e.clock.Add(registry.RenameRedirect + time.Minute)
	if r, err = e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined {
		e.Fatalf("after the redirect: %+v %v", r, err)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "acme")) // the org itself may have it back
	e.ok(e.s.RenameOrg(ctx, operator, o.ID, 0, "apex"))
	e.clock.Add(registry.RenameRedirect + registry.Quarantine + time.Minute)
	_, err = e.s.Route(ctx, system, "acme")
	e.want(err, registry.NotFound)
	e.org("acme", "")
}

func statuses(e env) {
	o := e.org("acme", "")
	e.want(e.s.ResumeOrg(ctx, operator, o.ID, 0), registry.Conflict)
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, "unpaid"))
	e.want(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""), registry.Conflict)
	e.want(e.s.RestartInstance(ctx, operator, o.ID, 0), registry.Conflict)
	if r, err := e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteSuspended || r.Address != "" {
		e.Fatalf("suspended: %+v %v", r, err)
	}
	e.ok(e.s.ResumeOrg(ctx, operator, o.ID, 0))
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if v.Generation != 2 || v.Instance.Generation != 2 || v.Status != registry.OrgProvisioning {
		e.Fatalf("resumed: %+v", v)
	}
	e.want(e.s.DeleteOrg(ctx, operator, o.ID, 0, "wrong"), registry.Invalid)
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, "acme"))
	e.want(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""), registry.Conflict)
}

func versions(e env) {
	o := e.org("acme", "")
	e.ok(e.s.UpdateOrg(ctx, operator, o.ID, o.Version, "One"))
	e.want(e.s.UpdateOrg(ctx, operator, o.ID, o.Version, "Two"), registry.Stale)
	v, err := e.s.Org(ctx, operator, o.ID)
	e.ok(err)
	if v.Name != "One" {
		e.Fatalf("name %q", v.Name)
	}
}

// visibility: what you may not see is not found, by every method and with the right ID.
func visibility(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o := e.org("acme", a.ID)
	_, asMember := e.member(o.ID, "m@example.com", registry.RoleMember)
	for name, err := range map[string]error{
		"Org":             second(e.s.Org(ctx, asB, o.ID)),
		"OrgBySlug":       second(e.s.OrgBySlug(ctx, asB, "acme")),
		"Members":         second(e.s.Members(ctx, asB, o.ID)),
		"Audit":           second(e.s.Audit(ctx, asB, o.ID, 10)),
		"UpdateOrg":       e.s.UpdateOrg(ctx, asB, o.ID, 0, "x"),
		"RenameOrg":       e.s.RenameOrg(ctx, asB, o.ID, 0, "xyz"),
		"SuspendOrg":      e.s.SuspendOrg(ctx, asB, o.ID, 0, ""),
		"DeleteOrg":       e.s.DeleteOrg(ctx, asB, o.ID, 0, "acme"),
		"RestartInstance": e.s.RestartInstance(ctx, asB, o.ID, 0),
		"SetRole":         e.s.SetRole(ctx, asB, o.ID, a.ID, registry.RoleMember),
		"RemoveMember":    e.s.RemoveMember(ctx, asB, o.ID, a.ID),
		"CreateInvite":    second(e.s.CreateInvite(ctx, asB, o.ID, "x@example.com", registry.RoleMember, secret("x"))),
	} {
		if registry.ErrorCode(err) != registry.NotFound {
			e.Errorf("%s for a stranger: %v", name, err)
		}
	}
	e.want(e.s.UpdateOrg(ctx, asMember, o.ID, 0, "x"), registry.Forbidden)
	e.want(e.s.SuspendOrg(ctx, asA, o.ID, 0, ""), registry.Forbidden) // an owner is no platform admin
	e.want(second(e.s.CreateOrg(ctx, asA, registry.NewOrg{Slug: "other"})), registry.Forbidden)
	e.want(second(e.s.Changes(ctx, asA, 0, 10)), registry.Forbidden)
	if list, err := e.s.Orgs(ctx, asB); err != nil || len(list) != 0 {
		e.Fatalf("a stranger's orgs: %v %v", list, err)
	}
}

func second[T any](_ T, err error) error { return err }

func lastOwner(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	b, asB := e.member(o.ID, "b@example.com", registry.RoleAdmin)
	e.want(e.s.RemoveMember(ctx, asA, o.ID, a.ID), registry.Conflict)
	e.want(e.s.SetRole(ctx, asA, o.ID, a.ID, registry.RoleMember), registry.Conflict)
	e.want(e.s.SetRole(ctx, asB, o.ID, b.ID, registry.RoleOwner), registry.Forbidden)
	e.want(e.s.RemoveMember(ctx, asB, o.ID, a.ID), registry.Forbidden)
	e.ok(e.s.SetRole(ctx, asA, o.ID, b.ID, registry.RoleOwner))
	e.ok(e.s.RemoveMember(ctx, asA, o.ID, a.ID))
}

// lastOwnerRace: two owners remove each other at once; one always stays.
func lastOwnerRace(e env) {
	a, asA := e.user("a@example.com")
	for i := range 100 {
		o := e.org(fmt.Sprintf("race%d", i), a.ID)
		b, asB := e.member(o.ID, fmt.Sprintf("b%d@example.com", i), registry.RoleOwner)
		var wg sync.WaitGroup
		wg.Go(func() { _ = e.s.RemoveMember(ctx, asA, o.ID, b.ID) })
		wg.Go(func() { _ = e.s.RemoveMember(ctx, asB, o.ID, a.ID) })
		wg.Wait()
		m, err := e.s.Members(ctx, operator, o.ID)
		e.ok(err)
		if len(m) != 1 || m[0].Role != registry.RoleOwner {
			e.Fatalf("round %d: %+v", i, m)
		}
	}
}

func slugRace(e env) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 16 {
		wg.Go(func() {
			if _, err := e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"}); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			} else if registry.ErrorCode(err) != registry.Conflict {
				e.Errorf("loser: %v", err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		e.Fatalf("%d orgs got one slug", won)
	}
}

// feed: under concurrent writers a reader sees every number, in order, exactly once.
func feed(e env) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	var seen []int64
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		for last := int64(0); ; {
			c, err := e.s.Changes(ctx, system, last, 7)
			if err != nil {
				return
			}
			for _, x := range c {
				seen, last = append(seen, x.Seq), x.Seq
			}
			if len(c) == 0 {
				select {
				case <-done:
					if head, err := e.s.Head(ctx, system); err != nil || head == last {
						return
					}
				default:
				}
			}
		}
	}()
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				_, _ = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: fmt.Sprintf("o%d-%d", w, i%15)}) // some fail: no number is lost
			}
		})
	}
	wg.Wait()
	close(done)
	<-reader
	for i, n := range seen {
		if n != int64(i+1) {
			e.Fatalf("entry %d has number %d", i, n)
		}
	}
	if len(seen) != 8*15 {
		e.Fatalf("%d changes", len(seen))
	}
}

func auditChain(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.ok(e.s.UpdateOrg(ctx, asA, o.ID, 0, "Acme Inc"))
	e.ok(e.s.VerifyAudit(ctx, operator))
	e.want(e.s.VerifyAudit(ctx, asA), registry.Forbidden)
	list, err := e.s.Audit(ctx, asA, o.ID, 10)
	e.ok(err)
	if len(list) != 3 || list[0].Actor != "a@example.com" || list[0].Action != registry.OrgUpdated {
		e.Fatalf("%+v", list)
	}
}

func setup(e env) {
	n := registry.NewUser{Email: "Ada@Example.com", Name: "Ada", PasswordHash: "hash"}
	visitor := registry.AsVisitor("127.0.0.1")
	_, err := e.s.CreateSetupLink(ctx, system, secret("old"))
	e.ok(err)
	_, err = e.s.CreateSetupLink(ctx, system, secret("new"))
	e.ok(err)
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("old"), n)), registry.Gone)
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("new"), registry.NewUser{Email: "no", Name: "x"})), registry.Invalid)
	u, err := e.s.RedeemSetup(ctx, visitor, secret("new"), n)
	e.ok(err)
	if !u.PlatformAdmin || u.Email != "ada@example.com" {
		e.Fatalf("%+v", u)
	}
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("new"), n)), registry.Gone)
	_, err = e.s.CreateSetupLink(ctx, system, secret("late"))
	e.ok(err)
	n.Email = "eve@example.com"
	e.want(second(e.s.RedeemSetup(ctx, visitor, secret("late"), n)), registry.Gone)
}

func invites(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o := e.org("acme", a.ID)
	admin, asAdmin := e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	e.want(second(e.s.CreateInvite(ctx, asAdmin, o.ID, "x@example.com", registry.RoleOwner, secret("x"))), registry.Forbidden)
	_, err := e.s.CreateInvite(ctx, asAdmin, o.ID, "b@example.com", registry.RoleMember, secret("b"))
	e.ok(err)
	e.want(second(e.s.AcceptInvite(ctx, asAdmin, secret("b"))), registry.Forbidden) // another account
	// An account that exists cannot be made again through a link.
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("b"), "Eve", "evil")
	e.want(err, registry.Conflict)
	// The inviter lost the right meanwhile.
	e.ok(e.s.SetRole(ctx, asA, o.ID, admin.ID, registry.RoleMember))
	e.want(second(e.s.AcceptInvite(ctx, asB, secret("b"))), registry.Gone)
	e.ok(e.s.SetRole(ctx, asA, o.ID, admin.ID, registry.RoleAdmin))
	e.ok(second(e.s.AcceptInvite(ctx, asB, secret("b"))))
	e.want(second(e.s.AcceptInvite(ctx, asB, secret("b"))), registry.Gone)
	_, err = e.s.CreateInvite(ctx, asA, o.ID, "c@example.com", registry.RoleMember, secret("c"))
	e.ok(err)
	e.clock.Add(registry.InviteLinkLife + time.Second)
	_, _, err = e.s.AcceptInviteAsNew(ctx, registry.AsVisitor(""), secret("c"), "C", "hash")
	e.want(err, registry.Gone)
}

func sessions(e env) {
	u, asU := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	v, err := e.s.CreateSession(ctx, system, secret("t"), u, "127.0.0.1", "test")
	e.ok(err)
	got, _, err := e.s.SessionByToken(ctx, system, secret("t"))
	e.ok(err)
	if got.ID != v.ID {
		e.Fatal("another session")
	}
	e.want(e.s.RevokeSession(ctx, asB, v.ID), registry.NotFound)
	e.ok(e.s.RevokeSession(ctx, asU, v.ID))
	_, _, err = e.s.SessionByToken(ctx, system, secret("t"))
	e.want(err, registry.NotFound)

	_, err = e.s.CreateSession(ctx, system, secret("idle"), u, "", "")
	e.ok(err)
	e.clock.Add(registry.SessionIdle + time.Second)
	_, _, err = e.s.SessionByToken(ctx, system, secret("idle"))
	e.want(err, registry.NotFound)

	keep, err := e.s.CreateSession(ctx, system, secret("keep"), u, "", "")
	e.ok(err)
	_, err = e.s.CreateSession(ctx, system, secret("other"), u, "", "")
	e.ok(err)
	e.ok(e.s.SetPassword(ctx, registry.AsUser(u, keep.ID, ""), "new hash"))
	_, _, err = e.s.SessionByToken(ctx, system, secret("keep"))
	e.ok(err)
	_, _, err = e.s.SessionByToken(ctx, system, secret("other"))
	e.want(err, registry.NotFound)
	// A password that was changed while it was being checked starts no session.
	if _, err := e.s.CreateSession(ctx, system, secret("late"), u, "", ""); err == nil {
		e.Fatal("a session of an old password")
	}
}

func codes(e env) {
	u, _ := e.user("a@example.com")
	o := e.org("acme", u.ID)
	v, err := e.s.CreateSession(ctx, system, secret("t"), u, "", "")
	e.ok(err)
	insert := func(code string) registry.CodeMatch {
		e.ok(e.s.InsertCode(ctx, system, registry.NewCode{Hash: secret(code), ClientID: "c", OrgID: o.ID, UserID: u.ID, SessionID: v.ID, RedirectURI: "r", Challenge: "ch", Nonce: "n", ExpiresAt: e.clock.Now().Add(time.Minute)}))
		return registry.CodeMatch{Hash: secret(code), ClientID: "c", RedirectURI: "r", Challenge: "ch"}
	}
	m := insert("one")
	for _, change := range []func(*registry.CodeMatch){
		func(m *registry.CodeMatch) { m.ClientID = "x" }, func(m *registry.CodeMatch) { m.RedirectURI = "x" },
		func(m *registry.CodeMatch) { m.Challenge = "x" }, func(m *registry.CodeMatch) { m.Hash = secret("x") },
	} {
		bad := m
		change(&bad)
		e.want(second(e.s.RedeemCode(ctx, system, bad)), registry.Gone)
	}
	g, err := e.s.RedeemCode(ctx, system, m)
	e.ok(err)
	if g.Role != registry.RoleOwner || g.Nonce != "n" || g.Session.ID != v.ID {
		e.Fatalf("%+v", g)
	}
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.Gone)
	e.ok(second(e.s.Grant(ctx, system, v.ID, o.ID)))
	old := insert("old")
	e.clock.Add(time.Minute + time.Second)
	e.want(second(e.s.RedeemCode(ctx, system, old)), registry.Gone)
	e.want(second(e.s.RedeemCode(ctx, system, m)), registry.Gone)         // used a minute ago: theft
	e.want(second(e.s.Grant(ctx, system, v.ID, o.ID)), registry.NotFound) // so the session is over
	var wg sync.WaitGroup
	v, err = e.s.CreateSession(ctx, system, secret("t2"), u, "", "")
	e.ok(err)
	m = insert("race")
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			if _, err := e.s.RedeemCode(ctx, system, m); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if won != 1 {
		e.Fatalf("one code was redeemed %d times", won)
	}
}

func leases(e env) {
	o := e.org("acme", "")
	a, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.Conflict)
	e.clock.Add(2 * time.Minute)
	b, err := e.s.Acquire(ctx, system, o.ID, time.Minute)
	e.ok(err)
	if b.Token <= a.Token {
		e.Fatalf("tokens %d then %d", a.Token, b.Token)
	}
	e.want(e.s.Report(ctx, system, a, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x"}), registry.Conflict)
	e.ok(e.s.Release(ctx, system, a)) // the old holder ends nothing
	e.want(second(e.s.Acquire(ctx, system, o.ID, time.Minute)), registry.Conflict)
	e.ok(e.s.Release(ctx, system, b))
	e.ok(second(e.s.Acquire(ctx, system, o.ID, time.Minute)))
}

func provisioning(e env) {
	o := e.org("acme", "")
	l, err := e.s.Acquire(ctx, system, o.ID, time.Hour)
	e.ok(err)
	e.want(e.s.Report(ctx, system, l, 2, "test", registry.Report{State: registry.InstanceRunning}), registry.Conflict) // another generation
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceRunning, Address: "unix//x", Step: "healthy"}))
	r, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if r.Status != registry.RouteServing || r.Address != "unix//x" {
		e.Fatalf("%+v", r)
	}
	e.ok(e.s.DeleteOrg(ctx, operator, o.ID, 0, "acme"))
	if r, err = e.s.Route(ctx, system, "acme"); err != nil || r.Status != registry.RouteQuarantined || r.Address != "" {
		e.Fatalf("%+v %v", r, err)
	}
	e.ok(e.s.Report(ctx, system, l, 1, "test", registry.Report{State: registry.InstanceAbsent}))
	e.want(second(e.s.Org(ctx, operator, o.ID)), registry.NotFound)
	if w, err := e.s.Work(ctx, system); err != nil || len(w) != 0 {
		e.Fatalf("work left: %+v %v", w, err)
	}
	_, err = e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme"})
	e.want(err, registry.Conflict)
	e.clock.Add(registry.Quarantine + time.Minute)
	if n := e.org("acme", ""); n.ID == o.ID {
		e.Fatal("the same org again")
	}
}
