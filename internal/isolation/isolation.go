package isolation

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"time"
)

// Org is one of the two canaries.
type Org struct {
	ID    string
	URL   string // https://slug.domain[:port]
	Token string // of its runner: an org session
	Key   string // of its runner
}

// Target is an installation with two canary orgs.
type Target struct {
	Issuer string // URL of the control plane
	A, B   Org
	Roots  *x509.CertPool // nil = the system's
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Mirror string                      // a path of the app that answers with the headers that it got, as text or JSON
	Revoke func(context.Context) error // ends B's runner
}

// Outcome says how a check went.
type Outcome string

// The outcomes.
const (
	Held       Outcome = "held"
	Broken     Outcome = "BROKEN"
	NotChecked Outcome = "not checked"
)

// Result is one line of a report.
type Result struct {
	Rows    []int   `json:"rows"` // of the threat model
	Threat  string  `json:"threat"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"`
	Tries   int     `json:"tries"` // requests that were sent
}

// Report is what an auditor keeps.
type Report struct {
	Issuer    string    `json:"issuer"`
	At        time.Time `json:"at"`
	Isolation string    `json:"instances"` // what separates instances on the machine, in the provider's words
	Results   []Result  `json:"results"`
}

// Broken is how many checks found a control broken.
func (r Report) Broken() (n int) {
	for _, x := range r.Results {
		if x.Outcome == Broken {
			n++
		}
	}
	return n
}

// errNotChecked says why a check could not be made.
type errNotChecked string

func (e errNotChecked) Error() string { return string(e) }

const noMirror errNotChecked = "the app has no path that shows what it is given; name one with --mirror"

// Run makes every check. An error means that the target cannot be attacked at all.
func Run(ctx context.Context, t Target) ([]Result, error) {
	a := &attack{Target: t, ctx: ctx}
	if err := a.begin(); err != nil {
		return nil, err
	}
	var out []Result
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		a.tries = 0
		r := Result{Rows: c.rows, Threat: c.threat, Outcome: Held}
		var not errNotChecked
		switch err := c.run(a); {
		case errors.As(err, &not):
			r.Outcome, r.Detail = NotChecked, not.Error()
		case err != nil:
			r.Outcome, r.Detail = Broken, err.Error()
		}
		r.Tries = a.tries
		out = append(out, r)
	}
	return out, nil
}
