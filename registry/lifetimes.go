package registry

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Lifetimes say how long sign-in sessions last: in an installation, for the orgs of a plan, or for
// one org, where 0 is what the plan or the installation says. The shorter one counts, also for
// sessions of before.
type Lifetimes struct {
	Idle     Seconds `json:"idle_seconds,omitempty" doc:"seconds without use after which a session ends; absent: as the installation says"`
	Absolute Seconds `json:"lifetime_seconds,omitempty" doc:"seconds from sign-in to the end of a session; absent: as the installation says"`
}

// LifetimeChanges change lifetimes; nil leaves one.
type LifetimeChanges struct {
	Idle     *Seconds `json:"idle_seconds,omitempty" example:"900" doc:"seconds without use after which a session ends; 0: as the installation says"`
	Absolute *Seconds `json:"lifetime_seconds,omitempty" example:"28800" doc:"seconds from sign-in to the end of a session; 0: as the installation says"`
}

// Changed returns l after changes.
func (l Lifetimes) Changed(c LifetimeChanges) Lifetimes {
	if c.Idle != nil {
		l.Idle = *c.Idle
	}
	if c.Absolute != nil {
		l.Absolute = *c.Absolute
	}
	return l
}

// Seconds is a duration in whole seconds.
type Seconds int64

// Duration is s as one.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// String implements fmt.Stringer: such as "8 hours".
func (s Seconds) String() string {
	d := s.Duration()
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.unit; {
		case n == 1 && d%u.unit == 0:
			return "1 " + u.name
		case n > 0 && d%u.unit == 0:
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return d.String()
}

// DefaultLifetimes are those of an installation that says none.
func DefaultLifetimes() Lifetimes {
	return Lifetimes{Seconds(SessionIdle / time.Second), Seconds(SessionAbsolute / time.Second)}
}

// OrDefault puts the default in the place of what is not said. A session is never idle for longer
// than it lives.
func (l Lifetimes) OrDefault() Lifetimes {
	d := DefaultLifetimes()
	if l.Absolute == 0 {
		l.Absolute = d.Absolute
	}
	if l.Idle == 0 {
		l.Idle = min(d.Idle, l.Absolute)
	}
	return l
}

// Bounds of lifetimes. A session is renewed and noted as used by requests, so that a much shorter
// one would end under somebody who reads a page.
const (
	SessionLeast = 5 * time.Minute
	SessionMost  = 90 * 24 * time.Hour
)

// Shorter is the shorter of each of l and m.
func (l Lifetimes) Shorter(m Lifetimes) Lifetimes {
	shorter := func(a, b Seconds) Seconds {
		if a == 0 || b == 0 {
			return max(a, b)
		}
		return min(a, b)
	}
	return Lifetimes{shorter(l.Idle, m.Idle), shorter(l.Absolute, m.Absolute)}
}

// Within checks what an org or a plan asks for against the bounds and what it may ask for at most.
// Error: CodeInvalid on the field "idle_seconds" or "lifetime_seconds".
func (l Lifetimes) Within(most Lifetimes) error {
	for _, f := range []struct {
		field, what string
		asked, most Seconds
	}{
		{"idle_seconds", "an idle session", l.Idle, most.Idle},
		{"lifetime_seconds", "a session", l.Absolute, most.Absolute},
	} {
		switch {
		case f.asked == 0:
		case f.asked.Duration() < SessionLeast:
			return Errorf(CodeInvalid, f.field, "%s lasts at least %s", f.what, Seconds(SessionLeast/time.Second))
		case f.asked%60 != 0:
			return Errorf(CodeInvalid, f.field, "%s lasts whole minutes", f.what)
		case f.asked > f.most:
			return Errorf(CodeInvalid, f.field, "%s lasts at most %s here", f.what, f.most)
		}
	}
	if l.Idle > 0 && l.Absolute > 0 && l.Idle > l.Absolute {
		return Errorf(CodeInvalid, "idle_seconds", "an idle session lasts no longer than any, %s", l.Absolute)
	}
	return nil
}

// over reports whether a sign-in is too long ago for l, or its session was idle too long.
func (l Lifetimes) over(s SignIn, now time.Time) bool {
	used := s.At
	if s.Used.After(used) {
		used = s.Used
	}
	return l.Absolute > 0 && !now.Before(s.At.Add(l.Absolute.Duration())) ||
		l.Idle > 0 && !s.Rests && !now.Before(used.Add(l.Idle.Duration()))
}

// End is when a session that began at a time is over, when that is before otherwise.
func (l Lifetimes) End(began, otherwise time.Time) time.Time {
	if end := began.Add(l.Absolute.Duration()); l.Absolute > 0 && end.Before(otherwise) {
		return end
	}
	return otherwise
}

// Text says them: such as "8 hours, or 15 minutes without use".
func (l Lifetimes) Text() string {
	var parts []string
	if l.Absolute > 0 {
		parts = append(parts, l.Absolute.String())
	}
	if l.Idle > 0 {
		parts = append(parts, l.Idle.String()+" without use")
	}
	if parts == nil {
		return "as the installation says"
	}
	return strings.Join(parts, ", or ")
}

// SignInPolicyStore keeps what an org asks of sign-ins.
type SignInPolicyStore interface {
	RequireSecondStep(ctx context.Context, a Actor, org OrgID, version string, required bool) error
	SetSessionLifetimes(ctx context.Context, a Actor, org OrgID, version string, l Lifetimes) error
}
