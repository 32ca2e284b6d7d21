package identity

import (
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/pizzaface/pizzeria/registry"
)

// attempts bounds how often a password may be tried: per account, per network
// (IPv4 /32, IPv6 /64) and in all. It remembers a bounded number of each.
type attempts struct {
	mu      sync.Mutex
	account *lru.Cache[string, *rate.Limiter]
	network *lru.Cache[netip.Prefix, *rate.Limiter]
	global  *rate.Limiter
}

const rememberedLimits = 10_000

func newAttempts() *attempts {
	account, _ := lru.New[string, *rate.Limiter](rememberedLimits) // fails only for a size below 1
	network, _ := lru.New[netip.Prefix, *rate.Limiter](rememberedLimits)
	return &attempts{account: account, network: network, global: rate.NewLimiter(50, 200)}
}

// take counts one attempt. The account's key is the clean e-mail address, so
// that no other spelling has a limit of its own; "" where nobody's account is
// tried: a company's people come from one address. Error: Busy.
func (a *attempts) take(now time.Time, email, address string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if email != "" && !limiter(a.account, email, 30*time.Second, 10).AllowN(now, 1) ||
		!limiter(a.network, network(address), 2*time.Second, 40).AllowN(now, 1) || !a.global.AllowN(now, 1) {
		return registry.Errorf(registry.Busy, "", "too many attempts: wait a minute and try again")
	}
	return nil
}

// limiter returns the limiter of a key, which allows burst at once and then one in every.
func limiter[K comparable](of *lru.Cache[K, *rate.Limiter], key K, every time.Duration, burst int) *rate.Limiter {
	l, ok := of.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Every(every), burst)
		of.Add(key, l)
	}
	return l
}

// letters bounds how many letters people may have us send, so that nobody is flooded in our name: to one address, whoever
// asks, and of one org. It remembers a bounded number of each.
type letters struct {
	mu      sync.Mutex
	address *lru.Cache[string, *rate.Limiter]
	org     *lru.Cache[registry.OrgID, *rate.Limiter]
}

func newLetters() *letters {
	address, _ := lru.New[string, *rate.Limiter](rememberedLimits) // fails only for a size below 1
	org, _ := lru.New[registry.OrgID, *rate.Limiter](rememberedLimits)
	return &letters{address: address, org: org}
}

// take counts one letter to a clean address in the name of an org. Error: Busy.
func (l *letters) take(now time.Time, org registry.OrgID, address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !limiter(l.address, address, 2*time.Hour, 5).AllowN(now, 1) {
		return registry.Errorf(registry.Busy, "email", "%s got several invitations already: try again in two hours", address)
	}
	if !limiter(l.org, org, 2*time.Minute, 300).AllowN(now, 1) {
		return registry.Errorf(registry.Busy, "email", "this org has invited very many people: go on in an hour")
	}
	return nil
}

func network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}
