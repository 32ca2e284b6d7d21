package identity

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"strconv"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// keyOf stands for an account, or for an address that may have one: a hash, since what people type
// is of any length.
func keyOf(account string) string {
	h := sha256.Sum256([]byte(account))
	return string(h[:])
}

// tier is one size of network.
type tier struct {
	bits4, bits6 int // prefix lengths; 0: this tier has no networks of that family
	networks     *Limit
	pairs        *Limit // nil: accounts do not matter
}

// limits bounds how often strangers may try one thing: by network, in all, by account and network,
// and by account. The network and the total are judged first. If they refuse, nothing is counted
// against the account, so that one address can neither lock others out nor push their limits out of
// memory.
type limits struct {
	purpose  string
	tiers    []tier
	total    *Limit
	accounts *Limit // over all networks; nil: accounts do not matter
}

// rates are the allowances of one purpose. The wider tiers of networks get 3 and 4 times as much.
type rates struct {
	total, network allowance
	pair, account  allowance // zero: accounts do not matter
}

func (a allowance) times(n int) allowance { return allowance{a.every / time.Duration(n), a.burst * n} }

func newLimit(purpose, reason, size string, a, used allowance) *Limit {
	return &Limit{
		Name: purpose + "/" + reason + size, Every: a.every, Burst: a.burst,
		reason: reason, used: used,
	}
}

func newLimits(purpose string, r rates) *limits {
	limit := func(reason, size string, a allowance) *Limit {
		return newLimit(purpose, reason, size, a, r.total)
	}
	l := &limits{purpose: purpose, total: limit(limitTotal, "", r.total)}
	for _, t := range []struct{ bits4, bits6, times int }{{32, 64, 1}, {24, 48, 3}, {16, 0, 4}} {
		size := "/" + strconv.Itoa(t.bits4)
		v := tier{
			bits4: t.bits4, bits6: t.bits6,
			networks: limit(limitNetwork, size, r.network.times(t.times)),
		}
		if r.pair.burst > 0 {
			v.pairs = limit(limitPair, size, r.pair.times(t.times))
		}
		l.tiers = append(l.tiers, v)
	}
	if r.account.burst > 0 {
		l.accounts = limit(limitAccount, "", r.account)
	}
	return l
}

// Names of limits, as they are counted.
const (
	limitNetwork = "network"
	limitTotal   = "total"
	limitPair    = "account_network"
	limitAccount = "account"
	limitOwn     = "own"
	limitDelay   = "delay"
	limitLocked  = "locked"
	limitTarget  = "target"
)

// stages are the buckets of one try: of the network and the total, and then of the account, a clean
// e-mail address or another name, "" for none.
func (l *limits) stages(account, address string) [][]Bucket {
	ip, _ := netip.ParseAddr(address) // the zero address is a network as well
	ip = ip.Unmap().WithZone("")
	first := make([]Bucket, 0, len(l.tiers)+1)
	var then []Bucket
	key := ""
	if account != "" && l.accounts != nil {
		key = keyOf(account)
	}
	for _, t := range l.tiers {
		p, ok := t.network(ip)
		if !ok {
			continue
		}
		n := networkKey(p)
		first = append(first, Bucket{t.networks, n})
		if key != "" {
			then = append(then, Bucket{t.pairs, key + n})
		}
	}
	first = append(first, Bucket{Limit: l.total})
	if key != "" {
		then = append(then, Bucket{l.accounts, key})
	}
	return [][]Bucket{first, then}
}

// networkKey is a network of a tier, whose sizes are known.
func networkKey(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return string(p.Addr().AsSlice())
}

func (t tier) network(ip netip.Addr) (netip.Prefix, bool) {
	bits := t.bits4
	if ip.Is6() {
		bits = t.bits6
	}
	if bits == 0 {
		return netip.Prefix{}, false
	}
	p, _ := ip.Prefix(bits) // of the zero address: the zero prefix
	return p, true
}

func networkOf(address string) netip.Prefix {
	ip, _ := netip.ParseAddr(address)
	p, _ := tier{bits4: 32, bits6: 64}.network(ip.Unmap().WithZone(""))
	return p
}

// own bounds how often somebody who has shown who they are may try something. Strangers cannot use
// it up.
type own struct {
	purpose string
	limit   *Limit
}

// newOwn returns limits by session, account or org: those exist, so that their number is bounded by
// the store.
func newOwn(purpose string, a allowance) *own {
	used := allowance{10 * time.Millisecond, 100}
	return &own{purpose, newLimit(purpose, limitOwn, "", a, used)}
}

func (o *own) bucket(key string) Bucket { return Bucket{o.limit, keyOf(key)} }

// takeOwn counts one try of somebody known. It returns false where there is none left.
func (s *Service) takeOwn(ctx context.Context, o *own, key string) (back func(), ok bool) {
	refused, back := s.take(ctx, []Bucket{o.bucket(key)})
	return back, refused == nil
}

// Purposes of limits, as they are counted.
const (
	limitsPassword = "password"
	limitsSecond   = "second_step"
	limitsPasskey  = "passkey"
	limitsForgot   = "forgot"
	limitsCompany  = "company"
	limitsDevice   = "device"
	limitsExternal = "connection"
	limitsUserCode = "user_code"
	limitsProvider = "provider"
	limitsConfirm  = "confirm"
	limitsMail     = "mail"
	limitsSignIns  = "sign_ins"
	// These refuse nobody.
	limitsKnown    = "known"
	limitsRecorded = "recorded"
)

