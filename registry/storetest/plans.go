package storetest

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/pizzaface/pizzeria/registry"
)

func number(v float64) *float64 { return &v }

// plan defines one with limits.
func (e env) plan(name string, l registry.Limits) {
	e.Helper()
	e.ok(second(e.s.CreatePlan(ctx, operator, registry.Plan{Name: name, Limits: l})))
}

// plans: who may define them, what they may say, and that orgs have those that there are.
func plans(e env) {
	a, asA := e.user("a@example.com")
	o, err := e.s.CreateOrg(
		ctx, operator, registry.NewOrg{Slug: "acme", Owner: a.ID, Plan: "anything"},
	) // while none is defined
	e.ok(err)
	_, asKey := e.key(
		asA,
		registry.NewAPIKey{
			Scopes: []registry.Scope{registry.ScopeOrgWrite},
			OrgID:  o.ID,
			Role:   registry.RoleAdmin,
		},
	)
	for _, actor := range []registry.Actor{asA, asKey} {
		e.refused(second(e.s.CreatePlan(ctx, actor, registry.Plan{Name: "team"})))
		e.refused(second(e.s.UpdatePlan(ctx, actor, "team", "", registry.PlanChange{})))
		e.refused(e.s.DeletePlan(ctx, actor, "team"))
		e.refused(second(e.s.Plans(ctx, actor)))
		e.refused(second(e.s.Plan(ctx, actor, "team")))
		e.refused(e.s.SetOrgPlan(ctx, actor, o.ID, 0, "team"))
		e.refused(
			e.s.SetOrgLimits(ctx, actor, o.ID, 0, registry.LimitChanges{"members": number(1000)}),
		)
	}
	for name, p := range map[string]registry.Plan{
		"name": {Name: "Team"}, "title": {Name: "team", Title: "a\nb"}, "description": {Name: "team", Description: "\x00"},
		"unknown": {Name: "team", Limits: registry.Limits{"colour": 1}}, "negative": {Name: "team", Limits: registry.Limits{"members": -1}},
		"part of a member": {Name: "team", Limits: registry.Limits{"members": 1.5}}, "huge": {Name: "team", Limits: registry.Limits{"body": 1 << 60}},
		"NaN": {Name: "team", Limits: registry.Limits{"cpu": math.NaN()}}, "too slow": {Name: "team", Limits: registry.Limits{"requests_per_second": 1e-9}},
	} {
		if err := second(
			e.s.CreatePlan(ctx, operator, p),
		); registry.ErrorCode(err) != registry.CodeInvalid {
			e.Errorf("%s: %v", name, err)
		}
	}
	p, err := e.s.CreatePlan(
		ctx,
		operator,
		registry.Plan{
			Name:   "team",
			Title:  "Team",
			Limits: registry.Limits{"members": 10, "requests_per_second": 0.5, "websockets": 0},
		},
	)
	e.ok(err)
	if p.Configured || p.Orgs != 0 || p.CreatedAt.IsZero() || p.Limits["websockets"] != 0 ||
		len(p.Limits) != 3 {
		e.Fatalf("%+v", p)
	}
	e.want(second(e.s.CreatePlan(ctx, operator, registry.Plan{Name: "team"})), registry.CodeConflict)

	// From now on only plans that are defined are given, and the default one.
	e.want(
		second(e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "beta", Plan: "anything"})),
		registry.CodeInvalid,
	)
	e.ok(second(e.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "beta"})))
	e.want(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "anything"), registry.CodeInvalid)
	e.want(e.s.SetOrgPlan(ctx, operator, o.ID, 99, "team"), registry.CodeVersionConflict)
	before, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "team"))
	route, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if l := route.Limits; l == nil || *l.Rate != 0.5 || *l.WebSockets != 0 ||
		l.Concurrency != nil ||
		l.Body != nil ||
		route.Plan != "team" {
		e.Fatalf("%+v %+v", route, route.Limits)
	}

	// A change counts for all of its orgs.
	title := "The team"
	e.want(
		second(e.s.UpdatePlan(ctx, operator, "team", "other", registry.PlanChange{Title: &title})),
		registry.CodeVersionConflict,
	)
	p, err = e.s.UpdatePlan(
		ctx,
		operator,
		"team",
		p.Version(),
		registry.PlanChange{
			Title:  &title,
			Limits: registry.LimitChanges{"websockets": nil, "concurrency": number(3)},
		},
	)
	e.ok(err)
	if p.Title != title || p.Orgs != 1 || p.Limits["concurrency"] != 3 ||
		p.Limits["members"] != 10 ||
		len(p.Limits) != 3 {
		e.Fatalf("%+v", p)
	}
	route, err = e.s.Route(ctx, system, "acme")
	e.ok(err)
	if l := route.Limits; l.WebSockets != nil || *l.Concurrency != 3 {
		e.Fatalf("%+v", l)
	}
	e.ok(
		second(e.s.UpdatePlan(ctx, operator, "team", "", registry.PlanChange{Title: &title})),
	) // says nothing new
	changes, err := e.s.Changes(ctx, system, before, 10)
	e.ok(err)
	if len(changes) != 2 || changes[0].Kind != registry.ChangeOrgPlanChanged ||
		changes[0].Slug != "acme" ||
		changes[1].Kind != registry.ChangePlanUpdated ||
		!changes[1].EveryRoute() {
		e.Fatalf("%+v", changes)
	}
	e.want(
		second(
			e.s.UpdatePlan(
				ctx, operator, "team", "",
				registry.PlanChange{Limits: registry.LimitChanges{"colour": nil}},
			),
		),
		registry.CodeInvalid,
	)
	e.want(
		second(e.s.UpdatePlan(ctx, operator, "nosuch", "", registry.PlanChange{})),
		registry.CodeNotFound,
	)
	e.want(second(e.s.Plan(ctx, operator, "nosuch")), registry.CodeNotFound)
	e.want(e.s.DeletePlan(ctx, operator, "nosuch"), registry.CodeNotFound)
	e.want(e.s.DeletePlan(ctx, operator, "team"), registry.CodeConflict) // an org has it
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, registry.DefaultPlan))
	e.ok(e.s.DeletePlan(ctx, operator, "team"))
	list, err := e.s.Plans(ctx, operator)
	e.ok(err)
	if len(list) != 0 {
		e.Fatalf("%+v", list)
	}
}

