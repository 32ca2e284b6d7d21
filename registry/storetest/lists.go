package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// walk reads a whole list page by page.
func walk[T any](e env, limit int, read func(registry.List) (registry.Page[T], error), l registry.List) (all []T) {
	e.Helper()
	l.Limit = limit
	for {
		p, err := read(l)
		e.ok(err)
		if len(p.Items) > limit || p.Next != "" && len(p.Items) < limit {
			e.Fatalf("a page of %d with limit %d, next %q", len(p.Items), limit, p.Next)
		}
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		l.Cursor = p.Next
	}
}

// pages: every order, both ways, in pages of every size, holds each item once and in order.
func pages(e env) {
	u, asU := e.user("u@example.com")
	for i := range 7 {
		o := e.org(fmt.Sprintf("org-%d", (i*5)%7+100), u.ID)
		e.ok(e.s.UpdateOrg(ctx, operator, o.ID, 0, []string{"same", "Same", "10", "é"}[i%4])) // equal names, numbers as names
	}
	for name, key := range map[string]func(registry.OrgView) string{
		"name":       func(v registry.OrgView) string { return strings.ToLower(v.Name) },
		"slug":       func(v registry.OrgView) string { return v.Slug },
		"created_at": func(v registry.OrgView) string { return v.CreatedAt.String() },
	} {
		for _, sort := range []string{name, "-" + name} {
			for _, mine := range []bool{false, true} {
				for _, limit := range []int{1, 2, 3, 7, 50} {
					all := walk(e, limit, func(l registry.List) (registry.Page[registry.OrgView], error) {
						return e.s.Orgs(ctx, operatorOr(asU, mine), registry.OrgList{List: l, Mine: mine})
					}, registry.List{Sort: sort})
					keys, ids := []string{}, map[registry.OrgID]bool{}
					for _, v := range all {
						keys, ids[v.ID] = append(keys, key(v)), true
					}
					if sort[0] == '-' {
						slices.Reverse(keys)
					}
					if len(ids) != 7 || len(all) != 7 || !slices.IsSorted(keys) {
						e.Fatalf("%s by %d: %v", sort, limit, keys)
					}
				}
			}
		}
	}
	// A page goes on behind its last item, whatever went meanwhile.
	first, err := e.s.Orgs(ctx, operator, registry.OrgList{List: registry.List{Sort: "slug", Limit: 2}})
	e.ok(err)
	e.ok(e.s.DeleteOrg(ctx, operator, first.Items[0].ID, 0, registry.OrgDeletion{Confirm: first.Items[0].Slug, Now: true}))
	next, err := e.s.Orgs(ctx, operator, registry.OrgList{List: registry.List{Sort: "slug", Limit: 2, Cursor: first.Next}})
	e.ok(err)
	if next.Items[0].Slug != "org-102" {
		e.Fatalf("after a deletion: %+v", next)
	}
	for _, l := range []registry.List{{Sort: "password_hash"}, {Sort: "name; DROP TABLE orgs"}, {Limit: -1}, {Limit: registry.MaxPage + 1}, {Cursor: "nonsense"}, {Sort: "name", Cursor: first.Next}, {Search: strings.Repeat("x", 101)}} {
		e.want(second(e.s.Orgs(ctx, operator, registry.OrgList{List: l})), registry.CodeInvalid)
	}
	if n := len(walk(e, 2, func(l registry.List) (registry.Page[registry.AuditEntry], error) {
		return e.s.PlatformAudit(ctx, operator, registry.AuditList{List: l, Action: registry.ChangeOrgCreated})
	}, registry.List{})); n != 7 {
		e.Fatalf("%d orgs were created", n)
	}
}

