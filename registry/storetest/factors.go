package storetest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// factors: whose they are, and that nothing of them is good twice.
func factors(e env) {
	u, asU := e.user("a@example.com")
	_, asOther := e.user("b@example.com")
	root, asRoot := e.user("root@example.com")
	yes := true
	e.ok(e.s.UpdateUser(ctx, operator, root.ID, registry.UserChange{PlatformAdmin: &yes}))
	root, err := e.s.User(ctx, operator, root.ID)
	e.ok(err)
	asRoot = e.person(root, asRoot.Session, "")
	k, err := e.s.CreateAPIKey(ctx, asRoot, registry.NewAPIKey{Name: "k", Scopes: []registry.Scope{registry.ScopePlatform}}, secret("k"))
	e.ok(err)
	asKey := registry.AsKey(k, root, "")

	add := func(as registry.Actor, name string) (registry.FactorID, error) {
		f := registry.Factor{ID: registry.FactorID(registry.NewID()), Kind: registry.FactorTOTP, Name: name, Sealed: []byte("sealed")}
		_, err := e.s.AddFactor(ctx, as, f, 100, []registry.Hash{secret("r1"), secret("r2")})
		return f.ID, err
	}
	e.want(e.s.SetRecoveryCodes(ctx, asU, []registry.Hash{secret("x")}), registry.CodeConflict) // of what
	for _, as := range []registry.Actor{operator, visitor, asKey} {
		e.refused(second(add(as, "phone")))
	}
	e.want(second(add(asU, "two\nlines")), registry.CodeInvalid)
	id, err := add(asU, "phone")
	e.ok(err)
	list, err := e.s.Factors(ctx, asU, u.ID)
	e.ok(err)
	if len(list) != 1 || list[0].ID != id || list[0].Name != "phone" || string(list[0].Sealed) != "sealed" {
		e.Errorf("%+v", list)
	}
	e.want(second(e.s.Factors(ctx, asOther, u.ID)), registry.CodeNotFound)
	e.want(second(e.s.Factors(ctx, visitor, u.ID)), registry.CodeForbidden)

	// A step is good once, also for twenty at once; the one that showed that it works is used.
	e.want(e.s.UseFactor(ctx, asU, id, 101, nil), registry.CodeForbidden)
	e.want(e.s.UseFactor(ctx, system, id, 100, nil), registry.CodeConflict)
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 20 {
		wg.Go(func() {
			if e.s.UseFactor(ctx, system, id, 101, nil) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		e.Errorf("one code was used %d times", won.Load())
	}
	e.ok(e.s.UseFactor(ctx, system, id, 102, []byte("sealed again")))
	if list, err = e.s.Factors(ctx, asU, u.ID); err != nil || string(list[0].Sealed) != "sealed again" || list[0].LastUsedAt.IsZero() {
		e.Errorf("%+v %v", list, err)
	}
	left, err := e.s.UseRecoveryCode(ctx, system, u.ID, secret("r1"))
	e.ok(err)
	if left != 1 {
		e.Errorf("%d are left", left)
	}
	e.want(second(e.s.UseRecoveryCode(ctx, system, u.ID, secret("r1"))), registry.CodeNotFound)
	e.want(second(e.s.UseRecoveryCode(ctx, system, root.ID, secret("r2"))), registry.CodeNotFound) // somebody else's
	e.ok(e.s.SetRecoveryCodes(ctx, asU, []registry.Hash{secret("r3")}))
	e.want(second(e.s.UseRecoveryCode(ctx, system, u.ID, secret("r2"))), registry.CodeNotFound)

	// Wrong codes in a row are counted before they are judged, also of many at once.
	try := func() (int, error) { return e.s.BeginSecond(ctx, system, u.ID, registry.BrowserUnknown) }
	e.want(second(e.s.BeginSecond(ctx, asU, u.ID, registry.BrowserUnknown)), registry.CodeForbidden)
	e.want(e.s.EndSecond(ctx, asU, u.ID, 0), registry.CodeForbidden)
	e.want(e.s.SecondFailed(ctx, asU, u.ID, 10, ""), registry.CodeForbidden)
	var passed atomic.Int32
	for range 20 {
		wg.Go(func() {
			if second(try()) == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != registry.SecondDelayFrom {
		e.Errorf("%d tries at once passed, want %d", passed.Load(), registry.SecondDelayFrom)
	}
	e.ok(e.s.EndSecond(ctx, system, u.ID, 5))
	for n := 1; n <= registry.SecondLockAt; n++ {
		got, err := try()
		e.ok(err)
		if got != n {
			e.Errorf("try %d is counted as %d", n, got)
		}
		if wait := registry.SecondDelay(n); wait > 0 && n < registry.SecondLockAt {
			e.clock.Add(wait - time.Second)
			e.want(second(try()), registry.CodeTooManyRequests)
			if n == registry.SecondDelayFrom {
				e.ok(second(e.s.BeginSecond(ctx, system, u.ID, registry.BrowserKnown))) // a known browser does not wait
				n++
				e.clock.Add(registry.SecondDelay(n) - time.Second)
			}
			e.clock.Add(time.Second)
		}
	}
	e.clock.Add(365 * 24 * time.Hour)
	e.want(second(try()), registry.CodeForbidden)
	e.want(second(e.s.BeginSecond(ctx, system, u.ID, registry.BrowserKnown)), registry.CodeForbidden)
	e.ok(e.s.EndSecond(ctx, system, u.ID, 0)) // a passkey does not unlock
	e.want(second(try()), registry.CodeForbidden)
	e.ok(e.s.SecondFailed(ctx, system, u.ID, registry.SecondLockAt, "192.0.2.1"))
	audit, err := e.s.PlatformAudit(ctx, operator, registry.AuditList{Action: registry.ChangeSecondStepLocked})
	e.ok(err)
	if len(audit.Items) != 1 || audit.Items[0].Target != u.Email || audit.Items[0].Address != "192.0.2.1" {
		e.Errorf("%+v", audit.Items)
	}
	e.want(e.s.SignInLimited(ctx, asU, u.ID, ""), registry.CodeForbidden)
	e.ok(e.s.SignInLimited(ctx, system, u.ID, "192.0.2.1"))
	if audit, err = e.s.PlatformAudit(ctx, operator, registry.AuditList{Action: registry.ChangeSignInLimited}); err != nil || len(audit.Items) != 1 || audit.Items[0].Target != u.Email {
		e.Errorf("%+v %v", audit.Items, err)
	}
	e.ok(e.s.SetPassword(ctx, asU, "hash"))
	asU = e.person(e.again(u), asU.Session, "")
	e.ok(second(try()))
	e.ok(second(e.s.BeginSecond(ctx, system, root.ID, registry.BrowserUnknown))) // counted by account

	e.want(e.s.RemoveFactors(ctx, asOther, u.ID, id), registry.CodeForbidden)
	e.want(e.s.RemoveFactors(ctx, asKey, u.ID, id), registry.CodePersonNeeded)
	e.want(e.s.RemoveFactors(ctx, asU, u.ID, "01890000-0000-7000-8000-000000000000"), registry.CodeNotFound)
	e.ok(e.s.RemoveFactors(ctx, asU, u.ID, id))
	e.want(second(e.s.UseRecoveryCode(ctx, system, u.ID, secret("r3"))), registry.CodeNotFound) // gone with the last
	for i := range registry.FactorsMax {
		e.ok(second(add(asU, "phone "+strconv.Itoa(i))))
	}
	e.want(second(add(asU, "one more")), registry.CodeConflict)
	asRoot = e.person(root, asRoot.Session, "")
	e.ok(e.s.RemoveFactors(ctx, asRoot, u.ID, "")) // who lost the phone asks a platform admin
	if list, err = e.s.Factors(ctx, operator, u.ID); err != nil || len(list) != 0 {
		e.Errorf("%+v %v", list, err)
	}
}
