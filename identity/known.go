package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// DeviceLife is how long a browser is known after a sign-in.
const DeviceLife = 365 * 24 * time.Hour

const (
	purposeDevice = "device"
	maxKnown      = 8 // accounts of one browser; the oldest sign-in is forgotten first
	maxDevice     = 4096
)

// browser is what the device cookie says, sealed: which accounts have signed in with this browser.
// It lets nobody in. It exempts from limits that strangers can use up, for a few tries an hour.
type browser struct {
	ID       string         `json:"i"`
	Accounts []knownAccount `json:"a"`
}

type knownAccount struct {
	User  registry.UserID `json:"u"`
	Epoch int64           `json:"e"` // of the account at the sign-in: another one voids this
	At    time.Time       `json:"t"` // of the sign-in
}

// openDevice reads a device cookie; one that is not ours is that of no account.
func (s *Service) openDevice(cookie string) (b browser) {
	if cookie == "" || len(cookie) > maxDevice {
		return b
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil {
		return b
	}
	plain, err := s.Open(purposeDevice, "", sealed)
	if err != nil || json.Unmarshal(plain, &b) != nil {
		return browser{}
	}
	b.Accounts = slices.DeleteFunc(b.Accounts, func(k knownAccount) bool { return s.now().Sub(k.At) > DeviceLife })
	return b
}

// Remember returns the device cookie of a browser in which an account has just signed in, or is
// signed in.
func (s *Service) Remember(ctx context.Context, c Client, id registry.UserID) (token.Secret, error) {
	u, err := s.store.User(ctx, registry.AsSystem("sign-in"), id)
	if err != nil {
		return "", err
	}
	b := s.openDevice(c.Device)
	if b.ID == "" {
		b.ID = registry.NewID()
	}
	b.Accounts = slices.DeleteFunc(b.Accounts, func(k knownAccount) bool { return k.User == id })
	b.Accounts = append(b.Accounts, knownAccount{id, u.DeviceEpoch, s.now()})
	if n := len(b.Accounts); n > maxKnown {
		b.Accounts = b.Accounts[n-maxKnown:]
	}
	plain, err := json.Marshal(b)
	return token.Secret(base64.RawURLEncoding.EncodeToString(s.Seal(purposeDevice, "", plain))), err
}

// known counts one try from a browser that has signed in before: with this account, or with "" any.
// It reports false for other browsers and once the hour's tries are used up; the limits of
// strangers count then.
func (s *Service) known(ctx context.Context, email, device string) (back func(), ok bool) {
	b := s.openDevice(device)
	if len(b.Accounts) == 0 {
		return nil, false
	}
	system := registry.AsSystem("sign-in")
	if email != "" {
		u, err := s.store.UserByEmail(ctx, system, email)
		return s.takeKnown(ctx, b, u, err)
	}
	for _, k := range slices.Backward(b.Accounts) {
		u, err := s.store.User(ctx, system, k.User)
		if back, ok := s.takeKnown(ctx, b, u, err); ok {
			return back, true
		}
	}
	return nil, false
}

func (s *Service) takeKnown(
	ctx context.Context, b browser, u registry.User, err error,
) (back func(), ok bool) {
	if err != nil || !slices.ContainsFunc(b.Accounts, func(k knownAccount) bool { return k.User == u.ID && k.Epoch == u.DeviceEpoch }) {
		return nil, false
	}
	return s.takeOwn(ctx, s.limits.known, b.ID+" "+string(u.ID))
}