// auditTimes: entries of a time range are found in the order of their times, page by page, also where
// the clock was set back.
func auditTimes(e env) {
	u, asU := e.user("u@example.com")
	o := e.org("acme", u.ID)
	other := e.org("globex", u.ID)
	start := e.clock.Now()
	for i, d := range []time.Duration{0, 10, 20, 30, 15, 40, 40} { // minutes; once it is set back
		e.clock.Add(start.Add(d * time.Minute).Sub(e.clock.Now()))
		e.ok(e.s.UpdateOrg(ctx, asU, o.ID, 0, fmt.Sprint("name ", i)))
		e.ok(e.s.UpdateOrg(ctx, operator, other.ID, 0, fmt.Sprint("other ", i)))
	}
	at := func(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }
	for name, c := range map[string]struct {
		l    registry.AuditList
		want string
	}{
		"all":            {registry.AuditList{}, "6 5 4 3 2 1 0"},
		"from":           {registry.AuditList{Since: at(15)}, "6 5 3 2 4"},
		"before":         {registry.AuditList{Until: at(20)}, "4 1 0"},
		"half-open":      {registry.AuditList{Since: at(10), Until: at(30)}, "2 4 1"},
		"just after":     {registry.AuditList{Since: at(10).Add(time.Nanosecond), Until: at(30)}, "2 4"},
		"just before":    {registry.AuditList{Since: at(10), Until: at(30).Add(time.Nanosecond)}, "3 2 4 1"},
		"none":           {registry.AuditList{Since: at(20), Until: at(20)}, ""},
		"another's":      {registry.AuditList{Since: at(0), Actor: "nobody@example.com"}, ""},
		"one's":          {registry.AuditList{Since: at(15), Actor: "u@example.com", Action: registry.ChangeOrgUpdated}, "6 5 3 2 4"},
		"with a search":  {registry.AuditList{Since: at(15), List: registry.List{Search: "-> name 4"}}, "4"},
		"another action": {registry.AuditList{Until: at(90), Action: registry.ChangeOrgSuspended}, ""},
	} {
		if c.l.Action == "" {
			c.l.Action = registry.ChangeOrgUpdated
		}
		for limit := 1; limit < 4; limit++ {
			var got []string
			for _, entry := range walk(e, limit, func(l registry.List) (registry.Page[registry.AuditEntry], error) {
				c.l.Limit, c.l.Cursor = l.Limit, l.Cursor
				return e.s.Audit(ctx, asU, o.ID, c.l)
			}, registry.List{}) {
				got = append(got, entry.Detail[len(entry.Detail)-1:])
			}
			if strings.Join(got, " ") != c.want {
				e.Errorf("%s by %d: %q, want %q", name, limit, got, c.want)
			}
		}
		c.l.Limit, c.l.Cursor = 0, ""
		entries, err := e.s.AuditAfter(ctx, asU, o.ID, c.l, 0, 100)
		if n := len(strings.Fields(c.want)); err != nil || len(entries) != n {
			e.Errorf("%s: %d entries are exported, want %d: %v", name, len(entries), n, err)
		}
		p, err := e.s.PlatformAudit(ctx, operator, c.l)
		if e.ok(err); name == "half-open" && len(p.Items) != 6 {
			e.Errorf("of all orgs: %+v", p.Items)
		}
	}
	first, err := e.s.Audit(ctx, asU, o.ID, registry.AuditList{Since: at(0), List: registry.List{Limit: 1}})
	e.ok(err)
	e.want(second(e.s.Audit(ctx, asU, o.ID, registry.AuditList{List: registry.List{Cursor: first.Next}})), registry.CodeInvalid)
	wrong := registry.AuditList{Since: at(1), Until: at(0)}
	e.want(second(e.s.Audit(ctx, asU, o.ID, wrong)), registry.CodeInvalid)
	e.want(second(e.s.PlatformAudit(ctx, operator, wrong)), registry.CodeInvalid)
	e.want(second(e.s.AuditAfter(ctx, operator, "", wrong, 0, 1)), registry.CodeInvalid)
}

func operatorOr(a registry.Actor, use bool) registry.Actor {
	if use {
		return a
	}
	return operator
}