// configuredPlans: the Caddyfile's count, and change there alone.
func configuredPlans(e env) {
	o := e.org("acme", "")
	q, err := e.s.Quota(ctx, operator, o.ID)
	e.ok(err)
	if q.Plan != registry.DefaultPlan || !q.Defined {
		e.Fatalf("%+v", q)
	}
	e.plan("team", registry.Limits{"members": 1})
	mine := registry.Plan{Name: "team", Limits: registry.Limits{"members": 2, "memory": 512}}
	e.want(e.s.ConfigurePlans(ctx, operator, registry.PlansOf{}, nil), registry.CodeForbidden)
	e.want(
		e.s.ConfigurePlans(
			ctx, system, registry.PlansOf{}, []registry.Plan{{Name: "team", Limits: registry.Limits{"x": 1}}},
		),
		registry.CodeInvalid,
	)
	e.ok(e.s.ConfigurePlans(ctx, system, registry.PlansOf{}, []registry.Plan{mine, {Name: "large"}}))
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "team"))
	p, err := e.s.Plan(ctx, operator, "team")
	e.ok(err)
	if !p.Configured || p.Limits["members"] != 2 || p.Orgs != 1 {
		e.Fatalf("%+v", p)
	}
	w, err := e.s.WorkOn(ctx, system, o.ID)
	e.ok(err)
	if w.Limits["memory"] != 512 {
		e.Fatalf("%+v", w)
	}
	e.want(second(e.s.UpdatePlan(ctx, operator, "team", "", registry.PlanChange{})), registry.CodeConflict)
	e.want(e.s.DeletePlan(ctx, operator, "large"), registry.CodeConflict)
	before, err := e.s.Head(ctx, system)
	e.ok(err)
	e.ok(
		e.s.ConfigurePlans(ctx, system, registry.PlansOf{}, []registry.Plan{mine, {Name: "large"}}),
	) // a reload that changes nothing
	after, err := e.s.Head(ctx, system)
	e.ok(err)
	if before != after {
		e.Fatal("the same plans are a change")
	}
	e.plan("own", nil)
	e.ok(e.s.ConfigurePlans(ctx, system, registry.PlansOf{}, []registry.Plan{{Name: "large"}}))
	list, err := e.s.Plans(ctx, operator)
	e.ok(err)
	if len(list) != 2 || list[0].Name != "large" || list[1].Name != "own" {
		e.Fatalf("%+v", list)
	}
	// The org keeps the word, and runs without limits.
	q, err = e.s.Quota(ctx, operator, o.ID)
	e.ok(err)
	if q.Plan != "team" || q.Defined {
		e.Fatalf("%+v", q)
	}
	e.ok(second(e.s.Route(ctx, system, "acme")))
}

