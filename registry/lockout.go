package registry

import (
	"context"
	"time"
)

// Wrong codes of a second step in a row. Whoever tries them has the password, or the account at the
// provider.
const (
	SecondDelayFrom = 5  // from this one on, each is followed by a delay
	SecondMailAt    = 10 // the person is told
	SecondLockAt    = 20 // no further code is taken before there is a new password
)

// SecondDelay is how long no code is taken after so many wrong ones in a row: 1 s after
// SecondDelayFrom of them, and twice as long after each further one.
func SecondDelay(failures int) time.Duration {
	if failures < SecondDelayFrom {
		return 0
	}
	return time.Second << (min(failures, SecondLockAt) - SecondDelayFrom)
}

// LockoutStore counts wrong codes and refused sign-ins.
type LockoutStore interface {
	BeginSecond(ctx context.Context, a Actor, id UserID, b Browser) (failures int, err error)
	EndSecond(ctx context.Context, a Actor, id UserID, failures int) error
	SecondFailed(ctx context.Context, a Actor, id UserID, failures int, address string) error
	SignInLimited(ctx context.Context, a Actor, id UserID, address string) error
}

// Browser says whether an account has signed in with a browser before.
type Browser bool

// What is known of a browser.
const (
	BrowserUnknown Browser = false
	BrowserKnown   Browser = true
)