func searches(e env) {
	u, _ := e.user("ann@example.com")
	_, _ = e.user("bob@example.com")
	o := e.org("acme", u.ID)
	e.org("under-score", "")
	e.ok(e.s.UpdateOrg(ctx, operator, o.ID, 0, "100% Acme_Inc Zoe\u0308"))
	e.ok(e.s.SuspendOrg(ctx, operator, o.ID, 0, ""))
	for search, want := range map[string]int{"": 2, "ACM": 1, "0% a": 1, "%": 1, "_": 1, `\`: 0, "score": 1, "nosuch": 0, "zo\u00eb": 1, "zoe\u0308": 1} {
		p, err := e.s.Orgs(ctx, operator, registry.OrgList{List: registry.List{Search: search}})
		e.ok(err)
		if len(p.Items) != want {
			e.Errorf("search %q: %d orgs, want %d", search, len(p.Items), want)
		}
	}
	for want, l := range map[string]registry.OrgList{
		"acme": {Status: registry.OrgSuspended}, "under-score": {Status: registry.OrgProvisioning}, "acme under-score": {Plan: "standard", State: registry.InstancePending},
	} {
		p, err := e.s.Orgs(ctx, operator, l)
		e.ok(err)
		var slugs []string
		for _, v := range p.Items {
			slugs = append(slugs, v.Slug)
		}
		if got := strings.Join(slugs, " "); got != want {
			e.Errorf("%+v: %q", l, got)
		}
	}
	for want, among := range map[int][]registry.OrgID{0: {}, 1: {o.ID}} {
		p, err := e.s.Orgs(ctx, operator, registry.OrgList{Among: append(among, "no-org")})
		if err != nil || len(p.Items) != want {
			e.Errorf("among %v: %d orgs, %v", among, len(p.Items), err)
		}
	}
	if p, err := e.s.Users(ctx, operator, registry.UserList{List: registry.List{Search: "BOB@"}}); err != nil || len(p.Items) != 1 {
		e.Errorf("users: %+v %v", p, err)
	}
	if p, err := e.s.Members(ctx, operator, o.ID, registry.List{Search: "ann"}); err != nil || len(p.Items) != 1 {
		e.Errorf("members: %+v %v", p, err)
	}
}

func batch(at time.Time, byOrg map[registry.OrgID]registry.Usage) registry.UsageBatch {
	return registry.UsageBatch{ID: registry.NewID(), At: at, ByOrg: byOrg}
}

// usageAtOnce: processes that add to the same rows at once lose nothing, a batch counts once, and what
// runs is a level, which is not added up.
func usageAtOnce(e env) {
	const writers, each, others = 4, 2, 1100 // more than one transaction takes
	at := e.clock.Now().Truncate(registry.UsageStep)
	some := registry.Usage{Requests: 3, Errors: 1}
	some.Latency[0], some.Latency[registry.LatencyBuckets-1] = 2, 1
	first, last := e.org("acme", ""), e.org("other", "")
	counts := map[registry.OrgID]registry.Usage{"": {Running: 5}, first.ID: some, last.ID: some}
	for i := range others {
		counts[registry.OrgID(fmt.Sprintf("%x", i))] = some
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				b := batch(at, counts)
				for range 2 { // as after an answer that was lost
					if err := e.s.AddUsage(ctx, system, b); err != nil {
						e.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for org, n := range map[registry.OrgID]int64{"": others + 2, first.ID: 1, last.ID: 1} {
		n *= writers * each
		want := registry.Usage{Requests: 3 * n, Errors: n}
		want.Latency[0], want.Latency[registry.LatencyBuckets-1] = 2*n, n
		if org == "" {
			want.Running = 5
		}
		list, err := e.s.Usage(ctx, operator, org, at)
		e.ok(err)
		if len(list) != 1 || list[0].Usage != want {
			e.Errorf("%q: %+v, want %+v", org, list, want)
		}
	}
}

// usage: added up by org and for all, kept for a week, seen by who may.
func usage(e env) {
	a, asA := e.user("a@example.com")
	_, asB := e.user("b@example.com")
	o, other := e.org("acme", a.ID), e.org("other", "")
	at := e.clock.Now().Truncate(registry.UsageStep)
	some := registry.Usage{Requests: 3, Errors: 1}
	some.Latency[2] = 3
	for range 2 {
		e.ok(e.s.AddUsage(ctx, system, batch(at, map[registry.OrgID]registry.Usage{o.ID: some, other.ID: some})))
	}
	p, err := e.s.Usage(ctx, asA, o.ID, at)
	e.ok(err)
	if len(p) != 1 || p[0].Requests != 6 || p[0].Errors != 2 || p[0].Latency[2] != 6 || !p[0].At.Equal(at) {
		e.Fatalf("%+v", p)
	}
	if p, err = e.s.Usage(ctx, operator, "", at); err != nil || len(p) != 1 || p[0].Requests != 12 {
		e.Fatalf("all: %+v %v", p, err)
	}
	e.want(second(e.s.Usage(ctx, asB, o.ID, at)), registry.CodeNotFound)
	e.want(second(e.s.Usage(ctx, asA, other.ID, at)), registry.CodeNotFound)
	e.want(second(e.s.Usage(ctx, asA, "", at)), registry.CodeForbidden)
	e.ok(e.s.AddUsage(ctx, system, batch(at, map[registry.OrgID]registry.Usage{"": {Running: 7}})))
	if p, err = e.s.Usage(ctx, operator, "", at); err != nil || p[0].Running != 7 || p[0].Requests != 12 {
		e.Fatalf("running: %+v %v", p, err)
	}
	if n, err := e.s.RunningInstances(ctx, system); err != nil || n != 0 {
		e.Fatalf("%d run, %v", n, err)
	}
	e.want(second(e.s.RunningInstances(ctx, asA)), registry.CodeForbidden)
	e.want(second(e.s.Totals(ctx, asA)), registry.CodeForbidden)
	e.want(second(e.s.States(ctx, asA)), registry.CodeForbidden)
	n, err := e.s.Totals(ctx, operator)
	e.ok(err)
	if n.Orgs[registry.OrgProvisioning] != 2 || n.Users != 2 || n.Instances[registry.InstancePending] != 2 {
		e.Fatalf("%+v", n)
	}
	e.clock.Add(registry.UsageLife + registry.UsageStep)
	e.ok(e.s.AddUsage(ctx, system, batch(e.clock.Now(), map[registry.OrgID]registry.Usage{o.ID: some})))
	if p, err = e.s.Usage(ctx, asA, o.ID, at); err != nil || len(p) != 1 {
		e.Fatalf("after a week: %+v %v", p, err)
	}
}
