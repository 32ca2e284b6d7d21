package agent

import (
	"fmt"
	"slices"
)

// Profile says how an app learns who is asking.
type Profile string

// Profiles. In all but Direct, the agent listens in place of the app.
const (
	Direct         Profile = "direct"          // the app listens itself, and checks assertions
	Assertion      Profile = "assertion"       // the assertion, in its own header
	Bearer         Profile = "bearer"          // the assertion, as a bearer token
	TrustedHeaders Profile = "trusted-headers" // X-Forwarded-User and such
	PizzaPi        Profile = "pizzapi"         // a session of PizzaPi's own; see package pizzapi
)

// Profiles are all of them.
var Profiles = []Profile{Direct, Assertion, Bearer, TrustedHeaders, PizzaPi}

// CheckProfile returns an error for one that does not exist. "" is Direct.
func CheckProfile(p Profile) error {
	if p == "" || slices.Contains(Profiles, p) {
		return nil
	}
	return fmt.Errorf("unknown profile %q: use direct, assertion, bearer, trusted-headers or pizzapi", p)
}