// nodesPlans: of several nodes the one whose plans changed last counts. One that starts again with the
// plans it had leaves newer ones alone; a reload and a change count.
func nodesPlans(e env) {
	older, newer := []registry.Plan{{Name: "team"}}, []registry.Plan{{Name: "team"}, {Name: "large"}}
	for _, step := range []struct {
		node    string
		started bool
		list    []registry.Plan
		want    int
	}{
		{"a", true, older, 1},
		{"b", true, older, 1},
		{"a", true, newer, 2},
		{"b", true, older, 2},
		{"a", true, newer, 2},
		{"b", false, older, 1},
		{"a", true, newer, 1},
		{"a", false, newer, 2},
		{"b", true, newer, 2},
		{"b", true, older, 1},
		{"", true, newer, 2},
		{"", true, older, 1},
		{"", true, newer, 2},
	} {
		e.ok(e.s.ConfigurePlans(ctx, system, registry.PlansOf{Node: step.node, Started: step.started}, step.list))
		have, err := e.s.Plans(ctx, operator)
		e.ok(err)
		if len(have) != step.want {
			e.Fatalf("%+v: %+v", step, have)
		}
	}
}

// quotaOf is one limit of an org.
func (e env) quotaOf(org registry.OrgID, name registry.LimitName) registry.QuotaItem {
	e.Helper()
	q, err := e.s.Quota(ctx, operator, org)
	e.ok(err)
	for _, i := range q.Items {
		if i.Name == name {
			return i
		}
	}
	e.Fatalf("%s is not in %+v", name, q)
	return registry.QuotaItem{}
}

// orgLimits: an org's own limits take the place of its plan's, one by one.
func orgLimits(e env) {
	a, _ := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.plan("team", registry.Limits{"members": 2, "runners": 3, "body": 1000})
	e.ok(e.s.SetOrgPlan(ctx, operator, o.ID, 0, "team"))
	e.ok(
		e.s.SetOrgLimits(
			ctx, operator, o.ID, 0,
			registry.LimitChanges{"members": number(0), "concurrency": number(9)},
		),
	)
	if i := e.quotaOf(o.ID, "members"); *i.Limit != 0 || !i.Own || *i.Used != 1 || !i.Over ||
		i.Percent != nil {
		e.Errorf("%+v", i)
	}
	if i := e.quotaOf(o.ID, "runners"); *i.Limit != 3 || i.Own || *i.Used != 0 || i.Over ||
		*i.Percent != 0 {
		e.Errorf("%+v", i)
	}
	if i := e.quotaOf(o.ID, "cpu"); i.Limit != nil || i.Used != nil {
		e.Errorf("%+v", i)
	}
	route, err := e.s.Route(ctx, system, "acme")
	e.ok(err)
	if l := route.Limits; *l.Body != 1000 || *l.Concurrency != 9 {
		e.Errorf("%+v", l)
	}
	e.want(
		e.s.SetOrgLimits(ctx, operator, o.ID, 0, registry.LimitChanges{"members": number(-1)}),
		registry.CodeInvalid,
	)
	e.want(
		e.s.SetOrgLimits(ctx, operator, o.ID, 99, registry.LimitChanges{"members": nil}),
		registry.CodeVersionConflict,
	)
	e.ok(e.s.SetOrgLimits(ctx, operator, o.ID, 0, registry.LimitChanges{"members": nil}))
	if i := e.quotaOf(o.ID, "members"); *i.Limit != 2 || i.Own || *i.Percent != 50 {
		e.Errorf("%+v", i)
	}
}