// LimitsOf has, for each purpose, the limits that can refuse a try.
var LimitsOf = map[string][]string{
	limitsPassword: {limitNetwork, limitTotal, limitPair, limitAccount},
	limitsSecond:   {limitNetwork, limitTotal, limitDelay, limitLocked},
	limitsPasskey:  {limitNetwork, limitTotal},
	limitsForgot:   {limitNetwork, limitTotal, limitPair, limitAccount},
	limitsCompany:  {limitNetwork, limitTotal},
	limitsDevice:   {limitNetwork, limitTotal},
	limitsExternal: {limitNetwork, limitTotal},
	limitsMail:     {limitNetwork, limitTotal, limitPair, limitAccount, limitTarget},
	limitsUserCode: {limitOwn},
	limitsProvider: {limitOwn},
	limitsConfirm:  {limitOwn},
	limitsSignIns:  {limitOwn},
}

// allLimits keeps each purpose apart: a flood of one leaves the others alone.
type allLimits struct {
	password, second, passkey, forgot, company, device, external, mail *limits

	userCode *own // by account
	provider *own // by org
	confirm  *own // the own password, by session
	recorded *own // in the audit log, by account
	known    *own // from a browser that has signed in before, by browser and account
	signIns  *own // that succeeded, by account: each is a session
}

func newAllLimits() allLimits {
	s := time.Second
	// What strangers may do in all, also when no single network does much. One /16 or /48 alone
	// cannot use it up.
	total := allowance{s / 50, 200}
	network := allowance{2 * s, 40}
	return allLimits{
		password: newLimits(limitsPassword, rates{total, network, allowance{30 * s, 10}, allowance{6 * s, 100}}),
		second:   newLimits(limitsSecond, rates{total: total, network: network}), // wrong codes are counted by the store
		passkey:  newLimits(limitsPasskey, rates{total: total, network: network}),
		forgot:   newLimits(limitsForgot, rates{allowance{s / 5, 100}, allowance{60 * s, 5}, allowance{600 * s, 3}, allowance{600 * s, 10}}),
		company:  newLimits(limitsCompany, rates{total: total, network: network}),
		device:   newLimits(limitsDevice, rates{total: total, network: allowance{30 * s, 10}}),
		// A whole office begins at once, and what comes back is given back.
		external: newLimits(limitsExternal, rates{total: total, network: allowance{s / 2, 100}}),
		mail:     newLimits(limitsMail, rates{allowance{s / 5, 100}, allowance{60 * s, 20}, allowance{600 * s, 5}, allowance{300 * s, 20}}),
		userCode: newOwn(limitsUserCode, allowance{30 * s, 10}),
		provider: newOwn(limitsProvider, allowance{30 * s, 10}),
		confirm:  newOwn(limitsConfirm, allowance{30 * s, 30}),
		recorded: newOwn(limitsRecorded, allowance{time.Hour, 1}),
		known:    newOwn(limitsKnown, allowance{360 * s, 10}),
		signIns:  newOwn(limitsSignIns, allowance{30 * s, 60}),
	}
}

// busy counts a refusal, and says so to whoever is refused.
func (s *Service) busy(purpose, limit string) error {
	if s.Limited != nil {
		s.Limited(purpose, limit)
	}
	return registry.Errorf(registry.CodeTooManyRequests, "", "too many attempts: wait a minute and try again")
}

// try counts one try of a stranger, or of a browser that has signed in with the account before.
// settle gives it back, unless it was refused. Error: CodeTooManyRequests.
func (s *Service) try(ctx context.Context, l *limits, account string, at Client) (settle func(*error), err error) {
	if l.accounts != nil && account != "" {
		if back, ok := s.known(ctx, account, at.Device); ok {
			return s.settle(back), nil
		}
	}
	refused, back := s.take(ctx, l.stages(account, at.Address)...)
	if refused == nil {
		return s.settle(back), nil
	}
	if refused.reason == limitAccount {
		s.recordLimited(ctx, account, at)
	}
	return nil, s.busy(l.purpose, refused.reason)
}

// recordLimited writes into the audit log, at most once an hour, that strangers have used up what
// an account allows from everywhere. It answers at once and alike, whether there is such an account
// or not.
func (s *Service) recordLimited(ctx context.Context, email string, at Client) {
	if _, ok := s.takeOwn(ctx, s.limits.recorded, email); !ok {
		return
	}
	select {
	case s.recording <- struct{}{}:
	default:
		return // the metric counts it all the same
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	go func() {
		defer cancel()
		defer func() { <-s.recording }()
		system := registry.AsSystem("sign-in")
		u, err := s.store.UserByEmail(ctx, system, email)
		if registry.ErrorCode(err) == registry.CodeNotFound {
			return
		}
		if err == nil {
			err = s.store.SignInLimited(ctx, system, u.ID, at.Address)
		}
		if err != nil {
			s.log.Warn("cannot record refused sign-ins", "error", err)
		}
	}()
}

// settle gives a try back that succeeded, or failed for a reason that is not the person's.
func (s *Service) settle(back func()) func(*error) {
	return func(err *error) {
		switch registry.ErrorCode(*err) {
		case "", registry.CodeOverloaded:
			back()
		}
	}
}

// tryOwn counts one try of somebody known. Error: CodeTooManyRequests.
func (s *Service) tryOwn(ctx context.Context, o *own, key string) (settle func(*error), err error) {
	back, ok := s.takeOwn(ctx, o, key)
	if !ok {
		return nil, s.busy(o.purpose, limitOwn)
	}
	return s.settle(back), nil
}