// seats: a full org takes nobody more in, by whatever way; nobody is removed, and help still comes.
func seats(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	limit := func(n *float64) {
		e.Helper()
		e.ok(e.s.SetOrgLimits(ctx, operator, o.ID, 0, registry.LimitChanges{"members": n}))
	}
	invite := func(email string) error {
		return second(e.s.CreateInvite(ctx, asA, o.ID, email, registry.RoleMember, secret(email)))
	}
	limit(number(2))
	e.ok(invite("b@example.com"))
	e.ok(invite("b@example.com")) // in place of the first
	e.want(invite("c@example.com"), registry.CodeConflict)
	limit(number(3))
	e.ok(invite("c@example.com"))
	limit(number(2))
	e.ok(third(e.s.AcceptInviteAsNew(ctx, visitor, secret("b@example.com"), "B", "hash")))
	e.want(
		third(e.s.AcceptInviteAsNew(ctx, visitor, secret("c@example.com"), "C", "hash")),
		registry.CodeConflict,
	)
	limit(number(1)) // below the present use
	if i := e.quotaOf(o.ID, "members"); *i.Used != 2 || !i.Over || *i.Percent != 200 {
		e.Errorf("%+v", i)
	}

	// By the org's provider neither, and who is there comes in as before.
	e.ownDomain(asA, o.ID)
	c, err := e.connect(asA, o.ID, nil)
	e.ok(err)
	come := func(email string) error {
		return third(
			e.s.SignInExternal(
				ctx,
				system,
				registry.ExternalSignIn{
					Connection:    c.ID,
					Subject:       email,
					Email:         email,
					EmailVerified: true,
					Name:          email,
				},
			),
		)
	}
	e.want(come("d@example.com"), registry.CodeConflict)
	limit(nil)
	e.ok(come("d@example.com"))
	limit(number(1))
	e.ok(come("d@example.com"))

	// Support takes no seat.
	root, _ := e.user("root@example.org")
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &yes}))
	p, err := e.s.RequestSupport(
		ctx, e.now(root), o.ID,
		registry.NewSupport{Role: registry.RoleMember, Reason: "x", Hours: 1},
	)
	e.ok(err)
	e.ok(second(e.s.DecideSupport(ctx, asA, o.ID, p.ID, registry.DecisionApprove)))
	if i := e.quotaOf(o.ID, "members"); *i.Used != 3 {
		e.Errorf("support takes a seat: %v", *i.Used)
	}
}

// seatRace: fifty who come at once never pass the limit.
func seatRace(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	for i := range 50 {
		e.ok(
			second(
				e.s.CreateInvite(
					ctx, asA, o.ID, fmt.Sprintf("m%d@example.com", i), registry.RoleMember,
					secret(fmt.Sprint("m", i)),
				),
			),
		)
		e.ok(
			second(
				e.s.CreateRunnerClaim(
					ctx, asA, o.ID, registry.NewRunnerClaim{Name: "x"}, secret(fmt.Sprint("r", i)),
				),
			),
		)
	}
	e.ok(
		e.s.SetOrgLimits(
			ctx, operator, o.ID, 0,
			registry.LimitChanges{"members": number(7), "runners": number(4)},
		),
	)
	var members, runners atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if third(
				e.s.AcceptInviteAsNew(ctx, visitor, secret(fmt.Sprint("m", i)), "M", "hash"),
			) == nil {
				members.Add(1)
			}
		})
		wg.Go(func() {
			if second(
				e.s.EnrollRunner(
					ctx, visitor, secret(fmt.Sprint("r", i)), "", secret(fmt.Sprint("k", i)),
				),
			) == nil {
				runners.Add(1)
			}
		})
	}
	wg.Wait()
	if members.Load() != 6 || runners.Load() != 4 {
		e.Errorf("%d members beside the owner, and %d runners", members.Load(), runners.Load())
	}
}

// runnerPlaces: claims are counted before they are used, and a runner's end frees its place.
func runnerPlaces(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.ok(e.s.SetOrgLimits(ctx, operator, o.ID, 0, registry.LimitChanges{"runners": number(2)}))
	claim := func() error {
		return second(
			e.s.CreateRunnerClaim(
				ctx, asA, o.ID, registry.NewRunnerClaim{Name: "x"}, secret(registry.NewID()),
			),
		)
	}
	r, _ := e.runner(asA, o.ID, "one")
	e.ok(claim())
	e.want(claim(), registry.CodeConflict)
	e.clock.Add(registry.RunnerClaimLife)
	e.ok(claim()) // the other one has ended
	e.want(claim(), registry.CodeConflict)
	e.ok(e.s.RevokeRunner(ctx, asA, o.ID, r.ID))
	e.ok(claim())
	if i := e.quotaOf(o.ID, "runners"); *i.Used != 0 {
		e.Errorf("%+v", i)
	}
}

// quotaWarnings: each level is told of once, until the use has fallen well below it.
func quotaWarnings(e env) {
	a, asA := e.user("a@example.com")
	o := e.org("acme", a.ID)
	e.member(o.ID, "admin@example.com", registry.RoleAdmin)
	e.org("other", a.ID)
	limit := func(name registry.LimitName, n float64) {
		e.Helper()
		e.ok(e.s.SetOrgLimits(ctx, operator, o.ID, 0, registry.LimitChanges{name: &n}))
	}
	check := func(refused registry.RefusedRequests, want ...string) {
		e.Helper()
		list, err := e.s.CheckQuotas(ctx, system, refused)
		e.ok(err)
		var got []string
		for _, w := range list {
			got = append(got, fmt.Sprintf("%s %s %d: %s", w.Slug, w.Limit, w.Level, w.Detail()))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			e.Errorf("%q, want %q", got, want)
		}
	}
	says := func(r registry.Refused) registry.RefusedRequests {
		return func(registry.OrgID) registry.Refused { return r }
	}
	e.want(second(e.s.CheckQuotas(ctx, operator, nil)), registry.CodeForbidden)
	check(nil)
	limit("members", 3)
	check(nil) // two of three
	b, _ := e.member(o.ID, "b@example.com", registry.RoleMember)
	before, err := e.s.Head(ctx, system)
	e.ok(err)
	check(nil, "acme members 100: 3 of 3")
	check(nil)
	changes, err := e.s.Changes(ctx, system, before, 10)
	e.ok(err)
	if len(changes) != 1 || changes[0].Kind != registry.ChangeOrgQuotaWarning || changes[0].OrgID != o.ID {
		e.Errorf("%+v", changes)
	}
	limit("members", 4) // 75 %: below both levels, and not far enough below the lower one
	check(nil)
	e.member(o.ID, "c@example.com", registry.RoleMember)
	check(nil, "acme members 100: 4 of 4")
	limit("members", 5)
	check(nil)
	limit("members", 8) // 50 %
	check(nil)
	limit("members", 5)
	check(nil, "acme members 80: 4 of 5")
	e.ok(second(e.s.RemoveMember(ctx, asA, o.ID, b.ID, registry.MemberRemoval{})))
	limit("members", 3) // it passed the limit at once
	check(nil, "acme members 100: 3 of 3")

	check(says(registry.RefusedLong), "acme requests_per_second 100: requests are refused")
	check(says(registry.RefusedLong))
	check(says(registry.RefusedSome))
	check(says(registry.RefusedNone))
	check(says(registry.RefusedLong), "acme requests_per_second 100: requests are refused")

	admins, err := e.s.Admins(ctx, system, o.ID)
	e.ok(err)
	if len(admins) != 2 {
		e.Errorf("%+v", admins)
	}
}
